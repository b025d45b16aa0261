//! Plain loops: what computing anew costs without any framework.

use std::collections::VecDeque;
use std::time::Instant;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use tidegate_operators::{Record, stable_hash};

use super::input::Input;
use super::measure::{Limits, ModeRow};
use super::mode::{PARTIALS, RECOMPUTE};

/// What a plain loop keeps, and counts anew in each batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainLoop {
    /// The rows of the window.
    Recompute,
    /// A count per key and batch.
    Partials,
}

impl PlainLoop {
    /// The mode that does the same work.
    pub fn mode(self) -> &'static str {
        match self {
            PlainLoop::Recompute => RECOMPUTE,
            PlainLoop::Partials => PARTIALS,
        }
    }
}

/// What is counted: the keys of a batch's rows.
pub type Rows<D, K> = fn(Vec<D>) -> Vec<K>;

/// Counts by key over a window of so many batches that slides by one, or over all batches: the
/// whole table anew in each batch.
///
/// ```
/// use tidegate::compare::{Input, Limits, PlainLoop, plain};
///
/// let input = Input::of(vec![vec!['a', 'b'], vec!['a'], vec!['a']], 1);
/// for kind in [PlainLoop::Recompute, PlainLoop::Partials] {
///     let limits = Limits { settle: 1, ..Limits::default() };
///     let row = plain(&input, kind, Some(2), &limits, |rows| rows);
///     assert_eq!((row.batches, row.rows_out), (2, 1.5));
/// }
/// ```
pub fn plain<D: Record, K: Record>(
    input: &Input<D>,
    kind: PlainLoop,
    window: Option<u64>,
    limits: &Limits,
    keys: Rows<D, K>,
) -> ModeRow {
    let (mut ring, mut counts) = (VecDeque::new(), Counts::new());
    let (mut samples, mut out) = (Vec::new(), Vec::new());
    let (mut rows_in, mut rows_out, mut touched) = (0, 0, 0);
    let mut begun = Instant::now();
    for (number, batch) in input.batches.iter().enumerate() {
        let rows: Vec<D> = batch.all().cloned().collect();
        let from = Instant::now();
        let rows = keys(rows);
        let came = rows.len();
        let pane = match kind {
            PlainLoop::Recompute => Pane::Rows(rows),
            PlainLoop::Partials => {
                rows.iter().for_each(|key| counts.add(key, 1));
                Pane::Counts(counts.table.drain().collect())
            }
        };
        ring.push_back((batch.id, pane));
        while let Some(window) = window
            && ring.pop_front_if(|(id, _)| *id + window <= batch.id).is_some()
        {}
        for (_, pane) in &ring {
            match pane {
                Pane::Rows(rows) => rows.iter().for_each(|key| counts.add(key, 1)),
                Pane::Counts(known) => known.iter().for_each(|(key, n)| counts.add(key, *n)),
            }
        }
        out.clear();
        out.extend(counts.table.drain());
        let took = from.elapsed();
        if number < limits.settle {
            begun = Instant::now();
            continue;
        }
        samples.push(took.as_secs_f64() * 1e3);
        rows_in += came;
        rows_out += out.len();
        touched += ring.iter().map(|(_, pane)| pane.len()).sum::<usize>();
        if samples.len() >= limits.samples_min && begun.elapsed() >= limits.time_max {
            break;
        }
    }
    let batches = samples.len().max(1) as f64;
    let interval_ms = input.interval().as_secs_f64() * 1e3;
    ModeRow {
        rows_in: rows_in as f64 / batches,
        rows_out: rows_out as f64 / batches,
        touched: touched as f64 / batches,
        ..ModeRow::of(&format!("plain loop, {}", kind.mode()), 0, &samples, interval_ms)
    }
}

enum Pane<K> {
    Rows(Vec<K>),
    Counts(Vec<(K, i64)>),
}

impl<K> Pane<K> {
    fn len(&self) -> usize {
        match self {
            Pane::Rows(rows) => rows.len(),
            Pane::Counts(counts) => counts.len(),
        }
    }
}

struct Counts<K> {
    table: HashTable<(K, i64)>,
}

impl<K: Record> Counts<K> {
    fn new() -> Self {
        Counts { table: HashTable::new() }
    }

    #[inline]
    fn add(&mut self, key: &K, by: i64) {
        let hash = stable_hash(key);
        match self.table.entry(hash, |(other, _)| other == key, |(key, _)| stable_hash(key)) {
            Entry::Occupied(mut known) => known.get_mut().1 += by,
            Entry::Vacant(free) => {
                free.insert((key.clone(), by));
            }
        }
    }
}
