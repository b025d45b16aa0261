//! `tidegate replay`: a workload on a recording.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tidegate::Config;
use tidegate::metrics::MetricsFile;
use tidegate::recording::{BatchRange, Recording, replay};

use super::arguments::{StrategyArgument, from_one};
use super::failure::Failure;
use super::files::Files;
use super::program::{Flags, Origin, Program, Workload, workload};
use super::progress::{ProgressLine, Terminal};
use super::record::refused;
use super::sink::{self, SINKS};
use super::summary;

/// Run a workload on a recording, with the batches that were recorded
///
/// Each batch has the id, the time and the records that it had when it was recorded, as fast as they
/// go. On any number of workers and with any strategy the results are the same: what differs comes
/// from another version of the program.
///
/// The recording is checked before anything runs.
#[derive(Args)]
#[command(after_help = format!("{SINKS}\n
Examples:
  tidegate replay lines.tgr                                 the workload it was recorded for
  tidegate replay lines.tgr --batches 17                    one batch, from an empty state
  tidegate replay lines.tgr --batches 10..20 -w 4 --sink jsonl:again.jsonl
  tidegate replay lines.tgr --workload wordcount --strategy recompute --output changes"))]
pub struct Replay {
    /// What `tidegate record` has written
    #[arg(value_name = "FILE")]
    recording: PathBuf,

    /// Only these batches: `3..7`, `..7`, `3..` or `3`, both ends included
    #[arg(long, value_name = "RANGE", default_value = "..", hide_default_value = true)]
    batches: BatchRange,

    /// What to compute [default: what it was recorded for]
    #[arg(long, value_parser = workload())]
    workload: Option<Workload>,

    /// Worker threads
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = from_one())]
    workers: usize,

    /// How state is kept
    #[arg(long, value_enum, default_value_t = StrategyArgument::HashIndex)]
    strategy: StrategyArgument,

    /// Write a record of each batch to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,

    #[command(flatten)]
    flags: Flags,
}

impl Replay {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        sink::check(&self.flags.sink)?;
        Files::default()
            .with("FILE", Some(&self.recording))
            .with_sinks(&self.flags.sink)
            .with("--dead-letters", self.flags.dead_letters.as_ref())
            .with("--metrics", self.metrics.as_ref())
            .check()?;
        let recording = Recording::open_range(&self.recording, self.batches).map_err(refused)?;
        let workload = match self.workload {
            Some(workload) => workload,
            None => recorded_for(&recording)?,
        };
        let mut config = Config::new(workload.name())
            .workers(self.workers)
            .strategy(self.strategy.into())
            .interval(recording.interval())
            .stop_on_signals(true);
        config.check().map_err(|error| Failure::Usage(error.to_string()))?;
        if let Some(path) = &self.metrics {
            let file = MetricsFile::create(path).map_err(|error| {
                let path = path.display();
                Failure::Usage(format!(
                    "can't write metrics to `{path}` ({error}): check the path and its permissions"
                ))
            })?;
            config = config.listener(Arc::new(file));
        }
        if !terminal.is_quiet() {
            config = config.listener(Arc::new(ProgressLine::new(terminal)));
        }
        let program = Program {
            workload,
            origin: Origin::Recording(recording.clone()),
            flags: self.flags,
            interval: recording.interval(),
            fail_fast: true,
        };
        let shown = terminal.clone();
        let outcome = replay(config, &recording, move |ctx| program.build(ctx, &shown))?;
        if !terminal.is_quiet() {
            terminal.clear();
            eprint!("{}", summary::text(&outcome, None));
        }
        Ok(())
    }
}

/// The workload that a recording was made for.
pub fn recorded_for(recording: &Recording) -> Result<Workload, Failure> {
    let name = &recording.header().workload;
    Workload::from_str(name, false).map_err(|_| {
        Failure::Usage(format!(
            "`{}` was recorded for `{name}`, which this program does not have: say with --workload \
             what to compute",
            recording.path().display()
        ))
    })
}
