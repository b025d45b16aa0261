//! `tidegate report`: pages and tables from what was measured.

use std::path::{Path, PathBuf};

use clap::Args;
use tidegate::bench::grid::GridReport;
use tidegate::compare::CompareReport;
use tidegate::report::{Comparison, Table, bench_page, compare_page};

use super::failure::Failure;
use super::output_file::OutputFile;
use super::progress::Terminal;

/// Show a report that was written as JSON, as text or as a page with plots
///
/// The page is one file that needs nothing else: no network, no scripts. Of two measurements it says
/// what is faster, what is slower, and what can't be told.
#[derive(Args)]
#[command(after_help = "Examples:
  tidegate compare windowed-wordcount --quick --json out.json
  tidegate report out.json --html out.html
  tidegate report bench.json --markdown bench.md --csv bench.csv
  tidegate report before.json after.json")]
pub struct ReportCommand {
    /// What `tidegate compare --json`, or for a grid `tidegate bench --json`, has written
    #[arg(value_name = "FILE")]
    json: PathBuf,

    /// A later one of the same kind, to be held against it
    #[arg(value_name = "LATER")]
    later: Option<PathBuf>,

    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write its figures, or the verdicts of two, to this file, for spreadsheets
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write its figures, or the verdicts of two, to this file, as a table in Markdown
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
        let later = self.later.as_deref().map(read).transpose()?;
        match (read(&self.json)?, later) {
            (Report::Bench(grid), None) => {
                let page = || bench_page(&grid, &[]);
                self.show(terminal, &grid.table(), page, || grid.to_string())
            }
            (Report::Bench(grid), Some(Report::Bench(later))) => {
                let against = later.against(&grid);
                self.verdicts(terminal, &against, || bench_page(&later, &against))
            }
            (Report::Compare(report), None) => {
                let page = || compare_page(&report, &[]);
                self.show(terminal, &report.table(), page, || report.to_string())
            }
            (Report::Compare(report), Some(Report::Compare(later))) => {
                let against = later.against(&report);
                self.verdicts(terminal, &against, || compare_page(&later, &against))
            }
            _ => Err(Failure::Usage(
                "one file is of `tidegate bench` and the other of `tidegate compare`: give two of the \
                 same kind"
                    .into(),
            )),
        }
    }

    fn verdicts(
        &self,
        terminal: &Terminal,
        against: &[Comparison],
        page: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if against.is_empty() {
            return Err(Failure::Usage(format!(
                "`{}` and the later measurement have nothing in common: measure the same",
                self.json.display()
            )));
        }
        let table = Comparison::table(against);
        self.show(terminal, &table, page, || table.to_string())
    }

    /// Writes the files that are asked for; if none is, prints it.
    fn show(
        &self,
        terminal: &Terminal,
        table: &Table,
        page: impl FnOnce() -> String,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if let Some(path) = &self.html {
            write("--html", path, &page())?;
        }
        if let Some(path) = &self.csv {
            write("--csv", path, &table.csv())?;
        }
        if let Some(path) = &self.markdown {
            write("--markdown", path, &table.markdown())?;
        }
        if self.html.is_some() || self.csv.is_some() || self.markdown.is_some() {
            return Ok(());
        }
        let printed = terminal.print(&text());
        printed.map_err(|error| Failure::Other(format!("can't write to standard output: {error}")))
    }
}

fn read(path: &Path) -> Result<Report, Failure> {
    let shown = path.display();
    let remedy = "give a file that `tidegate compare --json` has written, or for a grid `tidegate bench \
                  --json`, without a command such as `operators`";
    let refuse = |why: &dyn std::error::Error| {
        Failure::Usage(format!("`{shown}` is no report ({why}): {remedy}"))
    };
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Usage(format!("can't read `{shown}`: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| refuse(&error))?;
    // A grid is lines, the first of which says so.
    let first: Option<serde_json::Value> =
        text.lines().next().and_then(|line| serde_json::from_str(line).ok());
    if first.is_some_and(|first| first["kind"] == GridReport::KIND) {
        let grid = GridReport::parse(&text);
        let grid = grid
            .map_err(|why| Failure::Usage(format!("`{shown}` can't be read ({why}): {remedy}")))?;
        return Ok(Report::Bench(Box::new(grid)));
    }
    let report: CompareReport = serde_json::from_str(&text).map_err(|error| refuse(&error))?;
    if (&*report.kind, report.version) != (CompareReport::KIND, 1) {
        let (kind, version) = (&report.kind, report.version);
        return Err(Failure::Usage(format!(
            "`{shown}` is a report of kind `{kind}`, version {version}: {remedy}"
        )));
    }
    Ok(Report::Compare(Box::new(report)))
}

fn write(flag: &str, path: &Path, text: &str) -> Result<(), Failure> {
    OutputFile::create(flag, path)?.write(text.as_bytes())
}
