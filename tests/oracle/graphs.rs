//! Iteration: graphs in a sliding window of edges, against plain loops over the edges that are in
//! the window. Edges go as well as come, and are there several times.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::source::Queue;
use tidegate::workloads::{Edge, RANK_ONE, connected_components, pagerank, reachability};
use tidegate::{Config, Iterated, Local, Record, Span, Strategy, Table};

use super::check::{STRATEGIES, WORKERS};
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["oracle::graphs";
        components_follow_the_window,
        what_can_be_reached_follows_the_window,
        ranks_follow_the_window,
        a_bound_on_rounds_stops_in_every_batch,
        rounds_are_counted,
        nested_joins_see_what_is_there_in_their_round,
    ]
}

const WINDOW: usize = 3;
const BATCHES: usize = 12;

/// The edges of some batches: few nodes, so that paths are long and break.
fn edges(seed: u64) -> Vec<Vec<Edge>> {
    let mut rng = Rng::new(seed);
    let batches = (0..BATCHES).map(|_| {
        let count = if rng.below(5) == 0 { 0 } else { rng.below(9) };
        (0..count).map(|_| (rng.below(14), rng.below(14))).collect()
    });
    batches.collect()
}

/// Runs a program over a window of the edges; gives its rows, and the rounds, of each batch.
fn run<D: Record>(
    batches: &[Vec<Edge>],
    workers: usize,
    strategy: Strategy,
    program: impl for<'s> Fn(Table<'s, Edge>) -> Iterated<'s, D> + Send + Sync + 'static,
) -> (Vec<Vec<D>>, Vec<u64>) {
    let (input, output, counts) = (Queue::<Edge>::new(3), Memory::new(), Memory::new());
    let (source, sinks) = (input.clone(), (output.clone(), counts.clone()));
    let config = Config::new("graphs").workers(workers).strategy(strategy);
    let mut local = Local::start(config, move |ctx| {
        let window = Span::batches(WINDOW as u64);
        let edges = ctx.source(source.clone()).window(window, Span::batches(1)).table();
        let iterated = program(edges);
        iterated.table.snapshots().sink(sinks.0.clone());
        iterated.rounds.sink(sinks.1.clone());
    })
    .expect("the program can run");
    for batch in batches {
        for (number, edge) in batch.iter().enumerate() {
            input.push_to(number as u32 % 3, [*edge]);
        }
        local.tick();
    }
    local.stop().expect("the job ends well");
    (output.rows().into_iter().map(sorted).collect(), counts.rows().concat())
}

fn sorted<D: Ord>(mut rows: Vec<D>) -> Vec<D> {
    rows.sort();
    rows
}

/// The distinct edges in the window of a batch.
fn window(batches: &[Vec<Edge>], batch: usize) -> BTreeSet<Edge> {
    batches[(batch + 1).saturating_sub(WINDOW)..=batch].concat().into_iter().collect()
}

/// A program in every way, each batch held against the model; the same rounds in each way.
fn check<D: Record>(
    seed: u64,
    program: impl for<'s> Fn(Table<'s, Edge>) -> Iterated<'s, D> + Clone + Send + Sync + 'static,
    model: impl Fn(&BTreeSet<Edge>) -> Vec<D>,
) {
    for seed in seed..seed + 2 {
        let batches = edges(seed);
        let expected: Vec<Vec<D>> =
            (0..BATCHES).map(|batch| sorted(model(&window(&batches, batch)))).collect();
        let mut all_rounds = BTreeSet::new();
        for workers in WORKERS {
            for strategy in STRATEGIES {
                let (found, rounds) = run(&batches, workers, strategy, program.clone());
                assert_eq!(found, expected, "{strategy}, {workers} workers, seed {seed}");
                assert_eq!(rounds.len(), BATCHES);
                all_rounds.insert(rounds);
            }
        }
        assert_eq!(all_rounds.len(), 1, "rounds depend on workers or strategy: {all_rounds:?}");
    }
}

/// Nodes that are reached from some nodes, breadth first, within a number of steps.
fn reached(edges: &BTreeSet<Edge>, roots: BTreeSet<u64>, steps_max: u64) -> BTreeSet<u64> {
    let (mut reached, mut front) = (roots.clone(), roots);
    for _ in 0..steps_max {
        let next = edges.iter().filter(|(from, _)| front.contains(from)).map(|(_, to)| *to);
        front = next.filter(|to| !reached.contains(to)).collect();
        if front.is_empty() {
            break;
        }
        reached.extend(&front);
    }
    reached
}

fn nodes(edges: &BTreeSet<Edge>) -> BTreeSet<u64> {
    edges.iter().flat_map(|(from, to)| [*from, *to]).collect()
}

