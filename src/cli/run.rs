//! `tidegate run`: a workload on a source, into sinks.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tidegate::sink::JsonLines;
use tidegate::source::generator::Click;
use tidegate::workloads::{
    Edge, PageViews, clickstream, connected_components, pagerank, reachability, windowed_wordcount,
    wordcount,
};
use tidegate::{Change, Config, Context, Iterated, Record, Table, start};

use super::arguments::JobArguments;
use super::failure::Failure;
use super::learning::Learning;
use super::progress::Terminal;
use super::sink::{SINKS, SinkUrl};
use super::source::{self, Input, Made, SOURCES, SourceUrl};
use super::{stop, summary};

/// Run a workload on a source, into sinks
///
/// The job runs until its source ends, its time is over, or it is told to stop (Ctrl-C): then the
/// open batch is finished. A second Ctrl-C ends it at once.
#[derive(Args)]
#[command(after_help = format!("{SOURCES}\n\n{SINKS}\n
Examples:
  tidegate run wordcount --source file:README.md --trigger available-now
  tidegate run windowed-wordcount --source tcp://localhost:9999 --window 30s --slide 10s
  tidegate run clickstream -w 2 --source 'kafka://localhost:9092/clicks?group=demo' \\
      --sink jsonl:views.jsonl --metrics metrics.jsonl --dead-letters dead.jsonl
  tidegate run connected-components --source 'generate:?records=3000&rate=500' --window 3s
  tidegate run kmeans --source file:points.jsonl --clusters 3 --dimensions 2 --half-life 5"))]
pub struct Run {
    /// What to compute
    #[arg(value_enum)]
    workload: Workload,

    /// Where records come from (see below)
    #[arg(long, short, value_name = "SOURCE")]
    source: SourceUrl,

    /// Where results go (see below); may be given several times
    #[arg(long, value_name = "SINK", default_value = "console")]
    sink: Vec<SinkUrl>,

    /// Which results: the whole table in each batch, or what came and went
    #[arg(long, value_enum, default_value_t = OutputMode::Snapshots)]
    output: OutputMode,

    /// Length of the window, a multiple of the interval
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    window: Duration,

    /// By how much the window slides, a multiple of the interval [default: the interval]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    slide: Option<Duration>,

    /// Rounds that a graph workload may take in a batch [default: 1000; pagerank 30, which leaves
    /// less than a hundredth of a rank to be guessed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rounds_max: Option<u64>,

    /// End the job at a batch that was not through after its rounds, rather than go on with what
    /// is there then
    #[arg(long)]
    must_settle: bool,

    /// Write records that can't be decoded to this file, as JSON lines, with their offsets and the
    /// reason
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,

    #[command(flatten)]
    learning: Learning,

    #[command(flatten)]
    job: JobArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// How often each word has occurred since the beginning (lines)
    Wordcount,
    /// How often each word has occurred in a sliding window (lines)
    WindowedWordcount,
    /// How often each user looked at each page in a sliding window (clicks as JSON)
    Clickstream,
    /// Which nodes hang together by the edges in a sliding window (edges as JSON, `[from, to]`)
    ConnectedComponents,
    /// What can be reached from node 0 by the edges in a sliding window
    Reachability,
    /// PageRank, in millionths, over the edges in a sliding window
    Pagerank,
    /// The centres of clusters of points (points as JSON, `[x, y, ...]`)
    Kmeans,
    /// The weights of a linear model (points as JSON, `{"label": y, "features": [x, ...]}`)
    Regression,
}

/// Iterations of graph workloads stop after so many rounds, unless said otherwise.
const ROUNDS_MAX: u64 = 1_000;

