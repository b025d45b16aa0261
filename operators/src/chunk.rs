//! Chunks: rows of one source partition, in order. How streams travel.
//!
//! Order is kept by tags, not by rows: whatever happens to a stream on its way, the rows of a
//! chunk stay together and in order, and whoever needs the stream's order sorts *chunks* when the
//! batch closes (see [`crate::order`]). Who doesn't need it ignores the tags.
//!
//! One message holds many chunks, stored flat: one vector of rows, and one of tags that say
//! where each chunk ends. A map touches the rows alone, and sixty-four nearly empty partitions
//! cost sixty-four tags, not sixty-four vectors.

use serde::{Deserialize, Serialize};
use timely::Accountable;

/// Where a chunk stands in its stream's order: by lane, then partition, then sequence.
///
/// ```
/// use tidegate_operators::Tag;
///
/// let first = Tag { lane: 0, partition: 1, sequence: 9 };
/// let second = Tag { lane: 1, partition: 0, sequence: 0 };
/// assert!(first < second, "a union's first stream comes before its second");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Tag {
    /// Which branch of a union the chunk came through; 0 for a stream that is no union.
    pub lane: u32,
    /// The partition of the source, or of the keyed operator, that made the chunk.
    pub partition: u32,
    /// Rises within a partition, over batches too: for a source, the offset of the first row.
    pub sequence: u64,
}

/// A container of chunks: timely's messages between the operators of a stream.
///
/// ```
/// use tidegate_operators::{Chunks, Tag};
///
/// let mut chunks = Chunks::new();
/// chunks.push(Tag { lane: 0, partition: 0, sequence: 0 }, ["a b", "c"]);
/// chunks.push(Tag { lane: 0, partition: 1, sequence: 0 }, ["d"]);
///
/// let words = chunks.flat_map(|line| line.split(' '));
/// let parts: Vec<(u32, &[&str])> = words.iter().map(|(tag, rows)| (tag.partition, rows)).collect();
/// assert_eq!(parts, [(0, &["a", "b", "c"][..]), (1, &["d"][..])]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks<D> {
    rows: Vec<D>,
    /// Each chunk's tag, and where in `rows` it ends. The last end is the number of rows.
    ends: Vec<(Tag, usize)>,
}

impl<D> Default for Chunks<D> {
    fn default() -> Self {
        Chunks { rows: Vec::new(), ends: Vec::new() }
    }
}

impl<D> Chunks<D> {
    /// No chunk at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// One chunk.
    pub fn of(tag: Tag, rows: Vec<D>) -> Self {
        let end = rows.len();
        Chunks { rows, ends: vec![(tag, end)] }
    }

    /// One chunk of rows whose order nobody asks for, under the default tag.
    pub fn loose(rows: Vec<D>) -> Self {
        Self::of(Tag::default(), rows)
    }

    /// Puts a chunk together again from what [`Chunks::into_parts`] gave.
    ///
    /// # Panics
    ///
    /// If the ends don't rise to the number of rows.
    pub fn from_parts(rows: Vec<D>, ends: Vec<(Tag, usize)>) -> Self {
        assert!(
            ends.is_sorted_by_key(|(_, end)| *end),
            "the ends of chunks must rise: {ends:?}",
            ends = ends.iter().map(|(_, end)| end).collect::<Vec<_>>()
        );
        assert_eq!(ends.last().map_or(0, |(_, end)| *end), rows.len(), "rows behind the last end");
        Chunks { rows, ends }
    }

    /// All rows, and each chunk's tag with the index at which it ends.
    pub fn into_parts(self) -> (Vec<D>, Vec<(Tag, usize)>) {
        (self.rows, self.ends)
    }