fn components_follow_the_window() {
    check(
        1000,
        |edges| connected_components(edges, 100),
        |edges| {
            let both_ways = edges.iter().flat_map(|(from, to)| [(*from, *to), (*to, *from)]);
            let both_ways: BTreeSet<Edge> = both_ways.collect();
            let component = |node: u64| reached(&both_ways, BTreeSet::from([node]), u64::MAX);
            let label = |node: u64| *component(node).first().expect("the node itself");
            nodes(edges).into_iter().map(|node| (node, label(node))).collect()
        },
    );
}

/// The nodes below 3 that have an edge out.
fn roots(edges: &BTreeSet<Edge>) -> BTreeSet<u64> {
    edges.iter().map(|(from, _)| *from).filter(|from| *from < 3).collect()
}

fn reach<'s>(edges: Table<'s, Edge>, rounds_max: u64) -> Iterated<'s, u64> {
    let roots = edges.clone().map(|(from, _)| from).filter(|from| *from < 3);
    reachability(edges, roots, rounds_max)
}

fn what_can_be_reached_follows_the_window() {
    check(
        1010,
        |edges| reach(edges, 100),
        |edges| reached(edges, roots(edges), u64::MAX).into_iter().collect(),
    );
}

fn a_bound_on_rounds_stops_in_every_batch() {
    for bound in [1, 2, 3] {
        check(
            1020,
            move |edges| reach(edges, bound),
            move |edges| reached(edges, roots(edges), bound).into_iter().collect(),
        );
    }
}

fn ranks_follow_the_window() {
    for rounds in [1, 7] {
        check(
            1030,
            move |edges| pagerank(edges, rounds),
            |edges| {
                let mut ranks: BTreeMap<u64, i64> =
                    nodes(edges).into_iter().map(|node| (node, RANK_ONE)).collect();
                for _ in 0..rounds {
                    let mut next: BTreeMap<u64, i64> =
                        ranks.keys().map(|node| (*node, RANK_ONE * 15 / 100)).collect();
                    for (from, to) in edges {
                        let degree = edges.iter().filter(|(other, _)| other == from).count();
                        let given = ranks[from] * 85 / (100 * degree as i64);
                        *next.get_mut(to).expect("a node") += given;
                    }
                    ranks = next;
                }
                ranks.into_iter().collect()
            },
        );
    }
}

fn rounds_are_counted() {
    // A path of five edges, nothing, and the path going again.
    let path: Vec<Edge> = (0..5).map(|node| (node, node + 1)).collect();
    let batches = [path, vec![], vec![], vec![], vec![]];
    for workers in WORKERS {
        let (rows, rounds) = run(&batches, workers, Strategy::HashIndex, |edges| {
            let roots = edges.clone().map(|(from, _)| from).filter(|from| *from == 0);
            reachability(edges, roots, 100)
        });
        assert_eq!(rows[2], [0, 1, 2, 3, 4, 5]);
        assert!(rows[3].is_empty());
        // The last node comes in the fifth round, which is the last with a change.
        assert_eq!(rounds, [5, 0, 0, 5, 0], "{workers} workers");
    }
}

fn nested_joins_see_what_is_there_in_their_round() {
    // A node stays only while another one that stays points at it: what is left are the nodes on
    // and behind cycles; and of those, as a second iteration, all that an outside table knows.
    check(
        1040,
        |edges| {
            let nodes = edges.clone().flat_map(|(from, to)| [from, to]).distinct();
            let known = nodes.clone().filter(|node| node % 5 != 0).key_by(|node| *node);
            let by_source = edges.distinct().arranged_by_key();
            nodes.iterate(100, move |staying| {
                let staying = staying.map(|node| (node, ()));
                let pointed = staying.clone().join(&by_source).map(|(_, ((), to))| (to, ()));
                let kept = staying.clone().semi_join(pointed.clone());
                let gone = staying.clone().anti_join(pointed);
                // Whoever goes is not among those kept: the join below gives nothing.
                let neither = kept.clone().join(gone).map(|(node, _)| (node, ()));
                let kept = kept.union(neither).map_values(|()| 1u64).max_by_key();
                kept.semi_join(known).map(|(node, _)| node)
            })
        },
        |edges| {
            let mut staying = nodes(edges);
            loop {
                let pointed = edges.iter().filter(|(from, _)| staying.contains(from));
                let pointed: BTreeSet<u64> = pointed.map(|(_, to)| *to).collect();
                let next: BTreeSet<u64> =
                    staying.intersection(&pointed).copied().filter(|node| node % 5 != 0).collect();
                if next == staying {
                    return staying.into_iter().collect();
                }
                staying = next;
            }
        },
    );
}
