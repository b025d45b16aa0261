//! Aggregates of tables: kept right as rows come and go.

use tidegate_operators::combine::{Everything, Keyed, Pairs, Signed, Whole, combine};
use tidegate_operators::keyed::{Departed, FoldByKey, Multisets, reduce_arranged};
use tidegate_operators::{Aggregate, Count, Record, Reduce, ship};

use super::Table;
use crate::batch::chunkwise;
use crate::config::Strategy;
use crate::windowed::Fed;

impl<'s, D: Record> Table<'s, D> {
    /// How often each row is in the table.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// // How many words occur once, how many twice, and so on.
    /// let spread = batches(vec![vec!["a", "b"], vec!["a"]], |words| {
    ///     let counts = words.running().count_by_value();
    ///     counts.map(|(_, n)| n).count_by_value().snapshots()
    /// });
    /// assert_eq!(spread, [vec![(1, 2)], vec![(1, 1), (2, 1)]]);
    /// ```
    pub fn count_by_value(self) -> Table<'s, (D, i64)> {
        self.aggregated("count_by_value", Whole, Count)
    }

    /// The number of rows: a table of one row, or of none if there are none.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let distinct = batches(vec![vec!["a", "b", "a"]], |words| {
    ///     words.running().count_by_value().count().snapshots()
    /// });
    /// assert_eq!(distinct, [[2]]);
    /// ```
    pub fn count(self) -> Table<'s, i64> {
        self.aggregated("count", Everything, Count).map(|((), count)| count)
    }

    /// All rows reduced to one, by a function of two of them that is associative and commutative:
    /// a table of one row, or of none.
    pub fn reduce(self, function: impl Fn(&D, &D) -> D + Clone + 'static) -> Table<'s, D> {
        self.aggregated("reduce", Everything, Reduce::new(function)).map(|((), row)| row)
    }

    fn aggregated<S, A>(self, kind: &str, split: S, aggregate: A) -> Table<'s, (S::Key, A::Out)>
    where
        S: Keyed<D, Value: Record>,
        A: Aggregate<S::Value>,
    {
        let (ctx, options, slide) = (self.ctx, self.options.clone(), self.slide);
        let strategy = ctx.strategy(&options);
        let peers = ctx.peers();
        if strategy.computes_anew() {
            let (rows, _) = self.contents();
            let tallies = combine(rows, peers, kind, split, aggregate.clone());
            let operator = FoldByKey::<S::Key, S::Value, A>::new(aggregate);
            return Table::of_contents(ctx, ctx.attach_per_batch(kind, tallies, operator), slide);
        }
        let (changes, _, _) = self.differences();
        if A::SUBTRACTS {
            let tallies = combine(changes, peers, kind, Signed(split), aggregate.clone());
            let counted =
                ctx.accumulate(kind, &options, tallies, aggregate, (Departed::Drop, Fed::ByWindow));
            return Table::keyed(ctx, counted, slide);
        }
        let pairs = chunkwise(changes, "Pairs", move |chunks| {
            chunks.map(|(row, diff)| {
                let (key, value, times) = split.split(row);
                ((key, value), diff * times)
            })
        });
        let owners = peers.clone();
        let shipped =
            ship::ship(pairs, peers, "by key", move |((key, _), _)| owners.owner_of_key(key));
        if strategy == Strategy::Arrangement {
            let (number, uid) = ctx.build().name_operator(kind, options.uid.as_deref());
            let summed = reduce_arranged(shipped, &uid, aggregate);
            ctx.report(number, summed.reports);
            return Table::keyed(ctx, summed.output.inner, slide);
        }
        let operator = Multisets::<S::Key, S::Value, A>::new(aggregate);
        Table::keyed(ctx, ctx.attach_derived(kind, &options, shipped, operator), slide)
    }
}

impl<'s, K: Record, V: Record> Table<'s, (K, V)> {
    /// The values of each key reduced to one, by a function of two of them that is associative and
    /// commutative.
    pub fn reduce_by_key(
        self,
        function: impl Fn(&V, &V) -> V + Clone + 'static,
    ) -> Table<'s, (K, V)> {
        self.aggregated("reduce_by_key", Pairs, Reduce::new(function))
    }

    /// The aggregate of each key's values.
    ///
    /// Where the aggregate can be subtracted, one accumulator is kept for each key; where it
    /// can't, all values of each key, in order.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Max, Span};
    ///
    /// // The highest count in the window, which falls when its word leaves.
    /// let highest = batches(vec![vec!["a", "a"], vec!["b"], vec![]], |words| {
    ///     let counts = words.window(Span::batches(2), Span::batches(1)).count_by_value();
    ///     counts.map(|(_, n)| ((), n)).aggregate_by_key(Max).snapshots()
    /// });
    /// assert_eq!(highest, [[((), 2)], [((), 2)], [((), 1)]]);
    /// ```
    pub fn aggregate_by_key<A: Aggregate<V>>(self, aggregate: A) -> Table<'s, (K, A::Out)> {
        self.aggregated("aggregate_by_key", Pairs, aggregate)
    }
}
