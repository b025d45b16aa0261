//! Putting a batch back in its order.
//!
//! A stream's order is (lane, partition, sequence, position): its chunks sorted by tag. It depends
//! on the chunks alone, never on the worker that held them or on when they came.

use crate::{Chunks, Tag};

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
///
/// ```
/// use tidegate_operators::{Chunks, Tag, order};
///
/// let tag = |sequence| Tag { lane: 0, partition: 0, sequence };
/// let arrived = vec![Chunks::of(tag(5), vec!['b']), Chunks::of(tag(2), vec!['a'])];
/// assert_eq!(order::by_tag(arrived), [(tag(2), vec!['a']), (tag(5), vec!['b'])]);
/// ```
pub fn by_tag<D>(arrived: Vec<Chunks<D>>) -> Vec<(Tag, Vec<D>)> {
    let mut chunks: Vec<(Tag, Vec<D>)> =
        arrived.into_iter().flat_map(Chunks::into_chunks).collect();
    chunks.sort_by_key(|(tag, _)| *tag);
    chunks
}
