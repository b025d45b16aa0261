//! Aggregates of one batch: nothing is kept from one batch to the next.

use std::marker::PhantomData;

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::combine::{Combiner, Tally, is_combined};
use crate::{Aggregate, Chunks, Epoch, Record, order};

/// The aggregate of each key of a batch: one row for each key that the batch has.
///
/// ```
/// use tidegate_operators::Count;
/// use tidegate_operators::keyed::FoldByKey;
/// use tidegate_operators::local::Local;
///
/// let mut counts = Local::new(FoldByKey::<_, (), _>::new(Count));
/// assert_eq!(counts.rows(vec![('a', 2, ()), ('a', 1, ())]), [('a', 3)]);
/// assert_eq!(counts.rows(vec![]), []);
/// ```
pub struct FoldByKey<K, V, A: Aggregate<V>> {
    aggregate: A,
    combiner: Combiner<K, A::Acc>,
    values: PhantomData<fn(V)>,
}

impl<K: Record, V, A: Aggregate<V>> FoldByKey<K, V, A> {
    /// Folds by `aggregate`.
    pub fn new(aggregate: A) -> Self {
        FoldByKey { aggregate, combiner: Combiner::default(), values: PhantomData }
    }
}

impl<T, K, V, A> BatchOperator<T> for FoldByKey<K, V, A>
where
    T: Epoch,
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    type Input = Chunks<Tally<K, A::Acc>>;
    type Output = Chunks<(K, A::Out)>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        let FoldByKey { aggregate, combiner, .. } = self;
        let finish = |(key, records, acc): Tally<K, A::Acc>| {
            let out = aggregate.finish(records, &acc);
            (key, out)
        };
        if is_combined(&input) {
            for tallies in input {
                let rows = tallies.into_rows().into_iter().map(finish);
                output.give(Chunks::loose(rows.collect()));
            }
            return;
        }
        for (key, records, acc) in input.into_iter().flat_map(Chunks::into_rows) {
            combiner.add(key, records, acc, |acc, other| aggregate.merge(acc, other));
        }
        output.give(Chunks::loose(combiner.drain().map(finish).collect()));
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}

/// The aggregate of a whole batch: one row, on the worker that owns the empty key.
///
/// A batch without records gives `of_nothing`, if there is such a thing (a count of 0), else no
/// row.
///
/// ```
/// use tidegate_operators::Count;
/// use tidegate_operators::keyed::FoldTotal;
/// use tidegate_operators::local::Local;
///
/// let mut total = Local::new(FoldTotal::<(), _>::new(Count, Some(0), true, 1));
/// assert_eq!(total.rows(vec![((), 2, ()), ((), 3, ())]), [5]);
/// assert_eq!(total.rows(vec![]), [0]);
/// ```
pub struct FoldTotal<V, A: Aggregate<V>> {
    aggregate: A,
    of_nothing: Option<A::Out>,
    is_owner: bool,
    slide: u64,
    values: PhantomData<fn(V)>,
}

impl<V, A: Aggregate<V>> FoldTotal<V, A> {
    /// Folds by `aggregate` the batches that cover a multiple of `slide`; `is_owner` says whether
    /// this worker owns the empty key.
    pub fn new(aggregate: A, of_nothing: Option<A::Out>, is_owner: bool, slide: u64) -> Self {
        FoldTotal { aggregate, of_nothing, is_owner, slide, values: PhantomData }
    }
}

impl<T, V, A> BatchOperator<T> for FoldTotal<V, A>
where
    T: Epoch,
    V: 'static,
    A: Aggregate<V>,
{
    type Input = Chunks<Tally<(), A::Acc>>;
    type Output = Chunks<A::Out>;
    type Saved = ();

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        if !self.is_owner || !batch.tick_or_panic().covers_multiple_of(self.slide) {
            return;
        }
        let mut tallies = input.into_iter().flat_map(Chunks::into_rows);
        let total = tallies.next().map(|((), mut records, mut acc)| {
            for ((), more, other) in tallies {
                records += more;
                self.aggregate.merge(&mut acc, other);
            }
            self.aggregate.finish(records, &acc)
        });
        if let Some(row) = total.or_else(|| self.of_nothing.clone()) {
            output.give(Chunks::loose(vec![row]));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}

/// Folds the values of each key in the order of the stream, for functions that are associative
/// but not commutative; what follows sees tallies as if they had been combined.
///
/// Input must be shipped by key, tags and all.
///
/// ```
/// use tidegate_operators::Reduce;
/// use tidegate_operators::keyed::FoldInOrder;
/// use tidegate_operators::local::Local;
///
/// let append = Reduce::new(|left: &String, right: &String| format!("{left}{right}"));
/// let mut texts = Local::new(FoldInOrder::new(append));
/// let letters = ["e", "b", "b"].map(|letter| ('a', letter.to_string()));
/// assert_eq!(texts.rows(letters.to_vec()), [('a', 3, "ebb".to_string())]);
/// ```
pub struct FoldInOrder<K, V, A> {
    aggregate: A,
    pairs: PhantomData<fn(K, V)>,
}

impl<K, V, A: Aggregate<V>> FoldInOrder<K, V, A> {
    /// Folds by `aggregate`.
    pub fn new(aggregate: A) -> Self {
        FoldInOrder { aggregate, pairs: PhantomData }
    }
}

impl<T, K, V, A> BatchOperator<T> for FoldInOrder<K, V, A>
where
    T: Epoch,
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    type Input = Chunks<(K, V)>;
    type Output = Chunks<Tally<K, A::Acc>>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        let aggregate = &self.aggregate;
        let mut combiner: Combiner<K, A::Acc> = Combiner::default();
        for (key, value) in order::in_stream_order(input) {
            combiner.add(key, 1, aggregate.lift(value), |acc, other| aggregate.merge(acc, other));
        }
        output.give(Chunks::loose(combiner.drain().collect()));
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}

#[cfg(test)]
mod tests {
    use super::FoldByKey;
    use crate::combine::{Tally, Whole};
    use crate::keyed::RefoldRows;
    use crate::local::Local;
    use crate::{Chunks, Count};

    /// What a worker of recompute sends: each of its keys once.
    fn counted(worker: usize, rows: &[char]) -> Vec<Chunks<Tally<char, ()>>> {
        let mut window = Local::new(RefoldRows::new(None, Whole, Count, worker));
        window.close(vec![Chunks::loose(rows.to_vec())])
    }

    fn folded(tallies: Vec<Chunks<Tally<char, ()>>>) -> Vec<(char, i64)> {
        let mut counts = Local::new(FoldByKey::<_, (), _>::new(Count));
        let messages = counts.close(tallies);
        let mut rows: Vec<_> = messages.into_iter().flat_map(Chunks::into_rows).collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn tallies_of_one_worker_pass_and_those_of_several_are_folded() {
        assert_eq!(folded(counted(0, &['a', 'b', 'a'])), [('a', 2), ('b', 1)]);
        for (one, other) in [(0, 1), (1, 2)] {
            let both = [counted(one, &['a', 'b', 'a']), counted(other, &['a'])].concat();
            assert_eq!(folded(both), [('a', 3), ('b', 1)], "workers {one} and {other}");
        }
    }
}
