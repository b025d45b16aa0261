//! `tidegate bench`: figures, each beside a baseline in the same run.

use std::fs::File;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tidegate::bench::{BenchRow, Settings, ingest, latency, operators, recovery};

use super::failure::Failure;
use super::progress::Terminal;

/// Measure, each figure beside a baseline in the same run
///
/// Use a release build. What carries over to other machines is the ratio to the limit: a plain loop
/// that does the same work without any framework, in the same process, on the same input.
#[derive(Args)]
#[command(after_help = "Examples:
  tidegate bench operators --json target/bench-operators.json
  tidegate bench operators --quick --only 'sliding hash'
  tidegate bench ingest --broker localhost:9092
  tidegate bench latency")]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Running counts, sliding counts and growing state, against plain loops
    Operators(Options),
    /// Reading from Kafka, against a bare consumer
    Ingest(IngestOptions),
    /// Batch and record latency at a steady load
    Latency(Options),
    /// What checkpoints and exactly-once output cost, and how long a restart takes
    Recovery(Options),
    /// Keep one core busy, as another program would
    #[command(hide = true)]
    Spin,
}

#[derive(Args)]
struct Options {
    /// Write the rows to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// A tenth of the input: to see whether it works
    #[arg(long)]
    quick: bool,

    /// Only what has these words in the names of its bench, variant and dataset
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
}

#[derive(Args)]
struct IngestOptions {
    #[command(flatten)]
    options: Options,

    /// A broker to measure against, instead of an embedded one
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
}

impl Bench {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let json = self.what.options().map_or(Ok(None), Options::open)?;
        let bar = terminal.spinner();
        bar.set_message("measuring");
        let mut progress = |row: &BenchRow| {
            bar.set_message(format!("{}, {}, {}", row.bench, row.variant, row.dataset));
        };
        let report = match self.what {
            What::Spin => loop {
                std::hint::spin_loop();
            },
            What::Operators(options) => {
                operators::operators(&options.settings(None), &mut progress)?
            }
            What::Ingest(IngestOptions { options, broker }) => {
                ingest(&options.settings(broker), &mut progress)?
            }
            What::Recovery(options) => recovery(&options.settings(None), &mut progress)?,
            What::Latency(options) => latency(&options.settings(None), &mut progress)?,
        };
        bar.finish_and_clear();
        // Nobody listens on a closed terminal.
        let _ = terminal.print(&report.to_string());
        if let Some((path, file)) = json {
            report.write_json(file).map_err(|error| {
                Failure::Other(format!("can't write `{}`: {error}", path.display()))
            })?;
        }
        Ok(())
    }
}

impl What {
    fn options(&self) -> Option<&Options> {
        match self {
            What::Operators(options) | What::Latency(options) | What::Recovery(options) => {
                Some(options)
            }
            What::Ingest(IngestOptions { options, .. }) => Some(options),
            What::Spin => None,
        }
    }
}

impl Options {
    fn settings(&self, brokers: Option<String>) -> Settings {
        if cfg!(debug_assertions) {
            log::warn!("this is a debug build: its figures say nothing; use `cargo run --release`");
        }
        Settings {
            quick: self.quick,
            only: self.only.clone(),
            brokers,
            program: std::env::current_exe().ok(),
        }
    }

    /// The file for the rows: what can't be written had better fail before hours of measuring.
    fn open(&self) -> Result<Option<(PathBuf, File)>, Failure> {
        let Some(path) = &self.json else { return Ok(None) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let file = parent.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(path));
        let file = file.map_err(|error| {
            Failure::Usage(format!(
                "can't write `{}`: {error}; give --json a file that can be written",
                path.display()
            ))
        })?;
        Ok(Some((path.clone(), file)))
    }
}
