//! Operations that look at one record, or one partition, at a time.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use tidegate_operators::batched::{Batch, BatchOperator, Output, Tap};
use tidegate_operators::{Chunks, Record, Tag, order, ship};
use timely::dataflow::operators::Concat;

use super::{DStream, Order};
use crate::batch::{BatchId, KEYED_PARTITIONS};
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

    /// Calls `logic` once for each batch and partition, empty ones included, with all of the
    /// partition's records in order.
    ///
    /// Partitions are those of the source; what comes out of a keyed operation has 16.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["a", "b"], vec![]], |words| {
    ///     words.map_partitions(|words: Vec<String>| [words.len() as u64])
    /// });
    /// assert_eq!(counts, [[2], [0]]);
    /// ```
    pub fn map_partitions<I>(self, logic: impl FnMut(Vec<D>) -> I + 'static) -> DStream<'s, I::Item>
    where
        I: IntoIterator,
        I::Item: Record,
    {
        let keyed = matches!(self.order, Order::Rows(_));
        let stream = self.tagged();
        let ctx = stream.ctx;
        let peers = ctx.peers();
        let owners = peers.clone();
        let chunks = ship::ship_chunks(stream.chunks.clone(), peers, "partitions", move |tag| {
            owners.owner_of_tag(tag)
        });
        // Keyed results have a fixed number of partitions, whether or not there is a row in them.
        let owned: Vec<Tag> = (0..if keyed { KEYED_PARTITIONS } else { 0 })
            .map(|partition| Tag { lane: 0, partition, sequence: 0 })
            .filter(|tag| peers.owner_of_tag(*tag) == peers.index())
            .collect();
        let operator = MapPartitions { logic, owned, slide: stream.slide, rows: PhantomData };
        let chunks = ctx.attach_per_batch("MapPartitions", chunks, operator);
        stream.with_chunks(chunks, Order::Tags)
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
        if self.slide != other.slide {
            self.ctx.reject(BuildError::Slides {
                operation: "union",
                left: self.slide,
                right: other.slide,
            });
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

/// Calls a function with each partition of a batch.
struct MapPartitions<D, F> {
    logic: F,
    /// Partitions that are there even if no chunk comes.
    owned: Vec<Tag>,
    slide: u64,
    rows: PhantomData<fn(D)>,
}

impl<D, I, F> BatchOperator<BatchId> for MapPartitions<D, F>
where
    D: Record,
    I: IntoIterator<Item: Record>,
    F: FnMut(Vec<D>) -> I + 'static,
{
    type Input = Chunks<D>;
    type Output = Chunks<I::Item>;
    type Saved = ();

    fn close(
        &mut self,
        batch: Batch<BatchId>,
        input: Vec<Chunks<D>>,
        output: &mut Output<'_, Chunks<I::Item>>,
        _tap: &mut Tap<()>,
    ) {
        if !batch.tick_or_panic().covers_multiple_of(self.slide) {
            return;
        }
        let mut partitions: BTreeMap<(u32, u32), (Tag, Vec<D>)> = BTreeMap::new();
        let owned = self.owned.iter().map(|tag| (*tag, Vec::new()));
        for (tag, rows) in owned.chain(order::by_tag(input)) {
            let partition = partitions.entry((tag.lane, tag.partition));
            partition.or_insert((tag, Vec::new())).1.extend(rows);
        }
        let mut results = Chunks::new();
        for (tag, rows) in partitions.into_values() {
            results.push(tag, (self.logic)(rows));
        }
        output.give(results);
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
