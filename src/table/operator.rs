//! Operators on the differences of a table: one's own, distinct rows, the largest values.

use serde::Serialize;
use tidegate_operators::batched::BatchOperator;
use tidegate_operators::keyed::{Distinct, GroupByKey, TopK};
use tidegate_operators::{Chunks, Record, differences, ship};

use super::{Place, Table};
use crate::batch::{BatchId, ChunkStream};
use crate::config::Strategy;
use crate::dstream::OperatorOutput;

impl<'s, D: Record> Table<'s, D> {
    /// Puts a [`BatchOperator`] of one's own into the job, on every worker; all rows with the same
    /// `key` come to the same one. For a key of all rows write `|_| &()`.
    ///
    /// The operator is called once for each batch, empty ones included, with the rows that came and
    /// went; a row may come and go within a batch. If it gives differences they make a table, if
    /// it gives chunks of rows, a stream. Its state is known by the table's [`uid`](Table::uid),
    /// or else by `name`, and its size is reported with each batch. How to write one:
    /// [`tidegate_operators::batched`].
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::operators::keyed::TopK;
    ///
    /// // The two most frequent words of each length.
    /// let most = batches(vec![vec!["in", "at", "at", "on", "on"], vec!["in", "in"]], |words| {
    ///     let counts = words.running().count_by_value();
    ///     let by_length = counts.map(|(word, count)| (word.len() as u64, (count, word)));
    ///     by_length.operator("most frequent", |(length, _)| length, TopK::new(2)).snapshots()
    /// });
    /// let row = |count: i64, word: &str| (2, (count, word.to_string()));
    /// assert_eq!(most, [[row(2, "at"), row(2, "on")], [row(2, "on"), row(3, "in")]]);
    /// ```
    pub fn operator<K, O>(
        self,
        name: &str,
        key: impl Fn(&D) -> &K + 'static,
        operator: O,
    ) -> <O::Output as OperatorOutput>::InJob<'s>
    where
        K: Serialize + ?Sized,
        O: BatchOperator<BatchId, Input = Chunks<differences::Change<D>>, Output: OperatorOutput>,
    {
        let (ctx, options, slide) = (self.ctx, self.options.clone(), self.slide);
        let shipped = self.changes_by(key);
        O::Output::in_job(ctx, ctx.attach_derived(name, &options, shipped, operator), slide)
    }

    /// Each row once, for as long as it is there at all.
    ///
    /// Kept: every distinct row, with how often it is there. A batch costs its own differences.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// let active = batches(vec![vec!["a", "b", "a"], vec!["b"], vec![]], |words| {
    ///     words.window(Span::batches(2), Span::batches(1)).table().distinct().snapshots()
    /// });
    /// let (a, b) = ("a".to_string(), "b".to_string());
    /// assert_eq!(active, [vec![a.clone(), b.clone()], vec![a, b.clone()], vec![b]]);
    /// ```
    pub fn distinct(self) -> Table<'s, D> {
        let (ctx, options, slide) = (self.ctx, self.options.clone(), self.slide);
        if ctx.strategy(&options) != Strategy::HashIndex {
            return self.count_by_value().map(|(row, _)| row);
        }
        let shipped = self.changes_by(|row| row);
        let rows = ctx.attach_derived("distinct", &options, shipped, Distinct::new());
        let table = <Vec<(D, BatchId, crate::Diff)>>::in_job(ctx, rows, slide);
        Table { place: Some(Place::by_row()), consolidated: true, ..table }
    }

    /// The differences of each batch, those of a key on the worker that owns it.
    pub(crate) fn changes_by<K: Serialize + ?Sized>(
        self,
        key: impl Fn(&D) -> &K + 'static,
    ) -> ChunkStream<'s, differences::Change<D>> {
        let peers = self.ctx.peers();
        let owners = peers.clone();
        let (changes, _, _) = self.differences();
        ship::ship(changes, peers, "by key", move |(row, _)| owners.owner_of_key(key(row)))
    }
}

