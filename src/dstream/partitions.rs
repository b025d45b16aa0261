//! Operations on the partitions of a batch.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::marker::PhantomData;

use tidegate_operators::batched::{Batch, BatchOperator, Output, Route, Tap};
use tidegate_operators::{Chunks, Peers, Record, Tag, order, ship};

use super::{DStream, Order};
use crate::batch::{BatchId, ChunkStream, KEYED_PARTITIONS};
use crate::error::BuildError;

impl<'s, D: Record> DStream<'s, D> {
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
        let chunks = stream.clone().by_partition();
        // Keyed results have a fixed number of partitions, whether or not there is a row in them.
        let owned = owned_partitions(ctx.peers(), if keyed { KEYED_PARTITIONS } else { 0 });
        let operator = MapPartitions { logic, owned, slide: stream.slide, rows: PhantomData };
        let chunks = ctx.attach_per_batch("MapPartitions", chunks, operator);
        stream.with_chunks(chunks, Order::Tags)
    }

    /// Each partition of a batch as one row, empty ones included.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let partitions = batches(vec![vec!["a", "b"], vec![]], |words| words.glom());
    /// assert_eq!(partitions, [[vec!["a".to_string(), "b".to_string()]], [vec![]]]);
    /// ```
    pub fn glom(self) -> DStream<'s, Vec<D>> {
        self.map_partitions(|rows| [rows])
    }

    /// Deals the records of each batch out to `partitions` partitions, in turn.
    ///
    /// The first record of source partition `p` goes to partition `p`, the next one to the one
    /// after it, whatever the number of workers.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let dealt = batches(vec![vec!["a", "b", "c"]], |words| words.repartition(2).glom());
    /// assert_eq!(dealt, [[vec!["a".to_string(), "c".to_string()], vec!["b".to_string()]]]);
    /// ```
    pub fn repartition(self, partitions: u32) -> DStream<'s, D> {
        if partitions == 0 {
            self.ctx.reject(BuildError::NoPartitions);
        }
        let stream = self.tagged();
        let (ctx, peers) = (stream.ctx, stream.ctx.peers());
        let owned = owned_partitions(peers, partitions);
        let operator = Deal { partitions: partitions.max(1), owned, rows: PhantomData };
        let dealt = ctx.attach_per_batch("Repartition", stream.clone().by_partition(), operator);
        let dealt = DStream { lanes: 1, ..stream.with_chunks(dealt, Order::Tags) };
        let chunks = dealt.clone().by_partition();
        dealt.with_chunks(chunks, Order::Tags)
    }

    /// Every partition, whole, on the worker that it is dealt to.
    pub(crate) fn by_partition(self) -> ChunkStream<'s, D> {
        let owners = self.ctx.peers().clone();
        ship::ship_chunks(self.chunks, self.ctx.peers(), "partitions", move |tag| {
            owners.owner_of_tag(tag)
        })
    }
}

impl<'s, K: Record + Hash, V: Record> DStream<'s, (K, V)> {
    /// Combines the values of each key of a batch: within each partition in order, beginning with
    /// `create` of the first one; then what the partitions have come to, in their order.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let lengths = batches(vec![vec!["tide", "in", "gate"]], |words| {
    ///     let by_length = words.map(|word| (word.len() as u64, word));
    ///     by_length.combine_by_key(|word| vec![word], |list, word| list.push(word), Vec::append)
    /// });
    /// let of = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    /// assert_eq!(lengths, [[(2, of(&["in"])), (4, of(&["tide", "gate"]))]]);
    /// ```
    pub fn combine_by_key<C: Record>(
        self,
        create: impl Fn(V) -> C + 'static,
        merge_value: impl Fn(&mut C, V) + 'static,
        merge_combiners: impl Fn(&mut C, &mut C) + Clone + 'static,
    ) -> DStream<'s, (K, C)> {
        let combined = self.map_partitions(move |rows| {
            let mut places: HashMap<K, usize> = HashMap::new();
            let mut combined: Vec<(K, C)> = Vec::new();
            for (key, value) in rows {
                match places.get(&key) {
                    Some(place) => merge_value(&mut combined[*place].1, value),
                    None => {
                        places.insert(key.clone(), combined.len());
                        combined.push((key, create(value)));
                    }
                }
            }
            combined
        });
        combined.in_order().reduce_by_key(move |first, second| {
            let (mut first, mut second) = (first.clone(), second.clone());
            merge_combiners(&mut first, &mut second);
            first
        })
    }
}

/// The partitions from 0 that are dealt to this worker.
fn owned_partitions(peers: &Peers, partitions: u32) -> Vec<Tag> {
    let tags = (0..partitions).map(|partition| Tag { lane: 0, partition, sequence: 0 });
    tags.filter(|tag| peers.owner_of_tag(*tag) == peers.index()).collect()
}

/// Deals the rows of whole partitions out to other ones.
struct Deal<D> {
    partitions: u32,
    /// Partitions that this worker has in each batch, even if no row comes.
    owned: Vec<Tag>,
    rows: PhantomData<fn(D)>,
}

impl<D: Record> BatchOperator<BatchId> for Deal<D> {
    type Input = Chunks<D>;
    type Output = Chunks<D>;
    type Saved = ();

    fn close(
        &mut self,
        batch: Batch<BatchId>,
        input: Vec<Chunks<D>>,
        output: &mut Output<'_, Chunks<D>>,
        _tap: &mut Tap<()>,
    ) {
        let mut dealt = Chunks::new();
        for tag in &self.owned {
            dealt.push(Tag { sequence: batch.time << SOURCE_BITS, ..*tag }, []);
        }
        let mut sources: BTreeMap<(u32, u32), Vec<D>> = BTreeMap::new();
        for (tag, rows) in order::by_tag(input) {
            sources.entry((tag.lane, tag.partition)).or_default().extend(rows);
        }
        for ((lane, partition), rows) in sources {
            let source = u64::from(lane) << PARTITION_BITS | u64::from(partition);
            let sequence = batch.time << SOURCE_BITS | source;
            let mut targets: Vec<Vec<D>> = (0..self.partitions).map(|_| Vec::new()).collect();
            for (row, turn) in rows.into_iter().zip(u64::from(partition)..) {
                targets[(turn % u64::from(self.partitions)) as usize].push(row);
            }
            for (rows, partition) in targets.into_iter().zip(0..) {
                if !rows.is_empty() {
                    dealt.push(Tag { lane: 0, partition, sequence }, rows);
                }
            }
        }
        if !dealt.is_empty() {
            output.give(dealt);
        }
    }

    fn route(_saved: &()) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}

/// A row's place in a partition that was dealt: its batch, then 64 lanes of 262,144 partitions.
const SOURCE_BITS: u32 = 24;
const PARTITION_BITS: u32 = 18;

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

    fn route(_saved: &()) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
