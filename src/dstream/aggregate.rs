//! Aggregates of one batch.

use tidegate_operators::combine::{Everything, Keyed, Pairs, Tally, Whole, combine};
use tidegate_operators::keyed::{FoldByKey, FoldInOrder, FoldTotal, GroupByKey};
use tidegate_operators::{Aggregate, Count, Record, Reduce, ship};

use super::{DStream, RowOrder};
use crate::batch::ChunkStream;

impl<'s, D: Record> DStream<'s, D> {
    /// The number of records of each batch; 0 for an empty one.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["a", "b"], vec![]], |words| words.count());
    /// assert_eq!(counts, [[2], [0]]);
    /// ```
    pub fn count(self) -> DStream<'s, i64> {
        self.total(Count, Some(0))
    }

    /// All records of a batch reduced to one, by a function of two of them that is associative
    /// and commutative; nothing for an empty batch.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let longest = batches(vec![vec!["in", "tide"], vec![]], |words| {
    ///     words.reduce(|a, b| if a.len() >= b.len() { a.clone() } else { b.clone() })
    /// });
    /// assert_eq!(longest, [vec!["tide".to_string()], vec![]]);
    /// ```
    pub fn reduce(self, function: impl Fn(&D, &D) -> D + Clone + 'static) -> DStream<'s, D> {
        self.total(Reduce::new(function), None)
    }

    /// The aggregate of all records of a batch; nothing for an empty batch.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let first = batches(vec![vec!["tide", "ebb"]], |words| words.aggregate(tidegate::Min));
    /// assert_eq!(first, [["ebb"]]);
    /// ```
    pub fn aggregate<A: Aggregate<D>>(self, aggregate: A) -> DStream<'s, A::Out> {
        self.total(aggregate, None)
    }

    /// How often each record occurs in a batch.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["a", "b", "a"]], |words| words.count_by_value());
    /// assert_eq!(counts, [[("a".to_string(), 2), ("b".to_string(), 1)]]);
    /// ```
    pub fn count_by_value(self) -> DStream<'s, (D, i64)> {
        let tallies = self.tallies(Whole, Count);
        let operator = FoldByKey::<D, (), _>::new(Count);
        let folded = self.ctx.attach_per_batch("CountByValue", tallies, operator);
        self.ordered(folded, RowOrder::by_key())
    }

    pub(crate) fn total<A: Aggregate<D>>(
        self,
        aggregate: A,
        of_nothing: Option<A::Out>,
    ) -> DStream<'s, A::Out> {
        let ctx = self.ctx;
        let tallies = self.tallies(Everything, aggregate.clone());
        let is_owner = ctx.peers().owner_of_key(&()) == ctx.peers().index();
        let operator = FoldTotal::new(aggregate, of_nothing, is_owner, self.slide);
        let folded = ctx.attach_per_batch("Total", tallies, operator);
        self.ordered(folded, RowOrder::in_one_place())
    }

    /// The batch's tallies by key, on the workers that own the keys.
    pub(crate) fn tallies<S, A>(
        &self,
        split: S,
        aggregate: A,
    ) -> ChunkStream<'s, Tally<S::Key, A::Acc>>
    where
        S: Keyed<D, Value: Record>,
        A: Aggregate<S::Value>,
    {
        let ctx = self.ctx;
        if !self.options.ordered {
            return combine(self.chunks.clone(), ctx.peers(), "by key", split, aggregate);
        }
        let pairs = self.clone().tagged().pairs(split);
        let owners = ctx.peers().clone();
        let shipped =
            ship::ship(pairs, ctx.peers(), "by key", move |(key, _)| owners.owner_of_key(key));
        let operator = FoldInOrder::<S::Key, S::Value, A>::new(aggregate);
        ctx.attach_per_batch("FoldInOrder", shipped, operator)
    }
}

impl<'s, D: Record> DStream<'s, D> {
    /// The key and the value of each record, the chunks unchanged.
    pub(crate) fn pairs<S: Keyed<D>>(self, split: S) -> ChunkStream<'s, (S::Key, S::Value)>
    where
        S::Value: Record,
    {
        self.chunkwise("Pairs", move |chunks| {
            chunks.map(|record| {
                let (key, value, _) = split.split(record);
                (key, value)
            })
        })
    }
}

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// The values of each key of a batch reduced to one, by a function of two of them that is
    /// associative and commutative.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["a", "b", "a"], vec!["a"]], |words| {
    ///     words.map(|word| (word, 1i64)).reduce_by_key(|a, b| a + b)
    /// });
    /// let a = "a".to_string();
    /// assert_eq!(counts, [vec![(a.clone(), 2), ("b".to_string(), 1)], vec![(a, 1)]]);
    /// ```
    pub fn reduce_by_key(
        self,
        function: impl Fn(&V, &V) -> V + Clone + 'static,
    ) -> DStream<'s, (K, V)> {
        self.aggregate_by_key(Reduce::new(function))
    }

    /// The aggregate of each key's values in a batch.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let means = batches(vec![vec!["in", "tide"]], |words| {
    ///     words.map(|word| ((), word.len() as i64)).aggregate_by_key(tidegate::Mean)
    /// });
    /// assert_eq!(means[0][0].1.into_inner(), 3.0);
    /// ```
    pub fn aggregate_by_key<A: Aggregate<V>>(self, aggregate: A) -> DStream<'s, (K, A::Out)> {
        let tallies = self.tallies(Pairs, aggregate.clone());
        let operator = FoldByKey::<K, V, A>::new(aggregate);
        let folded = self.ctx.attach_per_batch("AggregateByKey", tallies, operator);
        self.ordered(folded, RowOrder::by_key())
    }

    /// All values of each key of a batch, in the order of the stream.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let groups = batches(vec![vec!["tide", "in", "gate"]], |words| {
    ///     words.key_by(|word| word.len() as u64).group_by_key()
    /// });
    /// let of = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    /// assert_eq!(groups, [[(2, of(&["in"])), (4, of(&["tide", "gate"]))]]);
    /// ```
    pub fn group_by_key(self) -> DStream<'s, (K, Vec<V>)> {
        let grouped = self.clone().shipped_by_key();
        let grouped = self.ctx.attach_per_batch("GroupByKey", grouped, GroupByKey::new());
        self.ordered(grouped, RowOrder::by_key())
    }

    /// Every pair on the worker that owns its key, tags and all.
    pub(crate) fn shipped_by_key(self) -> ChunkStream<'s, (K, V)> {
        let stream = self.tagged();
        let owners = stream.ctx.peers().clone();
        ship::ship(stream.chunks, stream.ctx.peers(), "by key", move |(key, _): &(K, V)| {
            owners.owner_of_key(key)
        })
    }
}
