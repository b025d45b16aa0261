//! Question: what does it cost to know what can be reached in a graph that changes a little?
//!
//! Expectation: at least 20 times less than the same differential program from scratch, where one
//! edge in a thousand changes in each batch. A breadth-first search over plain vectors costs every
//! reached edge, but next to nothing for each.
//!
//! Method: a random graph of two edges a node, from one root; each batch takes half a thousandth of
//! the edges away and adds as many. All variants add up a hash of the nodes that are reached after
//! each batch, and must agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidegate_operators::{differences, stable_hash};
use timely::dataflow::operators::InspectCore;

use crate::bench::Settings;
use crate::bench::report::{BenchRow, Report};
use crate::metrics::Latency;
use crate::source::Queue;
use crate::workloads::{Edge, reachability};
use crate::{Config, Diff, Local, RunError};

const BENCH: &str = "reachability";
const ROOT: u64 = 0;
const INCREMENTAL: &str = "incremental";
const SCRATCH: &str = "from scratch";
const SEARCH: &str = "plain search";

type EdgeChange = (Edge, Diff);

/// A graph, and how it changes from batch to batch.
struct Changing {
    nodes: u64,
    edges: Vec<Edge>,
    batches: Vec<Vec<EdgeChange>>,
}

impl Changing {
    fn new(nodes: u64, batches: u64) -> Self {
        let edge = |n: u64| {
            let (from, to) = (stable_hash(&(n, 1u64)), stable_hash(&(n, 2u64)));
            (from % nodes, to % nodes)
        };
        // The root always leads somewhere.
        let rooted = (0..8).map(|n| (ROOT, edge(u64::MAX - n).1));
        let edges: Vec<Edge> = rooted.chain((0..2 * nodes).map(edge)).collect();
        let (each, mut next) = ((nodes / 1000).max(1), 2 * nodes);
        let mut there = edges.clone();
        let batches = (0..batches).map(|batch| {
            let mut changes = Vec::new();
            for n in 0..each {
                let any = 8 + stable_hash(&(batch, n)) % (there.len() as u64 - 8);
                changes.push((there.swap_remove(any as usize), -1));
                let edge = edge(next);
                next += 1;
                there.push(edge);
                changes.push((edge, 1));
            }
            changes
        });
        let batches = batches.collect();
        Changing { nodes, edges, batches }
    }
}

/// A job that keeps what can be reached.
struct Reaching {
    changes: Queue<EdgeChange>,
    sum: Arc<AtomicU64>,
    local: Local,
}

impl Reaching {
    fn start() -> Result<Self, RunError> {
        let (changes, sum) = (Queue::new(1), Arc::new(AtomicU64::new(0)));
        let (source, total) = (changes.clone(), Arc::clone(&sum));
        let local = Local::start(Config::new(BENCH), move |ctx| {
            let changes = ctx.source(source.clone()).into_chunks();
            let edges = ctx.table(differences::timed(changes));
            let roots = edges.clone().map(|(from, _)| from).filter(|from| *from == ROOT);
            let reached = reachability(edges, roots, u64::MAX).table.into_collection().inner;
            let total = Arc::clone(&total);
            ctx.complete_with(reached.inspect_container(move |event| {
                let Ok((_, rows)) = event else { return };
                let change = rows.iter().fold(0u64, |sum, (node, _, diff)| {
                    sum.wrapping_add(stable_hash(node).wrapping_mul(*diff as u64))
                });
                total.fetch_add(change, Ordering::Relaxed);
            }));
        })?;
        Ok(Reaching { changes, sum, local })
    }

    /// Closes a batch of changes; gives how long it took.
    fn batch(&mut self, changes: impl IntoIterator<Item = EdgeChange>) -> Duration {
        self.changes.push(changes);
        let from = Instant::now();
        self.local.tick();
        from.elapsed()
    }

    fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

/// A breadth-first search from scratch, over lists of neighbours that are kept.
struct Search {
    neighbours: Vec<Vec<u64>>,
}

impl Search {
    fn change(&mut self, changes: &[EdgeChange]) {
        for ((from, to), diff) in changes {
            let list = &mut self.neighbours[*from as usize];
            if *diff > 0 {
                list.push(*to);
            } else if let Some(at) = list.iter().position(|other| other == to) {
                list.swap_remove(at);
            }
        }
    }

