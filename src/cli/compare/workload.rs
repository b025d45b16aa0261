//! What can be compared: workloads, with the input that is made up for each.

use std::time::Duration;

use clap::ValueEnum;
use tidegate::compare::{CompareReport, Input, Mode, shares_of_a_graph, shares_of_a_join};
use tidegate::source::Generator;
use tidegate::source::generator::Click;
use tidegate::source::generator::nexmark::NexmarkEvent;
use tidegate::workloads::nexmark::{q3, q4, q15, q19};
use tidegate::workloads::{
    Edge, clickstream, connected_components, distinct, pagerank, reachability, top_k,
    windowed_join, windowed_wordcount, wordcount, words_of,
};
use tidegate::{DStream, Record, Table};

use super::{Compare, Stopped};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Compared {
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

impl Compare {
    pub(super) fn report(&self, progress: &mut dyn FnMut(&str)) -> Result<CompareReport, Stopped> {
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
                self.windowed(&lines, 5_000, progress, move |lines, slide| {
                    top_k(lines, TOP, window, slide)
                })
            }
            Compared::Distinct => {
                let clicks = Generator::clicks(10_000, 100, self.seed);
                self.windowed(&clicks, 20_000, progress, move |clicks, slide| {
                    distinct(clicks, window, slide)
                })
            }
            Compared::WindowedJoin => {
                let ads = Generator::ads(100, self.seed);
                self.windowed(&ads, 2_000, progress, move |events, slide| {
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

    /// A workload on a sliding window, which is told by how much it slides; without plain loops and
    /// curves.
    fn windowed<D: Record, R: Record>(
        &self,
        generator: &Generator<D>,
        rows: u64,
        progress: &mut dyn FnMut(&str),
        program: impl for<'s> Fn(DStream<'s, D>, Duration) -> Table<'s, R> + Send + Sync + 'static,
    ) -> Result<CompareReport, Stopped> {
        let input = self.input(|rows| Input::made(generator, self.made(), rows), rows)?;
        let slide = self.slide.unwrap_or(input.interval());
        let modes = Mode::every(move |records: DStream<'_, D>| program(records, slide));
        self.compared(&input, modes, true, progress)
    }

    /// A query on all events so far.
    fn nexmark<R: Record>(
        &self,
        progress: &mut dyn FnMut(&str),
        query: impl for<'s> Fn(DStream<'s, NexmarkEvent>) -> Table<'s, R> + Send + Sync + 'static,
    ) -> Result<CompareReport, Stopped> {
        let make = |rows| {
            // As many events in a second of their time as in a batch.
            Input::made(&Generator::nexmark(rows, self.seed), self.made(), rows)
        };
        let input = self.input(make, 1_000)?;
        self.compared(&input, Mode::every(query), false, progress)
    }
}

fn words(lines: Vec<String>) -> Vec<String> {
    lines.iter().flat_map(|line| words_of(line)).collect()
}
