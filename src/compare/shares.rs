//! Question: how much less work is it to keep a table right than to compute it anew, and how does
//! that depend on the share that changes in a batch?
//!
//! Expectation: of a million keys, counted over all history, where one in a hundred changes: a
//! fiftieth of recompute.
//!
//! Method: everything is there after the first batch; each later one changes its share. What is
//! counted grows by the changes. The joined tables and the graph stay as large as they are; the
//! graph is computed from scratch by a job that is begun anew with all of its edges, since an
//! iteration whose input is full contents would still follow their changes.

use std::time::Duration;

use tidegate_operators::{differences, stable_hash};

use super::check::{Checked, contents};
use super::curve::{Curve, Point, Subject, point, relate};
use super::measure::{Limits, ModeRow, measure};
use super::mode::{INCREMENTAL, Mode, RECOMPUTE};
use super::plain::{PlainLoop, plain};
use super::{CompareError, Input, Settings};
use crate::workloads::{Edge, reachability};
use crate::{DStream, Diff, Strategy, Table};

/// Keys of the table that is counted.
const KEYS: u64 = 1_000_000;
/// The smaller input has this part of them.
const PART: u64 = 50;

/// The curve of the running count.
pub(super) const RUNNING: &str = "running count of a million keys, all history";
const JOIN: &str = "join of two tables, one of which changes";
const GRAPH: &str = "what can be reached in a graph";
const OVER: &str = "share changed in a batch";

/// From a ten-thousandth to everything.
const SHARES: [f64; 5] = [0.0001, 0.001, 0.01, 0.1, 1.0];

/// `0.01 %`
fn label(share: f64) -> String {
    format!("{} %", share * 100.0)
}

fn of(share: f64, all: u64) -> u64 {
    ((share * all as f64).round() as u64).max(1)
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        workers: settings.workers,
        // The table is loaded by the first; with the next ones its index comes to rest.
        settle: 3,
        time_max: Duration::from_secs(if settings.quick { 3 } else { 10 }),
        samples_min: 3,
    }
}

/// The number of batches behind the first: fewer where much changes, since history grows.
fn batches(settings: &Settings, share: f64) -> u64 {
    let settle = 2;
    settle
        + match (settings.quick, share < 0.05) {
            (true, true) => 20,
            (true, false) => 5,
            (false, true) => 60,
            (false, false) => 10,
        }
}