    /// Adds a chunk; rows under the last chunk's own tag join it.
    pub fn push(&mut self, tag: Tag, rows: impl IntoIterator<Item = D>) {
        self.rows.extend(rows);
        match self.ends.last_mut() {
            Some((last, end)) if *last == tag => *end = self.rows.len(),
            _ => self.ends.push((tag, self.rows.len())),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no chunk, not even an empty one.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether there is no row; there may be chunks, each empty.
    pub fn has_no_rows(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows of all chunks, one after the other.
    pub fn rows(&self) -> &[D] {
        &self.rows
    }

    /// The rows of all chunks, their tags forgotten.
    pub fn into_rows(self) -> Vec<D> {
        self.rows
    }

    /// The tags, in the order in which the chunks are stored.
    pub fn tags(&self) -> impl Iterator<Item = Tag> + '_ {
        self.ends.iter().map(|(tag, _)| *tag)
    }

    /// The chunks, as stored.
    pub fn iter(&self) -> impl Iterator<Item = (Tag, &[D])> + '_ {
        let mut start = 0;
        self.ends.iter().map(move |(tag, end)| {
            let rows = &self.rows[start..*end];
            start = *end;
            (*tag, rows)
        })
    }

    /// One row for each row, the chunks unchanged.
    pub fn map<E>(self, logic: impl FnMut(D) -> E) -> Chunks<E> {
        Chunks { rows: self.rows.into_iter().map(logic).collect(), ends: self.ends }
    }

    /// Any number of rows for each row, in place.
    pub fn flat_map<I: IntoIterator>(self, mut logic: impl FnMut(D) -> I) -> Chunks<I::Item> {
        let mut rows = Vec::with_capacity(self.rows.len());
        let mut ends = self.ends;
        let mut input = self.rows.into_iter();
        let mut taken = 0;
        for (_, end) in &mut ends {
            for row in input.by_ref().take(*end - taken) {
                rows.extend(logic(row));
            }
            taken = *end;
            *end = rows.len();
        }
        Chunks { rows, ends }
    }

    /// Keeps the rows for which `logic` holds.
    pub fn retain(&mut self, mut logic: impl FnMut(&D) -> bool) {
        let (mut seen, mut kept, mut chunk) = (0, 0, 0);
        let ends = &mut self.ends;
        self.rows.retain(|row| {
            while ends[chunk].1 == seen {
                ends[chunk].1 = kept;
                chunk += 1;
            }
            seen += 1;
            let keep = logic(row);
            kept += usize::from(keep);
            keep
        });
        for (_, end) in &mut ends[chunk..] {
            *end = kept;
        }
    }

    /// Changes every tag, leaving the rows as they are.
    pub fn retag(&mut self, mut logic: impl FnMut(Tag) -> Tag) {
        for (tag, _) in &mut self.ends {
            *tag = logic(*tag);
        }
    }

    /// The chunks one by one, each with its own rows.
    pub fn into_chunks(self) -> impl Iterator<Item = (Tag, Vec<D>)> {
        let single = self.ends.len() == 1;
        let mut rows = self.rows;
        let mut input = if single { None } else { Some(std::mem::take(&mut rows).into_iter()) };
        let mut start = 0;
        self.ends.into_iter().map(move |(tag, end)| {
            let chunk = match &mut input {
                None => std::mem::take(&mut rows),
                Some(input) => input.by_ref().take(end - start).collect(),
            };
            start = end;
            (tag, chunk)
        })
    }
}

/// Counts rows and chunks, so that a message of empty chunks is not taken for no message.
impl<D> Accountable for Chunks<D> {
    fn record_count(&self) -> i64 {
        (self.rows.len() + self.ends.len()) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(partition: u32) -> Tag {
        Tag { partition, ..Tag::default() }
    }

    fn sample() -> Chunks<u32> {
        let mut chunks = Chunks::new();
        chunks.push(tag(0), [1, 2, 3]);
        chunks.push(tag(1), []);
        chunks.push(tag(2), [4]);
        chunks.push(tag(3), [5, 6]);
        chunks
    }

    fn shape(chunks: &Chunks<u32>) -> Vec<(u32, Vec<u32>)> {
        chunks.iter().map(|(tag, rows)| (tag.partition, rows.to_vec())).collect()
    }

    #[test]
    fn filtering_keeps_every_row_in_its_own_chunk() {
        for bits in 0u32..64 {
            let keep = |row: &u32| bits & (1 << (row - 1)) != 0;
            let mut chunks = sample();
            chunks.retain(keep);
            let expected: Vec<(u32, Vec<u32>)> = shape(&sample())
                .into_iter()
                .map(|(partition, rows)| (partition, rows.into_iter().filter(keep).collect()))
                .collect();
            assert_eq!(shape(&chunks), expected, "kept {bits:06b}");
        }
    }

    #[test]
    fn flat_map_gives_each_chunk_its_own_rows() {
        let twice = sample().flat_map(|row| std::iter::repeat_n(row, row as usize % 3));
        assert_eq!(shape(&twice), [(0, vec![1, 2, 2]), (1, vec![]), (2, vec![4]), (3, vec![5, 5])]);
    }

    #[test]
    fn chunks_come_apart_and_together() {
        let chunks: Vec<(Tag, Vec<u32>)> = sample().into_chunks().collect();
        let mut again = Chunks::new();
        for (tag, rows) in chunks {
            again.push(tag, rows);
        }
        assert_eq!(again, sample());
        assert_eq!(Chunks::loose(vec![1]).into_chunks().collect::<Vec<_>>(), [(tag(0), vec![1])]);
    }

    #[test]
    fn empty_chunks_count_as_a_message() {
        assert_eq!(Chunks::<u32>::of(tag(4), vec![]).record_count(), 1);
        assert!(Chunks::<u32>::new().is_empty());
    }
}
