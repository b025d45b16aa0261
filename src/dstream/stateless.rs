//! Operations that look at one record at a time.

use tidegate_operators::{Record, Tag};
use timely::dataflow::operators::Concat;

use super::{DStream, Order};
use crate::error::BuildError;

impl<'s, D: Record> DStream<'s, D> {
    /// One record for each record.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let lengths = batches(vec![vec!["tide", "in"]], |words| words.map(|word| word.len() as u64));
    /// assert_eq!(lengths, [[4, 2]]);
    /// ```
    pub fn map<E>(self, logic: impl FnMut(D) -> E + 'static) -> DStream<'s, E>
    where
        E: Record,
    {
        let mut logic = logic;
        let stream = self.tagged();
        let chunks = stream.clone().chunkwise("Map", move |chunks| chunks.map(&mut logic));
        stream.with_chunks(chunks, Order::Tags)
    }

    /// Any number of records for each record.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let words = batches(vec![vec!["high tide", "ebb"]], |lines| {
    ///     lines.flat_map(|line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    /// });
    /// assert_eq!(words, [["high", "tide", "ebb"]]);
    /// ```
    pub fn flat_map<I>(self, logic: impl FnMut(D) -> I + 'static) -> DStream<'s, I::Item>
    where
        I: IntoIterator,
        I::Item: Record,
    {
        let mut logic = logic;
        let stream = self.tagged();
        let chunks = stream.clone().chunkwise("FlatMap", move |chunks| chunks.flat_map(&mut logic));
        stream.with_chunks(chunks, Order::Tags)
    }

    /// The records for which `keep` holds.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let long = batches(vec![vec!["tide", "in"]], |words| words.filter(|word| word.len() > 2));
    /// assert_eq!(long, [["tide"]]);
    /// ```
    pub fn filter(self, keep: impl FnMut(&D) -> bool + 'static) -> DStream<'s, D> {
        let mut keep = keep;
        let order = self.order.clone();
        let stream = self.clone();
        let chunks = self.chunkwise("Filter", move |mut chunks| {
            chunks.retain(&mut keep);
            chunks
        });
        stream.with_chunks(chunks, order)
    }

    /// A key for each record.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let keyed = batches(vec![vec!["tide"]], |words| words.key_by(|word| word.len() as u64));
    /// assert_eq!(keyed, [[(4, "tide".to_string())]]);
    /// ```
    pub fn key_by<K>(self, key: impl FnMut(&D) -> K + 'static) -> DStream<'s, (K, D)>
    where
        K: Record,
    {
        let mut key = key;
        self.map(move |record| (key(&record), record))
    }

    /// The records of both streams: those of this one first.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let both = batches(vec![vec!["a", "b"]], |words| {
    ///     words.clone().union(words.map(|word| word.to_uppercase()))
    /// });
    /// assert_eq!(both, [["a", "b", "A", "B"]]);
    /// ```
    pub fn union(self, other: DStream<'s, D>) -> DStream<'s, D> {
        self.beside("union", other)
    }

    /// The same for another operation on two streams, whose batches must be the same.
    pub(crate) fn beside(self, operation: &'static str, other: DStream<'s, D>) -> DStream<'s, D> {
        if self.slide != other.slide {
            let (left, right) = (self.slide, other.slide);
            self.ctx.reject(BuildError::Slides { operation, left, right });
        }
        let (first, second) = (self.tagged(), other.tagged());
        let (offset, lanes) = (first.lanes, first.lanes + second.lanes);
        let behind = second.chunkwise("Union", move |mut chunks| {
            chunks.retag(|tag| Tag { lane: tag.lane + offset, ..tag });
            chunks
        });
        let chunks = first.chunks.clone().concat(behind);
        DStream { lanes, ..first.with_chunks(chunks, Order::Tags) }
    }
}
