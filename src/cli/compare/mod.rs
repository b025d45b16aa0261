//! `tidegate compare`: incremental against recompute, on one input.

mod steps;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tidegate::compare::CompareError;
use tidegate::error::RecordingError;
use tidegate::recording::BatchRange;
use tidegate::report::compare_page;

use self::workload::Compared;
use super::failure::Failure;
use super::output_file::OutputFile;
use super::progress::Terminal;
use super::record::refused;

/// Compare incremental with recompute: outputs batch by batch, and what they cost
///
/// Runs one workload on one input in four ways: incremental in a hash index, incremental in an
/// arrangement, from partial aggregates (as Spark without an inverse function), and anew from all
/// rows of the window (as a batch engine). First the outputs of every batch are compared as
/// multisets; a difference ends the command with 1 and names the batch and the rows. Then the batches
/// are timed, and beside what computes anew stands a plain loop that does the same work.
///
/// Then it shows on what the ratio depends: curves over the window's length, the number of keys and
/// the share that changes in a batch. Verdicts compare them with what they should be at least.
///
/// Use a release build.
#[derive(Args)]
#[command(after_help = "Columns:
  p50 ms, p99 ms   from the cut of a batch until its output is complete
  due p99          since the batch was due, one each interval: waiting for the one before counts
  CPU ms           what all threads computed for a batch
  touched          rows a batch went over: those that came, and those of the state
  ratio            median time of a batch, of that of the first way
  of loop          median time of a batch, of that of a plain loop that does the same work

Examples:
  tidegate compare windowed-wordcount --quick               about a minute
  tidegate compare windowed-count --json out.json --html out.html
  tidegate compare reachability --quick --workers 2
  tidegate record windowed-wordcount --source kafka://localhost:9092/lines --for 60s --to lines.tgr
  tidegate compare windowed-wordcount --recording lines.tgr --window 30s --no-curves")]
pub struct Compare {
    /// What to compute
    #[arg(value_enum)]
    workload: Compared,

    /// Read this recording [default: input made up for the workload]
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,

    /// With --recording: only these batches (`3..7`, `..7`, `3..` or `3`)
    #[arg(
        long,
        value_name = "RANGE",
        default_value = "..",
        hide_default_value = true,
        requires = "recording"
    )]
    batches: BatchRange,

    /// Without --recording: rows of a batch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..),
          conflicts_with = "recording")]
    rows: Option<u64>,

    /// Without --recording: what it is made from
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "recording")]
    seed: u64,

    /// Length of the window, a multiple of the interval
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    window: Duration,

    /// By how much the window slides, a multiple of the interval [default: the interval]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    slide: Option<Duration>,

    /// Worker threads
    #[arg(short, long, default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1024))]
    workers: u64,

    /// Fewer batches and fewer points: done in about a minute
    #[arg(long)]
    quick: bool,

    /// Only the workload, without curves and verdicts
    #[arg(long)]
    no_curves: bool,

    /// Write everything, every batch's time included, to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Compare {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        if cfg!(debug_assertions) {
            log::warn!("this is a debug build: its figures say nothing; use `cargo run --release`");
        }
        let json = self.json.as_deref().map(|path| OutputFile::create("--json", path));
        let (json, html) = (
            json.transpose()?,
            self.html.as_deref().map(|path| OutputFile::create("--html", path)).transpose()?,
        );
        let bar = terminal.spinner();
        let mut progress = |what: &str| bar.set_message(what.to_owned());
        let report = self.report(&mut progress);
        bar.finish_and_clear();
        let report = report.map_err(|error| match error {
            Stopped::Compare(CompareError::Run { source, .. }) => Failure::Run(*source),
            Stopped::Compare(CompareError::Recording(error)) | Stopped::Recording(error) => {
                refused(error)
            }
            Stopped::Compare(error) => Failure::Other(error.to_string()),
            Stopped::Usage(text) => Failure::Usage(text),
        })?;
        // Nobody listens on a closed terminal.
        let _ = terminal.print(&report.to_string());
        if let Some(file) = json {
            file.write(&serde_json::to_vec(&report).unwrap_or_default())?;
        }
        if let Some(file) = html {
            file.write(compare_page(&report, &[]).as_bytes())?;
        }
        Ok(())
    }
}

/// Why there is no report.
enum Stopped {
    Compare(CompareError),
    Recording(RecordingError),
    Usage(String),
}
