//! Aggregates that can't be subtracted, over rows that may be retracted one by one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::index::{Index, Rule};
use crate::{Aggregate, Chunks, Diff, Epoch, Record, heap_bytes};

/// The aggregate of each key of a table, kept right under arbitrary retractions.
///
/// Kept: every distinct value of every key, in order, with its multiplicity. A batch costs
/// `O(log n)` for each difference, plus for each touched key what
/// [`finish_multiset`](Aggregate::finish_multiset) takes: constant for `Min` and `Max`, the number
/// of the key's values for others.
///
/// ```
/// use tidegate_operators::Max;
/// use tidegate_operators::keyed::Multisets;
/// use tidegate_operators::local::Local;
///
/// let mut highest = Local::new(Multisets::new(Max));
/// assert_eq!(highest.changes(vec![(('a', 3), 1), (('a', 5), 1)]), [(('a', 5), 1)]);
/// assert_eq!(highest.changes(vec![(('a', 5), -1)]), [(('a', 3), 1), (('a', 5), -1)]);
/// ```
pub struct Multisets<K, V, A>
where
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    index: Index<K, Counting<V, A>>,
}

struct Counting<V, A> {
    aggregate: A,
    values: PhantomData<fn(V)>,
}

/// Values and how often each is there, with the bytes that they take: adding them up again at each
/// change would cost as much as there are values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(bound = "V: Record")]
pub(super) struct Multiset<V> {
    counts: BTreeMap<V, i64>,
    heap_bytes: usize,
}

impl<V: Record> Multiset<V> {
    pub(super) fn of(change: (V, Diff)) -> Self {
        let mut one = Multiset { counts: BTreeMap::new(), heap_bytes: 0 };
        one.add(change);
        one
    }

    pub(super) fn add(&mut self, (value, diff): (V, Diff)) {
        match self.counts.entry(value) {
            Entry::Vacant(free) => {
                self.heap_bytes += heap_bytes(free.key());
                free.insert(diff as i64);
            }
            Entry::Occupied(mut times) => {
                *times.get_mut() += diff as i64;
                if *times.get() == 0 {
                    self.heap_bytes -= heap_bytes(times.key());
                    times.remove();
                }
            }
        }
    }

    pub(super) fn counts(&self) -> &BTreeMap<V, i64> {
        &self.counts
    }

    pub(super) fn bytes(&self) -> usize {
        self.heap_bytes + self.counts.len() * size_of::<(V, i64)>()
    }

    /// Every value as often as it is there, the smallest first.
    pub(super) fn to_vec(&self) -> Vec<V> {
        let repeated = self.counts.iter().flat_map(|(value, times)| {
            std::iter::repeat_n(value, usize::try_from(*times).unwrap_or(0))
        });
        repeated.cloned().collect()
    }
}

/// Keeps a key's values, and lets nobody see them.
pub(super) struct Values<V>(PhantomData<fn(V)>);

impl<V> Values<V> {
    pub(super) fn new() -> Self {
        Values(PhantomData)
    }
}

impl<V: Record> Rule for Values<V> {
    type State = Multiset<V>;
    type Change = (V, Diff);
    type View = ();

    fn first(&self, change: (V, Diff)) -> Multiset<V> {
        Multiset::of(change)
    }

    fn apply(&self, values: &mut Multiset<V>, change: (V, Diff)) {
        values.add(change);
    }

    fn view(&self, _values: &Multiset<V>) -> Option<()> {
        None
    }

    fn is_absent(&self, values: &Multiset<V>) -> bool {
        values.counts().is_empty()
    }

    fn owned_bytes(&self, values: &Multiset<V>) -> usize {
        values.bytes()
    }
}

impl<V: Record, A: Aggregate<V>> Rule for Counting<V, A> {
    type State = Multiset<V>;
    type Change = (V, Diff);
    type View = A::Out;

    fn first(&self, change: (V, Diff)) -> Multiset<V> {
        Multiset::of(change)
    }

    fn apply(&self, values: &mut Multiset<V>, change: (V, Diff)) {
        values.add(change);
    }

    fn view(&self, values: &Multiset<V>) -> Option<A::Out> {
        self.aggregate.finish_multiset(values.counts())
    }

    fn is_absent(&self, values: &Multiset<V>) -> bool {
        values.counts().is_empty()
    }

    fn owned_bytes(&self, values: &Multiset<V>) -> usize {
        values.bytes()
    }
}

impl<K, V, A> Multisets<K, V, A>
where
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    /// An operator that knows no key yet.
    pub fn new(aggregate: A) -> Self {
        Multisets { index: Index::new(Counting { aggregate, values: PhantomData }) }
    }
}

impl<T, K, V, A> BatchOperator<T> for Multisets<K, V, A>
where
    T: Epoch,
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    type Input = Chunks<((K, V), Diff)>;
    type Output = Vec<((K, A::Out), T, Diff)>;
    /// A difference: a key's values are too many to be saved whole at each change.
    type Saved = ((K, V), Diff);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let mut differences = Differences::new(output, batch.time);
        let rows = input.into_iter().flat_map(Chunks::into_rows);
        let changes = rows.map(|((key, value), diff)| {
            tap.record(|| ((key.clone(), value.clone()), diff));
            (key, (value, diff))
        });
        self.index.apply(changes, |changed| {
            differences.replace(changed.key, changed.before, changed.after);
        });
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0.0)
    }

    fn form() -> SavedForm {
        SavedForm::Differences
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.differences(saved)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        let changes = saved.into_iter().map(|((key, value), diff)| (key, (value, diff)));
        self.index.apply(changes, |_| {});
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let mut differences = Differences::new(output, batch.time);
        self.index.views().for_each(|(key, view)| differences.push((key.clone(), view), 1));
    }

    fn size(&self) -> StateSize {
        self.index.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Check;
    use crate::{Max, Min};

    #[test]
    fn keeps_all_promises() {
        let rows = Check::new(|random| (random.below(4), random.below(9)), |(key, _)| key);
        assert_eq!(rows.run(|| Multisets::new(Max)), Ok(()));
        assert_eq!(rows.run(|| Multisets::new(Min)), Ok(()));
    }
}
