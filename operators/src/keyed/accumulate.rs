//! The running aggregate of each key, in a hash index.

use std::marker::PhantomData;

use super::Held;
use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::combine::Tally;
use crate::index::{Index, Rule};
use crate::{Aggregate, Chunks, Diff, Epoch, Record};

/// What becomes of a key whose last record has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Departed {
    /// It goes too: a row exists if and only if its number of records is not zero.
    #[default]
    Drop,
    /// It stays, with what its accumulator has become: what Spark's windows with an inverse
    /// function do. State then grows with every key ever seen.
    Keep,
}

/// Adds tallies up by key; its output is the table of results, as differences.
///
/// Tallies may be negative if the aggregate subtracts, so that this is what follows a window as
/// well as a stream or a table. Kept: for each key its number of records and its accumulator. A
/// batch costs its own tallies, whatever the number of keys.
///
/// ```
/// use tidegate_operators::Count;
/// use tidegate_operators::keyed::{Accumulate, Departed};
/// use tidegate_operators::local::Local;
///
/// // Tallies: a key, how many records, and their accumulator (a count needs none).
/// let mut counts = Local::new(Accumulate::<_, (), _>::new(Count, Departed::Drop));
/// assert_eq!(counts.changes(vec![('a', 2, ()), ('b', 1, ())]), [(('a', 2), 1), (('b', 1), 1)]);
/// assert_eq!(counts.changes(vec![('a', -2, ())]), [(('a', 2), -1)]);
/// ```
pub struct Accumulate<K, V, A>
where
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    index: Index<K, Tallying<V, A>>,
}

impl<K, V, A> Accumulate<K, V, A>
where
    K: Record,
    A: Aggregate<V>,
{
    /// An operator that knows no key yet.
    pub fn new(aggregate: A, departed: Departed) -> Self {
        let index = Index::new(Tallying { aggregate, departed, values: PhantomData });
        Accumulate { index }
    }
}

struct Tallying<V, A> {
    aggregate: A,
    departed: Departed,
    values: PhantomData<fn(V)>,
}

impl<V, A: Aggregate<V>> Rule for Tallying<V, A> {
    type State = (i64, A::Acc);
    type Change = (i64, A::Acc);
    type View = A::Out;

    #[inline]
    fn first(&self, change: (i64, A::Acc)) -> (i64, A::Acc) {
        change
    }

    #[inline]
    fn apply(&self, state: &mut (i64, A::Acc), (records, acc): (i64, A::Acc)) {
        state.0 += records;
        self.aggregate.merge(&mut state.1, acc);
    }

    #[inline]
    fn view(&self, (records, acc): &(i64, A::Acc)) -> Option<A::Out> {
        let there = *records != 0 || self.departed == Departed::Keep;
        there.then(|| self.aggregate.finish(*records, acc))
    }

    #[inline]
    fn is_absent(&self, state: &(i64, A::Acc)) -> bool {
        state.0 == 0 && self.departed == Departed::Drop
    }
}

impl<T, K, V, A> BatchOperator<T> for Accumulate<K, V, A>
where
    T: Epoch,
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    type Input = Chunks<Tally<K, A::Acc>>;
    type Output = Vec<((K, A::Out), T, Diff)>;
    /// A key with its records and accumulator; `None` once it is gone.
    type Saved = Held<K, A::Acc>;

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let mut differences = Differences::new(output, batch.time);
        let tallies = input.into_iter().flat_map(Chunks::into_rows);
        let changes = tallies.map(|(key, records, acc)| (key, (records, acc)));
        self.index.apply(changes, |changed| {
            tap.record(|| (changed.key.clone(), changed.state.cloned()));
            differences.replace(changed.key, changed.before, changed.after);
        });
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn form() -> SavedForm {
        SavedForm::Latest
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |(a, _), (b, _)| a.cmp(b), |(_, state)| state.is_none())
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        for (key, state) in saved {
            match state {
                Some(state) => self.index.insert(key, state),
                None => drop(self.index.remove(&key)),
            }
        }
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let mut differences = Differences::new(output, batch.time);
        self.index.views().for_each(|(key, view)| differences.push((key.clone(), view), 1));
    }

    fn size(&self) -> StateSize {
        self.index.size()
    }
}