/// PageRank takes so many: less than a hundredth of a rank is then still a guess.
const PAGERANK_ROUNDS: u64 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputMode {
    /// The whole table, in each batch (Spark's complete mode)
    Snapshots,
    /// The rows that went and came (Spark's update mode, with retractions)
    Changes,
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
        let name =
            self.workload.to_possible_value().map_or(String::new(), |v| v.get_name().to_owned());
        let config = self.job.config(&name, terminal)?;
        let shown = terminal.clone();
        Ok((config, move |ctx: Context<'_>| self.program(ctx, &shown)))
    }

    /// The same, leaving the file of metrics alone.
    pub fn without_metrics(mut self) -> Self {
        self.job.state.metrics = None;
        self
    }

    /// Where the job is saved.
    pub fn checkpoints(self) -> Option<PathBuf> {
        self.job.state.checkpoint
    }

    fn program(&self, ctx: Context<'_>, terminal: &Terminal) {
        let window = self.window;
        let slide = self.slide.unwrap_or(self.job.batches.interval);
        match self.workload {
            Workload::Wordcount => {
                let counts = wordcount(self.read::<String>(ctx));
                self.write(counts, terminal, |(word, count)| format!("{word} {count}"));
            }
            Workload::WindowedWordcount => {
                let counts = windowed_wordcount(self.read::<String>(ctx), window, slide);
                self.write(counts, terminal, |(word, count)| format!("{word} {count}"));
            }
            Workload::Clickstream => {
                let views = clickstream(self.read::<Click>(ctx), window, slide);
                self.write::<PageViews>(views, terminal, |((user, page), count)| {
                    format!("{user} {page} {count}")
                });
            }
            Workload::ConnectedComponents => {
                let edges = self.read::<Edge>(ctx).window(window, slide).table();
                let labels = connected_components(edges, self.rounds_max(ROUNDS_MAX));
                self.write(self.settled(labels), terminal, |(node, label)| {
                    format!("{node} {label}")
                });
            }
            Workload::Reachability => {
                let edges = self.read::<Edge>(ctx).window(window, slide).table();
                let roots = edges.clone().map(|(from, _)| from).filter(|from| *from == 0);
                let reached = reachability(edges, roots, self.rounds_max(ROUNDS_MAX));
                self.write(self.settled(reached), terminal, |node| node.to_string());
            }
            Workload::Pagerank => {
                let edges = self.read::<Edge>(ctx).window(window, slide).table();
                let ranks = pagerank(edges, self.rounds_max(PAGERANK_ROUNDS));
                self.write(self.settled(ranks), terminal, |(node, rank)| format!("{node} {rank}"));
            }
            Workload::Kmeans => {
                let points = self.read_as(ctx, self.learning.points());
                let clusters = self.learning.clusters(points);
                self.write(clusters, terminal, |(number, cluster)| {
                    let centre: Vec<String> =
                        cluster.centre.iter().map(|along| format!("{along:.3}")).collect();
                    format!("{number} [{}] {:.1}", centre.join(", "), cluster.weight)
                });
            }
            Workload::Regression => {
                let points = self.read_as(ctx, self.learning.labelled());
                let weights = self.learning.weights(points);
                self.write(weights, terminal, |(number, weight)| format!("{number} {weight:.6}"));
            }
        }
    }

    fn rounds_max(&self, unless_said: u64) -> u64 {
        self.rounds_max.unwrap_or(unless_said)
    }

    fn settled<'s, D: Record>(&self, iterated: Iterated<'s, D>) -> Table<'s, D> {
        if self.must_settle { iterated.must_settle().table } else { iterated.table }
    }

    fn read<'s, D: Input>(&self, ctx: Context<'s>) -> tidegate::DStream<'s, D> {
        self.read_as(ctx, Made::any())
    }

    fn read_as<'s, D: Input>(&self, ctx: Context<'s>, made: Made<D>) -> tidegate::DStream<'s, D> {
        let (records, dead) = self.source.read(ctx, made);
        if let Some(path) = &self.dead_letters {
            dead.sink(JsonLines::new(path));
        }
        records
    }

    fn write<D: Record>(&self, table: Table<'_, D>, terminal: &Terminal, line: fn(&D) -> String) {
        let fail_fast = self.job.batches.fail_fast;
        match self.output {
            OutputMode::Snapshots => {
                let rows = table.snapshots();
                for sink in &self.sink {
                    sink.write(rows.clone(), terminal, fail_fast, line);
                }
            }
            OutputMode::Changes => {
                let changes = table.changes();
                for sink in &self.sink {
                    let line: fn(&Change<D>) -> String = |change| format!("{change:?}");
                    sink.write(changes.clone(), terminal, fail_fast, line);
                }
            }
        }
    }
}
