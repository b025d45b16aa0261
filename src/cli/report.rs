//! `tidegate report`: a page from the JSON of a comparison.

use std::path::PathBuf;

use clap::Args;
use tidegate::compare::CompareReport;
use tidegate::report::compare_page;

use super::failure::Failure;
use super::output_file::OutputFile;
use super::progress::Terminal;

/// Show a report that was written as JSON, as text or as a page with plots
///
/// The page is one file that needs nothing else: no network, no scripts.
#[derive(Args)]
#[command(after_help = "Examples:
  tidegate compare windowed-wordcount --quick --json out.json
  tidegate report out.json
  tidegate report out.json --html out.html")]
pub struct ReportCommand {
    /// What `tidegate compare --json` has written
    #[arg(value_name = "FILE")]
    json: PathBuf,

    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl ReportCommand {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let path = self.json.display();
        let text = std::fs::read(&self.json)
            .map_err(|error| Failure::Usage(format!("can't read `{path}`: {error}")))?;
        let remedy = "give a file that `tidegate compare --json` has written";
        let report: CompareReport = serde_json::from_slice(&text).map_err(|error| {
            Failure::Usage(format!("`{path}` is no report ({error}): {remedy}"))
        })?;
        if (&*report.kind, report.version) != (CompareReport::KIND, 1) {
            let (kind, version) = (&report.kind, report.version);
            return Err(Failure::Usage(format!(
                "`{path}` is a report of kind `{kind}`, version {version}: {remedy}"
            )));
        }
        match &self.html {
            Some(html) => {
                OutputFile::create("--html", html)?.write(compare_page(&report).as_bytes())
            }
            None => terminal.print(&report.to_string()).map_err(|error| {
                Failure::Other(format!("can't write to standard output: {error}"))
            }),
        }
    }
}