/// The ratio over the share changed, of a running count by key.
///
/// # Errors
///
/// If modes differ, or do not run.
pub fn share_changed(
    settings: &Settings,
    progress: &mut dyn FnMut(&str),
) -> Result<Curve, CompareError> {
    let modes = Mode::every(|keys: DStream<'_, u64>| keys.running().count_by_value());
    let input = |keys: u64, share: f64, batches: u64| {
        let each = of(share, keys);
        // Neighbours in number are not neighbours in the order in which they come.
        let key = |n: u64| stable_hash(&(n % keys));
        let batch = |batch: u64| (0..each).map(move |n| batch * each + n);
        let changing = (0..batches).map(|number| batch(number).map(key).collect());
        Input::of(std::iter::once((0..keys).map(key).collect()).chain(changing).collect(), 4)
    };
    let mut points = Vec::new();
    for share in SHARES {
        progress(&format!("{} of a million keys", label(share)));
        let subject = Subject {
            at: share,
            label: label(share),
            input: input(KEYS, share, batches(settings, share)),
            small: input(KEYS / PART, share, 3),
            modes: &modes,
            limits: limits(settings),
        };
        let loops = [PlainLoop::Recompute, PlainLoop::Partials];
        points.push(point(&subject, &loops, |kind| {
            plain(&subject.input, kind, None, &subject.limits, |keys| keys)
        })?);
    }
    Ok(Curve { name: RUNNING.into(), over: OVER.into(), points })
}

/// A row of one of two tables, and whether it comes or goes: which table, key and value.
type SideChange = ((bool, u64, u64), Diff);

fn joined(changes: DStream<'_, SideChange>) -> Table<'_, (u64, (u64, u64))> {
    let ctx = changes.context();
    let side = |wanted: bool| {
        let own = changes.clone().filter(move |((side, ..), _)| *side == wanted);
        let rows = own.map(|((_, key, value), diff)| ((key, value), diff));
        ctx.table(differences::timed(rows.into_chunks()))
    };
    side(false).join(side(true))
}

/// The ratio over the share changed, of a join of two tables by key, one of which changes.
///
/// # Errors
///
/// If modes differ, or do not run.
pub fn shares_of_a_join(
    settings: &Settings,
    progress: &mut dyn FnMut(&str),
) -> Result<Curve, CompareError> {
    let modes = [
        Mode::new(INCREMENTAL, Strategy::HashIndex, joined),
        Mode::new(RECOMPUTE, Strategy::Recompute, joined),
    ];
    let input = |keys: u64, share: f64, batches: u64| {
        let each = of(share, keys);
        let mut values: Vec<u64> = (0..keys).collect();
        let sides = |key| [((false, key, key), 1), ((true, key, key + 1), 1)];
        let mut all = vec![(0..keys).flat_map(sides).collect::<Vec<SideChange>>()];
        for batch in 0..batches {
            let mut changes = Vec::new();
            for n in 0..each {
                let key = (batch * each + n) % keys;
                let before = std::mem::replace(&mut values[key as usize], keys + batch);
                changes.push(((false, key, before), -1));
                changes.push(((false, key, keys + batch), 1));
            }
            all.push(changes);
        }
        Input::of(all, 4)
    };
    let keys = if settings.quick { 100_000 } else { 1_000_000 };
    let mut points = Vec::new();
    for share in SHARES {
        progress(&format!("a join, {}", label(share)));
        let subject = Subject {
            at: share,
            label: label(share),
            input: input(keys, share, batches(settings, share)),
            small: input(keys / PART, share, 3),
            modes: &modes,
            limits: limits(settings),
        };
        points.push(point(&subject, &[], |kind| unreachable!("no loop for {kind:?}"))?);
    }
    Ok(Curve { name: JOIN.into(), over: OVER.into(), points })
}

/// Where a graph is searched from.
const ROOT: u64 = 0;

fn reached(changes: DStream<'_, (Edge, Diff)>) -> Table<'_, u64> {
    let ctx = changes.context();
    let edges = ctx.table(differences::timed(changes.into_chunks()));
    let roots = edges.clone().map(|(from, _)| from).filter(|from| *from == ROOT);
    reachability(edges, roots, u64::MAX).table
}

/// The ratio over the share changed, of what can be reached in a graph.
///
/// # Errors
///
/// If modes differ, or do not run.
pub fn shares_of_a_graph(
    settings: &Settings,
    progress: &mut dyn FnMut(&str),
) -> Result<Curve, CompareError> {
    let mode = Mode::new(INCREMENTAL, Strategy::HashIndex, reached);
    let nodes: u64 = if settings.quick { 10_000 } else { 100_000 };
    let edge = |n: u64| (stable_hash(&(n, 1u64)) % nodes, stable_hash(&(n, 2u64)) % nodes);
    let mut points = Vec::new();
    for share in SHARES {
        progress(&format!("a graph, {}", label(share)));
        // The root always leads somewhere.
        let rooted = (0..8).map(|n| (ROOT, edge(u64::MAX - n).1));
        let mut there: Vec<Edge> = rooted.chain((0..2 * nodes).map(edge)).collect();
        // Half of a change goes, half of it comes.
        let each = of(share / 2.0, there.len() as u64);
        let come = |edges: &[Edge]| edges.iter().map(|edge| (*edge, 1)).collect::<Vec<_>>();
        let (mut all, mut states, mut next) = (vec![come(&there)], vec![there.clone()], 2 * nodes);
        for batch in 0..batches(settings, share) {
            let mut changes = Vec::new();
            for n in 0..each {
                let any = 8 + stable_hash(&(batch, n)) % (there.len() as u64 - 8);
                changes.push((there.swap_remove(any as usize), -1));
                there.push(edge(next));
                changes.push((edge(next), 1));
                next += 1;
            }
            all.push(changes);
            states.push(there.clone());
        }
        let (input, limits) = (Input::of(all, 4), limits(settings));
        let mut modes = vec![measure(&input, &mode, &limits)?];
        // A job that is begun anew with all edges, at some of the batches.
        let mut samples = Vec::new();
        let mut scratch = ModeRow::default();
        let sampled = modes[0].batches.min(limits.samples_min);
        for (at, edges) in states.iter().enumerate().skip(limits.settle).take(sampled) {
            let whole = Input::of(vec![come(edges)], 4);
            scratch = measure(&whole, &mode, &Limits { settle: 0, ..limits })?;
            samples.extend(&scratch.samples_ms);
            let through = at as u64 + 1;
            let expected = contents(&whole, &mode, limits.workers, 1)?;
            let found = contents(&input, &mode, limits.workers, through)?;
            assert!(expected == found, "{INCREMENTAL} reaches other nodes at batch {through}");
        }
        modes.push(ModeRow {
            rows_in: scratch.rows_in,
            rows_out: scratch.rows_out,
            touched: scratch.touched,
            state_bytes: scratch.state_bytes,
            cpu_ms: scratch.cpu_ms,
            note: Some("a job begun anew with all edges".into()),
            ..ModeRow::of(RECOMPUTE, limits.workers, &samples, scratch.interval_ms)
        });
        relate(&mut modes, &[], &[]);
        let checked = Checked { modes: 2, batches: samples.len(), changes: 0 };
        points.push(Point { at: share, label: label(share), checked, modes, plain: Vec::new() });
    }
    Ok(Curve { name: GRAPH.into(), over: OVER.into(), points })
}
