//! `tidegate compare`: incremental against recompute, on one input.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tidegate::compare::{
    CompareError, CompareReport, Input, Limits, Mode, PlainLoop, Rows, Settings, over_keys,
    over_window_lengths, plain, share_changed, shares_of_a_graph, shares_of_a_join,
};
use tidegate::recording::{BatchRange, Recording};
use tidegate::report::compare_page;
use tidegate::source::Generator;
use tidegate::source::generator::Click;
use tidegate::source::generator::nexmark::NexmarkEvent;
use tidegate::workloads::nexmark::{q3, q4, q15, q19};
use tidegate::workloads::{
    Edge, clickstream, connected_components, distinct, pagerank, reachability, top_k,
    windowed_join, windowed_wordcount, wordcount, words_of,
};
use tidegate::{DStream, Record, Table};

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
  tidegate compare windowed-wordcount --quick               two minutes
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

    /// Fewer batches and fewer points: done in two minutes
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compared {
    /// How often each word has occurred since the beginning (lines)
    Wordcount,
    /// How often each word has occurred in a sliding window (lines)
    WindowedWordcount,
    /// How often each of 10,000 numbers has occurred in a sliding window (made up only)
    WindowedCount,
    /// How often each user looked at each page in a sliding window (clicks)
    Clickstream,
    /// The ten most frequent words of a sliding window (lines)
    TopK,
    /// How many different users looked at each page in a sliding window (clicks)
    Distinct,
    /// How often each ad was clicked at in a sliding window (ad events)
    WindowedJoin,
    /// Nexmark: who sells in some states (events)
    NexmarkQ3,
    /// Nexmark: mean winning price of each category (events)
    NexmarkQ4,
    /// Nexmark: bids, bidders and auctions of each day (events)
    NexmarkQ15,
    /// Nexmark: ten highest bids of each auction (events)
    NexmarkQ19,
    /// Two windows of pairs, joined by key (made up only)
    Join,
    /// Which nodes hang together by the edges in a sliding window (edges)
    ConnectedComponents,
    /// What can be reached from node 0 by the edges in a sliding window (edges)
    Reachability,
    /// PageRank over the edges in a sliding window (edges)
    Pagerank,
}

/// A pair of one of two tables.
type SidePair = (bool, u64, u64);

/// Iterations end after so many rounds.
const ROUNDS_MAX: u64 = 1_000;
const PAGERANK_ROUNDS: u64 = 30;

/// So many words are the most frequent ones.
const TOP: usize = 10;

