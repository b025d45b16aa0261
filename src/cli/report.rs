//! `tidegate report`: pages and tables from what was measured.

use std::path::{Path, PathBuf};

use clap::Args;
use tidegate::bench::grid::{Comparison, GridReport, compare};
use tidegate::compare::CompareReport;
use tidegate::report::{bench_page, compare_page};

use super::failure::Failure;
use super::output_file::OutputFile;
use super::progress::Terminal;

/// Show a report that was written as JSON, as text or as a page with plots
///
/// The page is one file that needs nothing else: no network, no scripts. Of two measurements of
/// `tidegate bench` it says what is faster, what is slower, and what can't be told.
#[derive(Args)]
#[command(after_help = "Examples:
  tidegate compare windowed-wordcount --quick --json out.json
  tidegate report out.json --html out.html
  tidegate report bench.json --markdown bench.md --csv bench.csv
  tidegate report before.json after.json")]
pub struct ReportCommand {
    /// What `tidegate compare --json` or `tidegate bench --json` has written
    #[arg(value_name = "FILE")]
    json: PathBuf,

    /// A later measurement of `tidegate bench`, to be held against it
    #[arg(value_name = "LATER")]
    later: Option<PathBuf>,

    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write a grid's cells, or the verdicts of two, to this file, for spreadsheets
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write a grid's cells, or the verdicts of two, to this file, as a table in Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// What a file may be.
enum Report {
    Compare(Box<CompareReport>),
    Bench(Box<GridReport>),
}

impl ReportCommand {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let grid = match (read(&self.json)?, &self.later) {
            (Report::Bench(grid), _) => *grid,
            (Report::Compare(_), Some(later)) => {
                return Err(not_a_grid(&self.json, &format!("held against `{}`", later.display())));
            }
            (Report::Compare(report), None) => {
                if let Some(path) = self.csv.as_ref().or(self.markdown.as_ref()) {
                    return Err(not_a_grid(
                        &self.json,
                        &format!("written to `{}`", path.display()),
                    ));
                }
                return match &self.html {
                    Some(path) => write("--html", path, &compare_page(&report)),
                    None => print(terminal, &report.to_string()),
                };
            }
        };
        let (shown, against) = match &self.later {
            None => (grid, Vec::new()),
            Some(path) => match read(path)? {
                Report::Bench(later) => {
                    let against = compare(&grid, &later);
                    (*later, against)
                }
                Report::Compare(_) => return Err(not_a_grid(path, "held against another")),
            },
        };
        let table = match against.is_empty() {
            true => shown.table(),
            false => Comparison::table(&against),
        };
        if let Some(path) = &self.html {
            write("--html", path, &bench_page(&shown, &against))?;
        }
        if let Some(path) = &self.csv {
            write("--csv", path, &table.csv())?;
        }
        if let Some(path) = &self.markdown {
            write("--markdown", path, &table.markdown())?;
        }
        match (self.html.is_some() || self.csv.is_some() || self.markdown.is_some(), &self.later) {
            (true, _) => Ok(()),
            (false, None) => print(terminal, &shown.to_string()),
            (false, Some(_)) if against.is_empty() => Err(Failure::Usage(format!(
                "`{}` and the later measurement have no cell in common: measure the same grid",
                self.json.display()
            ))),
            (false, Some(_)) => print(terminal, &table.to_string()),
        }
    }
}

fn read(path: &Path) -> Result<Report, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("can't read `{shown}`: {error}")))?;
    let remedy =
        "give a file that `tidegate compare --json` or `tidegate bench --json` has written";
    // A grid is lines, the first of which says so.
    let first: Option<serde_json::Value> =
        text.lines().next().and_then(|line| serde_json::from_str(line).ok());
    if first.is_some_and(|first| first["kind"] == GridReport::KIND) {
        let grid = GridReport::parse(&text);
        let grid = grid
            .map_err(|why| Failure::Usage(format!("`{shown}` can't be read ({why}): {remedy}")))?;
        return Ok(Report::Bench(Box::new(grid)));
    }
    let report: CompareReport = serde_json::from_str(&text)
        .map_err(|error| Failure::Usage(format!("`{shown}` is no report ({error}): {remedy}")))?;
    if (&*report.kind, report.version) != (CompareReport::KIND, 1) {
        let (kind, version) = (&report.kind, report.version);
        return Err(Failure::Usage(format!(
            "`{shown}` is a report of kind `{kind}`, version {version}: {remedy}"
        )));
    }
    Ok(Report::Compare(Box::new(report)))
}

fn not_a_grid(path: &Path, what: &str) -> Failure {
    let path = path.display();
    Failure::Usage(format!(
        "`{path}` is a comparison of modes, which can't be {what}: give files that `tidegate bench \
         --json` has written, or `--html` alone"
    ))
}

fn write(flag: &str, path: &Path, text: &str) -> Result<(), Failure> {
    OutputFile::create(flag, path)?.write(text.as_bytes())
}

fn print(terminal: &Terminal, text: &str) -> Result<(), Failure> {
    let printed = terminal.print(text);
    printed.map_err(|error| Failure::Other(format!("can't write to standard output: {error}")))
}
