//! What a command line runs: a workload with its flags, on a source or on a recording.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tidegate::recording::Recording;
use tidegate::sink::JsonLines;
use tidegate::source::generator::Click;
use tidegate::source::{DeadLetter, Recorded};
use tidegate::workloads::{
    Edge, PageViews, clickstream, connected_components, pagerank, reachability, windowed_wordcount,
    wordcount,
};
use tidegate::{Change, Context, DStream, Iterated, Record, Table};

use super::learning::Learning;
use super::progress::Terminal;
use super::sink::SinkUrl;
use super::source::{Input, Made, SourceUrl};

/// What is said about a workload, wherever its records come from.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Where results go (see below); may be given several times
    #[arg(long, value_name = "SINK", default_value = "console")]
    pub sink: Vec<SinkUrl>,

    /// Which results: the whole table in each batch, or what came and went
    #[arg(long, value_enum, default_value_t = OutputMode::Snapshots)]
    pub output: OutputMode,

    /// Length of the window, a multiple of the interval
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub window: Duration,

    /// By how much the window slides, a multiple of the interval [default: the interval]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub slide: Option<Duration>,

    /// Rounds that a graph workload may take in a batch [default: 1000; pagerank 30, which leaves
    /// less than a hundredth of a rank to be guessed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds_max: Option<u64>,

    /// End the job at a batch that was not through after its rounds, rather than go on with what
    /// is there then
    #[arg(long)]
    pub must_settle: bool,

    /// Write records that can't be decoded to this file, as JSON lines, with their offsets and the
    /// reason
    #[arg(long, value_name = "FILE")]
    pub dead_letters: Option<PathBuf>,

    #[command(flatten)]
    pub learning: Learning,
}

/// Where the records of a program come from.
#[derive(Clone)]
pub enum Origin {
    Source(SourceUrl),
    Recording(Recording),
}

impl Origin {
    fn read<'s, D: Input>(
        &self,
        ctx: Context<'s>,
        made: Made<D>,
    ) -> (DStream<'s, D>, DStream<'s, DeadLetter>) {
        match self {
            Origin::Source(source) => source.read(ctx, made),
            Origin::Recording(recording) => {
                ctx.source_with_dead_letters(Recorded::<D>::new(recording.clone()))
            }
        }
    }
}

/// A workload on its records, into its sinks.
pub struct Program {
    pub workload: Workload,
    pub origin: Origin,
    pub flags: Flags,
    /// The batch interval, by which windows slide unless said otherwise.
    pub interval: Duration,
    pub fail_fast: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
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

impl Workload {
    /// As it is written on a command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }
}

impl Program {
    /// Builds the dataflow.
    pub fn build(&self, ctx: Context<'_>, terminal: &Terminal) {
        let window = self.flags.window;
        let slide = self.flags.slide.unwrap_or(self.interval);
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
                let points = self.read_as(ctx, self.flags.learning.points());
                let clusters = self.flags.learning.clusters(points);
                self.write(clusters, terminal, |(number, cluster)| {
                    let centre: Vec<String> =
                        cluster.centre.iter().map(|along| format!("{along:.3}")).collect();
                    format!("{number} [{}] {:.1}", centre.join(", "), cluster.weight)
                });
            }
            Workload::Regression => {
                let points = self.read_as(ctx, self.flags.learning.labelled());
                let weights = self.flags.learning.weights(points);
                self.write(weights, terminal, |(number, weight)| format!("{number} {weight:.6}"));
            }
        }
    }

    fn rounds_max(&self, unless_said: u64) -> u64 {
        self.flags.rounds_max.unwrap_or(unless_said)
    }

    fn settled<'s, D: Record>(&self, iterated: Iterated<'s, D>) -> Table<'s, D> {
        if self.flags.must_settle { iterated.must_settle().table } else { iterated.table }
    }

    fn read<'s, D: Input>(&self, ctx: Context<'s>) -> tidegate::DStream<'s, D> {
        self.read_as(ctx, Made::any())
    }

    fn read_as<'s, D: Input>(&self, ctx: Context<'s>, made: Made<D>) -> tidegate::DStream<'s, D> {
        let (records, dead) = self.origin.read(ctx, made);
        if let Some(path) = &self.flags.dead_letters {
            dead.sink(JsonLines::new(path));
        }
        records
    }

    fn write<D: Record>(&self, table: Table<'_, D>, terminal: &Terminal, line: fn(&D) -> String) {
        let fail_fast = self.fail_fast;
        let told = self.flags.sink.iter().filter(|sink| !sink.keep(&table, fail_fast));
        let sinks: Vec<&SinkUrl> = told.collect();
        if sinks.is_empty() {
            return;
        }
        match self.flags.output {
            OutputMode::Snapshots => {
                let rows = table.snapshots();
                for sink in sinks {
                    sink.write(rows.clone(), terminal, fail_fast, line);
                }
            }
            OutputMode::Changes => {
                let changes = table.changes();
                for sink in sinks {
                    let line: fn(&Change<D>) -> String = |change| format!("{change:?}");
                    sink.write(changes.clone(), terminal, fail_fast, line);
                }
            }
        }
    }
}
