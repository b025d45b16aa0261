//! `tidegate bench`: a grid of figures, or one question and its answer.

mod grid;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tidegate::bench::{BenchRow, Settings, ingest, latency, operators, recovery};

use self::grid::GridOptions;
use super::failure::Failure;
use super::output_file::OutputFile;
use super::progress::Terminal;

/// Measure latency and throughput on a grid of workers, processes, intervals and rates
///
/// Records are due at their rate, whether or not the job is ready for them (an open loop), and
/// latencies count from then: a stall of a second shows as a tail of a second. Then the highest
/// rate that each job can keep up with is looked for. Use a release build.
///
/// The commands measure one thing each beside a plain loop that does the same work without any
/// framework, in the same process, on the same input: that ratio carries over to other machines.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  tidegate bench --quick --html out.html
  tidegate bench --workload clickstream --workers 1,2,4 --rate 50000 --json out.json
  tidegate bench --full --json out.json --resume
  tidegate report before.json after.json
  tidegate bench operators --json target/bench-operators.json
  tidegate bench operators --quick --only 'sliding hash'
  tidegate bench ingest --broker localhost:9092
  tidegate bench latency
  tidegate bench recovery"
)]
pub struct Bench {
    #[command(flatten)]
    grid: GridOptions,

    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Running and sliding counts, sliding maxima, sessions, ranking, joins, reachability, growing state
    /// and idle state, against plain loops
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
        let Some(what) = self.what else { return self.grid.run(terminal) };
        let json = what.options().map_or(Ok(None), Options::open)?;
        let bar = terminal.spinner();
        bar.set_message("measuring");
        let mut progress = |row: &BenchRow| {
            bar.set_message(format!("{}, {}, {}", row.bench, row.variant, row.dataset));
        };
        let report = match &what {
            What::Spin => loop {
                std::hint::spin_loop();
            },
            What::Operators(options) => {
                operators::operators(&options.settings(None), &mut progress)?
            }
            What::Ingest(IngestOptions { options, broker }) => {
                ingest(&options.settings(broker.clone()), &mut progress)?
            }
            What::Recovery(options) => recovery(&options.settings(None), &mut progress)?,
            What::Latency(options) => latency(&options.settings(None), &mut progress)?,
        };
        bar.finish_and_clear();
        if report.rows.is_empty() {
            return Err(what.nothing());
        }
        // Nobody listens on a closed terminal.
        let _ = terminal.print(&report.to_string());
        json.map_or(Ok(()), |file| file.write(report.json().as_bytes()))
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

impl What {
    /// Where no bench was meant.
    fn nothing(&self) -> Failure {
        let benches = match self {
            What::Operators(_) => {
                "running count, sliding count, sliding maximum, sessions, batch join, distinct, top 3, \
                 user's state, growth, windowed join, stream join and reachability"
            }
            What::Latency(_) => "latency at 200k/s, 10 ms and at 200k/s, 2 ms",
            What::Recovery(_) => "recovery: throughput, latency, size and restart",
            What::Ingest(_) | What::Spin => "ingest",
        };
        let only = self.options().and_then(|options| options.only.as_deref()).unwrap_or_default();
        Failure::Usage(format!("no bench has these words: `{only}`; there are {benches}"))
    }
}

impl Options {
    fn settings(&self, brokers: Option<String>) -> Settings {
        warn_of_debug_builds();
        Settings {
            quick: self.quick,
            only: self.only.clone(),
            brokers,
            program: std::env::current_exe().ok(),
        }
    }

    /// The file for the rows.
    fn open(&self) -> Result<Option<OutputFile>, Failure> {
        self.json.as_deref().map(|path| OutputFile::create("--json", path)).transpose()
    }
}

fn warn_of_debug_builds() {
    if cfg!(debug_assertions) {
        log::warn!("this is a debug build: its figures say nothing; use `cargo run --release`");
    }
}