impl<'s, K: Record, V: Record> Table<'s, (K, V)> {
    /// The `k` largest values of each key, a row for each. For the smallest ones wrap the values
    /// in [`Reverse`](std::cmp::Reverse).
    ///
    /// When one of them goes, the next one moves up; so all values are kept. A batch costs
    /// `O(log n)` for each difference, and `O(k)` for each key that has one.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// // The most frequent word of the last two batches.
    /// let most = batches(vec![vec!["a", "a"], vec!["b"], vec![]], |words| {
    ///     let counts = words.window(Span::batches(2), Span::batches(1)).count_by_value();
    ///     counts.map(|(word, count)| ((), (count, word))).top_k(1).snapshots()
    /// });
    /// let row = |count: i64, word: &str| ((), (count, word.to_string()));
    /// assert_eq!(most, [[row(2, "a")], [row(2, "a")], [row(1, "b")]]);
    /// ```
    pub fn top_k(self, k: usize) -> Table<'s, (K, V)> {
        let (ctx, options, slide) = (self.ctx, self.options.clone(), self.slide);
        if !ctx.strategy(&options).computes_anew() {
            let shipped = self.changes_by(|(key, _)| key);
            return Table::keyed(
                ctx,
                ctx.attach_derived("top_k", &options, shipped, TopK::new(k)),
                slide,
            );
        }
        let owners = ctx.peers().clone();
        let (rows, _) = self.contents();
        let shipped =
            ship::ship(rows, ctx.peers(), "by key", move |(key, _)| owners.owner_of_key(key));
        let groups = ctx.attach_per_batch("top_k", shipped, GroupByKey::new());
        Table::of_contents(ctx, groups, slide).flat_map_values(move |mut values: Vec<V>| {
            values.sort_unstable_by(|left, right| right.cmp(left));
            values.truncate(k);
            values
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use crate::sink::Memory;
    use crate::source::Queue;
    use crate::{Config, Local, Span, Strategy};

    const BATCHES: u64 = 12;
    const WINDOW: u64 = 3;

    /// Pairs of a batch; `split` deals them to partitions in another way, and changes nothing else.
    fn pairs(batch: u64) -> Vec<(u64, u64)> {
        let random = |n: u64| tidegate_operators::stable_hash(&(batch, n));
        (0..random(0) % 40).map(|n| (random(n) % 3, random(n + 100) % 7)).collect()
    }

    /// The rows of the window at each batch.
    fn window(batch: u64) -> Vec<(u64, u64)> {
        (batch.saturating_sub(WINDOW - 1).max(1)..=batch).flat_map(pairs).collect()
    }

    /// Runs both operators in every way, and checks each batch.
    #[test]
    fn distinct_and_top_k_agree_with_recomputing_the_window_however_they_run() {
        for (workers, strategy, split) in [
            (1, Strategy::HashIndex, 1),
            (2, Strategy::HashIndex, 2),
            (4, Strategy::HashIndex, 3),
            (2, Strategy::Arrangement, 5),
            (2, Strategy::Recompute, 7),
            (2, Strategy::Partials, 7),
        ] {
            let (input, distinct, top) = (Queue::new(3), Memory::new(), Memory::new());
            let (source, sinks) = (input.clone(), (distinct.clone(), top.clone()));
            let config = Config::new("operators").workers(workers).strategy(strategy);
            let mut local = Local::start(config, move |ctx| {
                let stream = ctx.source(source.clone());
                let rows = stream.window(Span::batches(WINDOW), Span::batches(1)).table();
                rows.clone().distinct().snapshots().sink(sinks.0.clone());
                rows.top_k(2).snapshots().sink(sinks.1.clone());
            })
            .expect("the program can run");
            for batch in 1..=BATCHES {
                for (number, pair) in pairs(batch).into_iter().enumerate() {
                    input.push_to((number as u32 * split) % 3, [pair]);
                }
                local.tick();
                let rows = window(batch);
                let expected: BTreeSet<(u64, u64)> = rows.iter().copied().collect();
                let found = distinct.rows_of(batch);
                let how = format!("batch {batch}, {workers} workers, {strategy}");
                assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{how}");

                let mut by_key: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
                for (key, value) in rows {
                    by_key.entry(key).or_default().push(value);
                }
                let expected: Vec<(u64, u64)> = by_key
                    .into_iter()
                    .flat_map(|(key, mut values)| {
                        values.sort_unstable();
                        let largest = values.split_off(values.len().saturating_sub(2));
                        largest.into_iter().map(move |value| (key, value))
                    })
                    .collect();
                assert_eq!(top.rows_of(batch), expected, "{how}");
            }
            local.stop().expect("the job ends well");
        }
    }

    #[test]
    fn an_operator_of_ones_own_is_known_by_its_uid_and_reports_its_size() {
        let input = Queue::new(1);
        let source = input.clone();
        let mut local = Local::start(Config::new("operators").workers(2), move |ctx| {
            let rows = ctx.source(source.clone()).running().table();
            let operator = tidegate_operators::keyed::Distinct::<u64>::new();
            let table = rows.uid("numbers").operator("distinct", |row| row, operator);
            table.changes().sink(crate::sink::Null::default());
        })
        .expect("the program can run");
        input.push([1, 1, 2, 3]);
        let state = local.tick().state;
        assert_eq!((state[0].operator.as_str(), state[0].keys), ("numbers", 3));
        local.stop().expect("the job ends well");
    }
}
