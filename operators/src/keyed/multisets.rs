//! Aggregates that can't be subtracted, over rows that may be retracted one by one.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::batched::{Batch, BatchOperator, Differences, Output, StateSize, Tap};
use crate::index::{Index, Rule};
use crate::{Aggregate, Chunks, Diff, Epoch, Record};

/// The aggregate of each key of a table, kept right under arbitrary retractions.
///
/// Kept: every distinct value of every key, in order, with its multiplicity. A batch costs
/// `O(log n)` for each difference, plus for each touched key what
/// [`finish_multiset`](Aggregate::finish_multiset) takes: constant for `Min` and `Max`, the number
/// of the key's values for others.
pub struct Multisets<K, V, A>
where
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    index: Index<K, Counting<V, A>>,
    updated: u64,
}

struct Counting<V, A> {
    aggregate: A,
    values: PhantomData<fn(V)>,
}

impl<V: Record, A: Aggregate<V>> Rule for Counting<V, A> {
    type State = BTreeMap<V, i64>;
    type Change = (V, Diff);
    type View = A::Out;

    fn first(&self, (value, diff): (V, Diff)) -> BTreeMap<V, i64> {
        BTreeMap::from([(value, diff as i64)])
    }

    fn apply(&self, state: &mut BTreeMap<V, i64>, (value, diff): (V, Diff)) {
        use std::collections::btree_map::Entry;
        match state.entry(value) {
            Entry::Vacant(free) => {
                free.insert(diff as i64);
            }
            Entry::Occupied(mut times) => {
                *times.get_mut() += diff as i64;
                if *times.get() == 0 {
                    times.remove();
                }
            }
        }
    }

    fn view(&self, state: &BTreeMap<V, i64>) -> Option<A::Out> {
        self.aggregate.finish_multiset(state)
    }

    fn is_absent(&self, state: &BTreeMap<V, i64>) -> bool {
        state.is_empty()
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
        Multisets { index: Index::new(Counting { aggregate, values: PhantomData }), updated: 0 }
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
        let mut updated = 0;
        let rows = input.into_iter().flat_map(Chunks::into_rows);
        let changes = rows.map(|((key, value), diff)| {
            tap.record(|| ((key.clone(), value.clone()), diff));
            (key, (value, diff))
        });
        self.index.apply(changes, |changed| {
            updated += 1;
            if changed.before != changed.after {
                if let Some(before) = changed.before {
                    differences.push((changed.key.clone(), before), -1);
                }
                if let Some(after) = changed.after {
                    differences.push((changed.key.clone(), after), 1);
                }
            }
        });
        self.updated = updated;
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        let changes = saved.into_iter().map(|((key, value), diff)| (key, (value, diff)));
        self.index.apply(changes, |_| {});
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let mut differences = Differences::new(output, batch.time);
        for (key, state) in self.index.iter() {
            if let Some(view) = self.index.rule().view(state) {
                differences.push((key.clone(), view), 1);
            }
        }
    }

    fn size(&self) -> StateSize {
        StateSize {
            keys: self.index.len() as u64,
            bytes: self.index.bytes() as u64,
            updated: self.updated,
        }
    }
}