/// Events of Nexmark in a batch, unless said otherwise.
const NEXMARK_ROWS: u64 = 1_000;

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
            file.write(compare_page(&report).as_bytes())?;
        }
        Ok(())
    }

    fn report(&self, progress: &mut dyn FnMut(&str)) -> Result<CompareReport, Stopped> {
        let (window, slide) = (self.window, self.slide);
        let lines = |rows| Input::made(&Generator::lines(self.seed), self.made(), rows);
        match self.workload {
            Compared::Wordcount => {
                let input = self.input(lines, 5_000)?;
                let report = self.compared(&input, Mode::every(wordcount), false, progress)?;
                self.curves(self.loops(report, &input, false, words), progress)
            }
            Compared::WindowedWordcount => {
                let input = self.input(lines, 5_000)?;
                let slide = slide.unwrap_or(input.interval());
                let modes = Mode::every(move |lines| windowed_wordcount(lines, window, slide));
                let report = self.compared(&input, modes, true, progress)?;
                self.curves(self.loops(report, &input, true, words), progress)
            }
            Compared::WindowedCount => {
                let keys = Generator::uniform_keys(10_000, self.seed);
                let input = self.made_up(|rows| Input::made(&keys, self.made(), rows), 100_000)?;
                let slide = slide.unwrap_or(input.interval());
                let modes = Mode::every(move |keys: DStream<'_, u64>| {
                    keys.window(window, slide).count_by_value()
                });
                let report = self.compared(&input, modes, true, progress)?;
                self.curves(self.loops(report, &input, true, |keys| keys), progress)
            }
            Compared::Clickstream => {
                let clicks: Generator<Click> = Generator::clicks(10_000, 100, self.seed);
                let input = self.input(|rows| Input::made(&clicks, self.made(), rows), 20_000)?;
                let slide = slide.unwrap_or(input.interval());
                let modes = Mode::every(move |clicks| clickstream(clicks, window, slide));
                let report = self.compared(&input, modes, true, progress)?;
                self.curves(report, progress)
            }
            Compared::TopK => {
                let lines = Generator::lines(self.seed);
                self.only(&lines, 5_000, Some(slide), progress, move |lines, slide| {
                    top_k(lines, TOP, window, slide)
                })
            }
            Compared::Distinct => {
                let clicks = Generator::clicks(10_000, 100, self.seed);
                self.only(&clicks, 20_000, Some(slide), progress, move |clicks, slide| {
                    distinct(clicks, window, slide)
                })
            }
            Compared::WindowedJoin => {
                let ads = Generator::ads(100, self.seed);
                self.only(&ads, 2_000, Some(slide), progress, move |events, slide| {
                    windowed_join(events, window, slide)
                })
            }
            Compared::NexmarkQ3 => self.nexmark(progress, q3),
            Compared::NexmarkQ4 => self.nexmark(progress, q4),
            Compared::NexmarkQ15 => self.nexmark(progress, q15),
            Compared::NexmarkQ19 => self.nexmark(progress, q19),
            Compared::Join => {
                let pairs = Generator::new("pairs", self.seed, |random, n| {
                    (random.below(2) == 0, random.below(5_000), n)
                });
                let input = self.made_up(|rows| Input::made(&pairs, self.made(), rows), 1_000)?;
                let slide = slide.unwrap_or(input.interval());
                let modes = Mode::every(move |pairs: DStream<'_, SidePair>| {
                    let side = |wanted: bool| {
                        let own = pairs.clone().filter(move |(side, ..)| *side == wanted);
                        own.map(|(_, key, value)| (key, value)).window(window, slide).table()
                    };
                    side(false).join(side(true))
                });
                let mut report = self.compared(&input, modes, true, progress)?;
                self.shares(&mut report, shares_of_a_join, progress)?;
                Ok(report)
            }
            Compared::ConnectedComponents => {
                self.graph(progress, |edges| connected_components(edges, ROUNDS_MAX).table)
            }
            Compared::Reachability => self.graph(progress, |edges| {
                let roots = edges.clone().map(|(from, _)| from).filter(|from| *from == 0);
                reachability(edges, roots, ROUNDS_MAX).table
            }),
            Compared::Pagerank => {
                self.graph(progress, |edges| pagerank(edges, PAGERANK_ROUNDS).table)
            }
        }
    }

    fn graph<R: Record>(
        &self,
        progress: &mut dyn FnMut(&str),
        program: impl for<'s> Fn(Table<'s, Edge>) -> Table<'s, R> + Send + Sync + 'static,
    ) -> Result<CompareReport, Stopped> {
        let edges: Generator<Edge> = Generator::edges(1_000, self.seed);
        let input = self.input(|rows| Input::made(&edges, self.made(), rows), 300)?;
        let (window, slide) = (self.window, self.slide.unwrap_or(input.interval()));
        let modes = Mode::every(move |edges: DStream<'_, Edge>| {
            program(edges.window(window, slide).table())
        });
        let mut report = self.compared(&input, modes, true, progress)?;
        for row in &mut report.modes[2..] {
            let note = "iterations follow changes in every mode; the curve begins anew";
            row.note = Some(note.into());
        }
        self.shares(&mut report, shares_of_a_graph, progress)?;
        Ok(report)
    }

    /// A workload without plain loops and curves. If it is windowed, it is told by how much its window
    /// slides.
    fn only<D: Record, R: Record>(
        &self,
        generator: &Generator<D>,
        rows: u64,
        slide: Option<Option<Duration>>,
        progress: &mut dyn FnMut(&str),
        program: impl for<'s> Fn(DStream<'s, D>, Duration) -> Table<'s, R> + Send + Sync + 'static,
    ) -> Result<CompareReport, Stopped> {
        let input = self.input(|rows| Input::made(generator, self.made(), rows), rows)?;
        let by = slide.flatten().unwrap_or(input.interval());
        let modes = Mode::every(move |records: DStream<'_, D>| program(records, by));
        self.compared(&input, modes, slide.is_some(), progress)
    }

    fn nexmark<R: Record>(
        &self,
        progress: &mut dyn FnMut(&str),
        query: impl for<'s> Fn(DStream<'s, NexmarkEvent>) -> Table<'s, R> + Send + Sync + 'static,
    ) -> Result<CompareReport, Stopped> {
        // As many events in a second of their time as in a batch.
        let rows = self.rows.unwrap_or(NEXMARK_ROWS);
        let events = Generator::nexmark(rows, self.seed);
        self.only(&events, NEXMARK_ROWS, None, progress, move |events, _| query(events))
    }

    /// How many batches are made up.
    fn made(&self) -> u64 {
        // A window of made-up batches, of a second each, is as many batches as it has seconds.
        self.window.as_secs() + if self.quick { 20 } else { 60 }
    }

    /// The recorded input, or a made-up one.
    fn input<D: Record>(
        &self,
        make: impl Fn(u64) -> Input<D>,
        rows: u64,
    ) -> Result<Input<D>, Stopped> {
        match &self.recording {
            None => Ok(make(self.rows.unwrap_or(rows))),
            Some(path) => {
                let recording =
                    Recording::open_range(path, self.batches).map_err(Stopped::Recording)?;
                Input::recorded(&recording).map_err(Stopped::Recording)
            }
        }
    }

    fn made_up<D: Record>(
        &self,
        make: impl Fn(u64) -> Input<D>,
        rows: u64,
    ) -> Result<Input<D>, Stopped> {
        match &self.recording {
            Some(_) => Err(Stopped::Usage(
                "`--recording` goes with what `tidegate run` computes: this workload's input is \
                 made up"
                    .into(),
            )),
            None => self.input(make, rows),
        }
    }

    /// The batches of a window.
    fn length<D: Record>(&self, input: &Input<D>) -> usize {
        self.window.as_nanos().div_ceil(input.interval().as_nanos().max(1)) as usize
    }

    fn limits<D: Record>(&self, input: &Input<D>, is_windowed: bool) -> Limits {
        let settle = if is_windowed { self.length(input) } else { 1 };
        Limits {
            workers: self.workers as usize,
            // Of a short input something has to be measured.
            settle: settle.min(input.batches() / 2),
            time_max: Duration::from_secs(if self.quick { 3 } else { 20 }),
            samples_min: 3,
        }
    }

    fn compared<D: Record, R: Record>(
        &self,
        input: &Input<D>,
        modes: Vec<Mode<D, R>>,
        is_windowed: bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<CompareReport, Stopped> {
        let source = match &self.recording {
            Some(path) => format!("`{}`", path.display()),
            None => format!("made-up input (seed {})", self.seed),
        };
        let name = self.workload.to_possible_value();
        let name = name.map_or(String::new(), |value| value.get_name().to_owned());
        let limits = self.limits(input, is_windowed);
        let report = CompareReport::of((&name, &source), input, &modes, &limits, progress);
        report.map_err(Stopped::Compare)
    }

    /// Adds plain loops, where the window slides by one batch.
    fn loops<D: Record, K: Record>(
        &self,
        report: CompareReport,
        input: &Input<D>,
        is_windowed: bool,
        keys: Rows<D, K>,
    ) -> CompareReport {
        if self.slide.is_some_and(|slide| slide != input.interval()) {
            return report;
        }
        let window = is_windowed.then(|| self.length(input) as u64);
        let limits = self.limits(input, is_windowed);
        let loops = [PlainLoop::Recompute, PlainLoop::Partials];
        report.with_plain(&loops, |kind| plain(input, kind, window, &limits, keys))
    }

    fn settings(&self) -> Settings {
        Settings { quick: self.quick, workers: self.workers as usize }
    }

    fn curves(
        &self,
        mut report: CompareReport,
        progress: &mut dyn FnMut(&str),
    ) -> Result<CompareReport, Stopped> {
        for curve in [over_window_lengths, over_keys, share_changed] {
            self.shares(&mut report, curve, progress)?;
        }
        report.judge();
        Ok(report)
    }

    fn shares(
        &self,
        report: &mut CompareReport,
        curve: fn(
            &Settings,
            &mut dyn FnMut(&str),
        ) -> Result<tidegate::compare::Curve, CompareError>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), Stopped> {
        if !self.no_curves {
            report.curves.push(curve(&self.settings(), progress).map_err(Stopped::Compare)?);
        }
        Ok(())
    }
}

/// Why there is no report.
enum Stopped {
    Compare(CompareError),
    Recording(tidegate::error::RecordingError),
    Usage(String),
}

fn words(lines: Vec<String>) -> Vec<String> {
    lines.iter().flat_map(|line| words_of(line)).collect()
}
