//! `tidegate run`: a workload on a source, into sinks.

use clap::Args;
use tidegate::{Config, Context, start};

use super::arguments::JobArguments;
use super::failure::Failure;
use super::files::Files;
use super::program::{Flags, Origin, Program, Workload, nexmark_queries, workload};
use super::progress::Terminal;
use super::sink::{self, SINKS};
use super::source::{self, SOURCES, SourceUrl};
use super::{stop, summary};

/// Run a workload on a source, into sinks
///
/// The job runs until its source ends, its time is over, or it is told to stop (Ctrl-C): then the
/// open batch is finished. A second Ctrl-C ends it at once.
#[derive(Args)]
#[command(after_help = format!("{}\n\n{SOURCES}\n\n{SINKS}\n
Examples:
  tidegate run wordcount --source file:README.md --trigger available-now
  tidegate run windowed-wordcount --source tcp://localhost:9999 --window 30s --slide 10s
  tidegate run clickstream -w 2 --source 'kafka://localhost:9092/clicks?group=demo' \\
      --sink jsonl:views.jsonl --metrics metrics.jsonl --dead-letters dead.jsonl
  tidegate run connected-components --source 'generate:?records=3000&rate=500' --window 3s
  tidegate run kmeans --source file:points.jsonl --clusters 3 --dimensions 2 --half-life 5
  tidegate run nexmark-q5 --source 'generate:?records=1e6&rate=10000'", nexmark_queries()))]
pub struct Run {
    /// What to compute (Nexmark's queries: see below)
    #[arg(value_parser = workload())]
    workload: Workload,

    /// Where records come from (see below)
    #[arg(long, short, value_name = "SOURCE")]
    source: SourceUrl,

    #[command(flatten)]
    flags: Flags,

    #[command(flatten)]
    job: JobArguments,
}

impl Run {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let run_for = self.job.batches.run_for;
        let (config, program) = self.prepare(terminal)?;
        let is_first = config.process() == 0;
        let job = start(config, program)?;
        let outcome = stop::join_within(job, run_for)?;
        if is_first && !terminal.is_quiet() {
            terminal.clear();
            eprint!("{}", summary::text(&outcome, None));
        }
        Ok(())
    }

    /// The job, checked as far as its flags go.
    pub fn prepare(
        self,
        terminal: &Terminal,
    ) -> Result<(Config, impl Fn(Context<'_>) + Send + Sync + 'static), Failure> {
        source::check(&self.source)?;
        sink::check(&self.flags.sink)?;
        Files::default()
            .with("--source", self.source.file())
            .with_sinks(&self.flags.sink)
            .with("--dead-letters", self.flags.dead_letters.as_ref())
            .with("--metrics", self.job.state.metrics.as_ref())
            .check()?;
        let config = self.job.config(&self.workload.name(), terminal)?;
        let program = Program {
            workload: self.workload,
            origin: Origin::Source(self.source),
            flags: self.flags,
            interval: self.job.batches.interval,
            fail_fast: self.job.batches.fail_fast,
        };
        let shown = terminal.clone();
        Ok((config, move |ctx: Context<'_>| program.build(ctx, &shown)))
    }

    /// The same, leaving the file of metrics alone.
    pub fn without_metrics(mut self) -> Self {
        self.job.state.metrics = None;
        self
    }
}