    fn reached(&self) -> Vec<u64> {
        let mut seen = vec![false; self.neighbours.len()];
        seen[ROOT as usize] = true;
        let mut reached = vec![ROOT];
        let mut next = 0;
        while let Some(node) = reached.get(next) {
            next += 1;
            for to in &self.neighbours[*node as usize] {
                if !std::mem::replace(&mut seen[*to as usize], true) {
                    reached.push(*to);
                }
            }
        }
        reached
    }
}

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let (nodes, batches) = if settings.quick { (2_000, 20) } else { (50_000, 200) };
    let dataset = format!("{} edges, 0.1 % change", 2 * nodes);
    if ![INCREMENTAL, SCRATCH].iter().any(|name| settings.wants(&[BENCH, &dataset, name])) {
        return Ok(());
    }
    let graph = Changing::new(nodes, batches);
    let row = |variant: &str, workers: usize, times: Vec<Duration>| {
        let changes = graph.batches.first().map_or(0, Vec::len) as f64;
        let total: f64 = times.iter().map(Duration::as_secs_f64).sum();
        let rate = changes * times.len() as f64 / total;
        let latency = Latency::of(times);
        BenchRow {
            bench: BENCH.into(),
            variant: variant.into(),
            dataset: dataset.clone(),
            workers,
            records_per_s: rate,
            batch_ms_p50: latency.p50_ms,
            batch_ms_p99: latency.p99_ms,
            batch_ms_p999: latency.p999_ms,
            ..BenchRow::default()
        }
    };

    let mut search = Search { neighbours: vec![Vec::new(); graph.nodes as usize] };
    let begin: Vec<EdgeChange> = graph.edges.iter().map(|edge| (*edge, 1)).collect();
    search.change(&begin);
    let (mut sums, mut times) = (Vec::new(), Vec::new());
    for changes in &graph.batches {
        let from = Instant::now();
        search.change(changes);
        let reached = search.reached();
        times.push(from.elapsed());
        let sum = reached.iter().fold(0u64, |sum, node| sum.wrapping_add(stable_hash(node)));
        sums.push(sum);
    }
    let limit = BenchRow { ratio_to_limit: Some(1.0), ..row(SEARCH, 0, times) };
    let limit_rate = limit.records_per_s;
    report.add(limit, progress);

    let mut incremental = Reaching::start()?;
    incremental.batch(begin.iter().copied());
    let mut times = Vec::new();
    for (changes, expected) in graph.batches.iter().zip(&sums) {
        times.push(incremental.batch(changes.iter().copied()));
        assert_eq!(incremental.sum(), *expected, "{INCREMENTAL} reaches other nodes");
    }
    incremental.local.stop()?;
    let mut kept = row(INCREMENTAL, 1, times);
    kept.ratio_to_limit = Some(kept.records_per_s / limit_rate);

    let mut times = Vec::new();
    let mut all = begin;
    for (number, (changes, expected)) in graph.batches.iter().zip(&sums).enumerate() {
        all.extend(changes);
        // One in so many is enough: each takes as long as all of the graph.
        if (number as u64).is_multiple_of(batches / 5) {
            let mut there = all.clone();
            differential_dataflow::consolidation::consolidate(&mut there);
            let mut scratch = Reaching::start()?;
            times.push(scratch.batch(there));
            assert_eq!(scratch.sum(), *expected, "{SCRATCH} reaches other nodes");
            scratch.local.stop()?;
        }
    }
    let mut scratch = row(SCRATCH, 1, times);
    scratch.ratio_to_limit = Some(scratch.records_per_s / limit_rate);
    let faster = kept.records_per_s / scratch.records_per_s;
    kept.note = Some(format!("{faster:.0} times as fast as from scratch"));
    report.add(kept, progress);
    report.add(scratch, progress);
    report.at_least("reachability, incremental of from scratch", Some(faster), 20.0);
    Ok(())
}
