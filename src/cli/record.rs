//! `tidegate record`: what a workload reads, batch by batch, into a file.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::HumanBytes;
use tidegate::error::RecordingError;
use tidegate::recording::Recorder;
use tidegate::sink::JsonLines;
use tidegate::source::generator::nexmark::NexmarkEvent;
use tidegate::source::generator::{AdActivity, AdEvent, Click};
use tidegate::workloads::{Edge, LabelledPoint, Point};
use tidegate::{Record, start};

use super::arguments::BatchArguments;
use super::counted::counted;
use super::failure::{Failure, with_causes};
use super::files::Files;
use super::learning::Learning;
use super::program::{ModelWorkload, Workload, nexmark_queries, workload};
use super::progress::{ProgressLine, Terminal};
use super::source::{self, Input, Made, SOURCES, SourceUrl};
use super::stop;

/// Record what a workload reads, batch by batch
///
/// Batches are cut as `tidegate run` would cut them; each is written with its id and time, and with
/// the offsets and the records of each partition. `tidegate replay` runs the workload on them
/// again, and `tidegate compare` runs it in several ways. Records that can't be decoded are left
/// out.
///
/// Recording ends when the source ends, its time is over (--for), or at Ctrl-C.
#[derive(Args)]
#[command(after_help = format!("{}\n\n{SOURCES}\n
Examples:
  tidegate record windowed-wordcount --source kafka://localhost:9092/lines --for 60s --to lines.tgr
  tidegate record wordcount --source file:README.md --trigger count:50 --to readme.tgr
  tidegate record clickstream --source 'generate:?records=1e6' --trigger count:5000 --to clicks.tgr
  tidegate replay lines.tgr --workers 4 --window 30s", nexmark_queries()))]
pub struct RecordCommand {
    /// Whose input it is: this says how records are decoded (Nexmark's queries: see below)
    #[arg(value_parser = workload())]
    workload: Workload,

    /// Where records come from (see below)
    #[arg(long, short, value_name = "SOURCE")]
    source: SourceUrl,

    /// The file to record to; it must not be there yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Write records that can't be decoded to this file, as JSON lines, with their offsets and the
    /// reason
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,

    #[command(flatten)]
    learning: Learning,

    #[command(flatten)]
    batches: BatchArguments,
}

/// What is wrong with a recording, as a failure of the command line: nothing has begun.
pub fn refused(error: RecordingError) -> Failure {
    Failure::Usage(with_causes(&error))
}

impl RecordCommand {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let learning = &self.learning;
        match self.workload {
            Workload::Lines(_) => self.record::<String>(Made::any(), terminal),
            Workload::Clicks(_) => self.record::<Click>(Made::any(), terminal),
            Workload::Ads(_) => self.record::<AdEvent>(Made::any(), terminal),
            Workload::AdActivity(_) => self.record::<AdActivity>(Made::any(), terminal),
            Workload::Graphs(_) => self.record::<Edge>(Made::any(), terminal),
            Workload::Models(ModelWorkload::Kmeans) => {
                let points = learning.points();
                self.record::<Point>(points, terminal)
            }
            Workload::Models(ModelWorkload::Regression) => {
                let points = learning.labelled();
                self.record::<LabelledPoint>(points, terminal)
            }
            Workload::Nexmark(_) => self.record::<NexmarkEvent>(Made::any(), terminal),
        }
    }

    fn record<D: Input + Record>(self, made: Made<D>, terminal: &Terminal) -> Result<(), Failure> {
        source::check(&self.source)?;
        Files::default()
            .with("--source", self.source.file())
            .with("--to", Some(&self.to))
            .with("--dead-letters", self.dead_letters.as_ref())
            .check()?;
        let name = self.workload.name();
        let mut config = self.batches.config(&name);
        config.check().map_err(|error| Failure::Usage(error.to_string()))?;
        let from = self.source.to_string();
        let recorder = Recorder::create::<D>(&self.to, &name, &from, config.interval);
        let recorder = recorder.map_err(refused)?;
        config = config.plan_log(Arc::new(recorder.clone()));
        if !terminal.is_quiet() {
            config = config.listener(Arc::new(ProgressLine::new(terminal)));
        }
        let (record, source, dead_letters) = (recorder.clone(), self.source, self.dead_letters);
        let job = start(config, move |ctx| {
            let (records, dead) = source.read(ctx, made.clone());
            if let Some(path) = &dead_letters {
                dead.sink(JsonLines::new(path));
            }
            record.record(records);
        });
        let outcome = job.and_then(|job| stop::join_within(job, self.batches.run_for));
        let outcome = outcome.inspect_err(|error| {
            if error.is_before_start() {
                // Nothing is in it: it need not be in the way of the next attempt.
                let _ = std::fs::remove_file(&self.to);
            }
        })?;
        let written = recorder.finish().map_err(|error| Failure::Other(with_causes(&error)))?;
        if !terminal.is_quiet() {
            terminal.clear();
            let dead = match outcome.dead_letters {
                0 => String::new(),
                dead => {
                    format!(
                        "; left out: {} that can't be decoded",
                        counted(dead, "record", "records")
                    )
                }
            };
            eprintln!(
                "`{}` has {} in {} ({}){dead}",
                self.to.display(),
                counted(written.rows, "record", "records"),
                counted(written.batches, "batch", "batches"),
                HumanBytes(written.bytes)
            );
        }
        Ok(())
    }
}
