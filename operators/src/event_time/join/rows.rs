//! What a join keeps of a key.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::index::Rule;
use crate::keyed::Side;
use crate::{Diff, Record, heap_bytes};

/// A row that waits for others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kept<D> {
    /// Its event time, in microseconds.
    pub at_us: i64,
    /// Whether it has met another, where that matters.
    pub has_met: bool,
    /// The row.
    pub value: D,
}

/// A row of the saved state of a join.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SavedJoin<K, V, W> {
    /// A row under its key came into the state, or went from it; one that meets its first other goes
    /// as it was, and comes as it is.
    Row(K, Side<Kept<V>, Kept<W>>, Diff),
    /// What ends at this time or before is closed.
    ClosedThrough(i64),
}

/// Rows in the order of their times.
pub(super) type Queue<D> = VecDeque<Kept<D>>;

/// The rows of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rows<V, W> {
    pub(super) lefts: Queue<V>,
    pub(super) rights: Queue<W>,
    /// When there is next something to do for them; `i64::MAX` if never.
    pub(super) due_ms: i64,
    pub(super) bytes: usize,
}

impl<V, W> Default for Rows<V, W> {
    fn default() -> Self {
        Rows { lefts: Queue::new(), rights: Queue::new(), due_ms: i64::MAX, bytes: 0 }
    }
}

impl<V, W> Rows<V, W> {
    pub(super) fn len(&self) -> usize {
        self.lefts.len() + self.rights.len()
    }
}

/// The rows within a span of time.
pub(super) fn within<D>(
    rows: &mut Queue<D>,
    span: RangeInclusive<i64>,
) -> impl Iterator<Item = &mut Kept<D>> {
    let from = rows.partition_point(|row| row.at_us < *span.start());
    let to = rows.partition_point(|row| row.at_us <= *span.end());
    rows.range_mut(from..to.max(from))
}

/// Puts a row behind all that are not later.
pub(super) fn insert<D: Record>(rows: &mut Queue<D>, row: Kept<D>) -> usize {
    let (place, bytes) = (rows.partition_point(|other| other.at_us <= row.at_us), row_bytes(&row));
    rows.insert(place, row);
    bytes
}

/// Takes a row out, if it is there.
pub(super) fn remove<D: Record>(rows: &mut Queue<D>, row: &Kept<D>) -> usize {
    let from = rows.partition_point(|other| other.at_us < row.at_us);
    let same = rows.range(from..).take_while(|other| other.at_us == row.at_us);
    let found = same.enumerate().find(|(_, other)| *other == row).map(|(place, _)| from + place);
    found.and_then(|place| rows.remove(place)).map_or(0, |row| row_bytes(&row))
}

/// The bytes that a row takes.
pub(super) fn row_bytes<D: Record>(row: &Kept<D>) -> usize {
    size_of::<Kept<D>>() + heap_bytes(&row.value)
}

/// Keeps the rows of each key; what changes them is a batch, in [`EventJoin`](super::EventJoin).
pub(super) struct KeepRows<V, W>(pub(super) std::marker::PhantomData<fn(V, W)>);

impl<V: Record, W: Record> Rule for KeepRows<V, W> {
    type State = Rows<V, W>;
    type Change = Infallible;
    type View = ();

    fn first(&self, change: Infallible) -> Rows<V, W> {
        match change {}
    }

    fn apply(&self, _rows: &mut Rows<V, W>, change: Infallible) {
        match change {}
    }

    fn view(&self, _rows: &Rows<V, W>) -> Option<()> {
        None
    }

    fn is_absent(&self, rows: &Rows<V, W>) -> bool {
        rows.len() == 0
    }

    fn owned_bytes(&self, rows: &Rows<V, W>) -> usize {
        rows.bytes
    }
}
