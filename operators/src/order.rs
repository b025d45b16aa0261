//! Putting a batch back in its order.
//!
//! A stream's order is (lane, partition, sequence, position): its chunks sorted by tag. A table's
//! order is by key, retractions before insertions, then by the whole row. Both depend on the rows
//! alone, never on the worker that held them or on when they came.

use std::cmp::Ordering;

use crate::{Chunks, Diff, Tag};

/// The chunks of a batch, in the stream's order; chunks under one tag are joined.
///
/// ```
/// use tidegate_operators::{Chunks, Tag, order};
///
/// let tag = |partition, sequence| Tag { lane: 0, partition, sequence };
/// let arrived = vec![
///     Chunks::of(tag(1, 0), vec!["c"]),
///     Chunks::of(tag(0, 5), vec!["b"]),
///     Chunks::of(tag(0, 2), vec!["a"]),
/// ];
/// assert_eq!(order::in_stream_order(arrived), ["a", "b", "c"]);
/// ```
pub fn in_stream_order<D>(arrived: Vec<Chunks<D>>) -> Vec<D> {
    let sorted = arrived.iter().flat_map(Chunks::tags).is_sorted();
    if sorted {
        let mut containers = arrived.into_iter().map(Chunks::into_rows);
        let Some(mut rows) = containers.next() else { return Vec::new() };
        containers.for_each(|more| rows.extend(more));
        return rows;
    }
    let mut rows = Vec::with_capacity(arrived.iter().map(Chunks::len).sum());
    for (_, chunk) in by_tag(arrived) {
        rows.extend(chunk);
    }
    rows
}

/// The chunks of a batch by tag, each with its own rows. The sort is stable: chunks under one tag
/// keep the order in which they arrived.
pub fn by_tag<D>(arrived: Vec<Chunks<D>>) -> Vec<(Tag, Vec<D>)> {
    let mut chunks: Vec<(Tag, Vec<D>)> =
        arrived.into_iter().flat_map(Chunks::into_chunks).collect();
    chunks.sort_by_key(|(tag, _)| *tag);
    chunks
}

/// Compares two rows by what a table is ordered by: a plain function, so that tables can carry it.
pub type KeyOrder<D> = fn(&D, &D) -> Ordering;

/// Orders a table's changes: by key, retractions before insertions, then by the whole row.
///
/// ```
/// use tidegate_operators::order;
///
/// let mut changes = vec![(("b", 1), 1), (("a", 2), 1), (("a", 9), -1)];
/// order::sort_changes(&mut changes, |left, right| left.0.cmp(right.0));
/// assert_eq!(changes, [(("a", 9), -1), (("a", 2), 1), (("b", 1), 1)]);
/// ```
pub fn sort_changes<D: Ord>(changes: &mut [(D, Diff)], key_order: KeyOrder<D>) {
    changes.sort_unstable_by(|left, right| {
        key_order(&left.0, &right.0)
            .then_with(|| (left.1 > 0).cmp(&(right.1 > 0)))
            .then_with(|| left.0.cmp(&right.0))
    });
}
