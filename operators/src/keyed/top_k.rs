//! The largest values of each key.

use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::index::{Index, Rule};
use crate::keyed::multisets::Multiset;
use crate::{Chunks, Diff, Epoch, Record};

/// The `k` largest values of each key, a row for each, kept right as values come and go: when one
/// of them goes, the next one moves up.
///
/// A value that is there twice counts twice. For the smallest values wrap them in
/// [`Reverse`](std::cmp::Reverse). Input must be shipped by key. Kept: every distinct value of
/// every key, in order, since any of them may move up. A batch costs `O(log n)` for each difference
/// and `O(k)` for each touched key.
///
/// ```
/// use tidegate_operators::keyed::TopK;
/// use tidegate_operators::local::Local;
///
/// let mut highest = Local::new(TopK::new(2));
/// let came = highest.changes(vec![(('a', 3), 1), (('a', 5), 1), (('a', 4), 1)]);
/// assert_eq!(came, [(('a', 4), 1), (('a', 5), 1)]);
///
/// let changed = highest.changes(vec![(('a', 5), -1)]);
/// assert_eq!(changed, [(('a', 3), 1), (('a', 5), -1)]);
/// ```
pub struct TopK<K: Record, V: Record> {
    index: Index<K, Largest<V>>,
}

/// Sees the `k` largest values, the largest first.
struct Largest<V> {
    k: usize,
    values: std::marker::PhantomData<fn(V)>,
}

impl<V: Record> Rule for Largest<V> {
    type State = Multiset<V>;
    type Change = (V, Diff);
    type View = Vec<V>;

    fn first(&self, change: (V, Diff)) -> Multiset<V> {
        Multiset::of(change)
    }

    fn apply(&self, values: &mut Multiset<V>, change: (V, Diff)) {
        values.add(change);
    }

    fn view(&self, values: &Multiset<V>) -> Option<Vec<V>> {
        let descending = values.counts().iter().rev().flat_map(|(value, times)| {
            std::iter::repeat_n(value, usize::try_from(*times).unwrap_or(0))
        });
        Some(descending.take(self.k).cloned().collect())
    }

    fn is_absent(&self, values: &Multiset<V>) -> bool {
        values.counts().is_empty()
    }

    fn owned_bytes(&self, values: &Multiset<V>) -> usize {
        values.bytes()
    }
}

impl<K: Record, V: Record> TopK<K, V> {
    /// Keeps the `k` largest values of each key.
    pub fn new(k: usize) -> Self {
        TopK { index: Index::new(Largest { k, values: std::marker::PhantomData }) }
    }
}

impl<T: Epoch, K: Record, V: Record> BatchOperator<T> for TopK<K, V> {
    type Input = Chunks<((K, V), Diff)>;
    type Output = Vec<((K, V), T, Diff)>;
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
            let (before, after) = (changed.before.unwrap_or_default(), changed.after);
            compare(before, after.unwrap_or_default(), |value, diff| {
                differences.push((changed.key.clone(), value), diff);
            });
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
        for (key, values) in self.index.views() {
            values.into_iter().for_each(|value| differences.push((key.clone(), value), 1));
        }
    }

    fn size(&self) -> StateSize {
        self.index.size()
    }
}

/// What went and what came between two lists that are both sorted, the largest first.
fn compare<V: Ord>(before: Vec<V>, after: Vec<V>, mut change: impl FnMut(V, Diff)) {
    let (mut gone, mut come) = (before.into_iter().peekable(), after.into_iter().peekable());
    loop {
        match (gone.peek(), come.peek()) {
            (Some(old), Some(new)) if old == new => {
                gone.next();
                come.next();
            }
            (Some(old), new) if new.is_none_or(|new| old > new) => {
                gone.next().into_iter().for_each(|value| change(value, -1));
            }
            (_, Some(_)) => come.next().into_iter().for_each(|value| change(value, 1)),
            (_, None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::Check;
    use crate::keyed::oracle::check_against;

    fn largest(k: usize, rows: &BTreeMap<(u64, i64), i64>) -> BTreeMap<(u64, i64), i64> {
        let mut by_key: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for ((key, value), times) in rows {
            let values = by_key.entry(*key).or_default();
            values.extend(std::iter::repeat_n(*value, *times as usize));
        }
        let mut expected = BTreeMap::new();
        for (key, mut values) in by_key {
            values.sort_unstable_by(|a, b| b.cmp(a));
            for value in values.into_iter().take(k) {
                *expected.entry((key, value)).or_default() += 1;
            }
        }
        expected
    }

    #[test]
    fn agrees_with_sorting_all_values_through_deletions_and_restarts() {
        for k in [0, 1, 3, 100] {
            check_against(move || TopK::<u64, i64>::new(k), |row| row, |rows| largest(k, rows));
        }
    }

    #[test]
    fn keeps_all_promises() {
        let rows = Check::new(|random| (random.below(4), random.below(9)), |(key, _)| key);
        assert_eq!(rows.run(|| TopK::new(2)), Ok(()));
    }

    #[test]
    fn values_below_the_largest_change_nothing() {
        let mut highest = crate::local::Local::new(TopK::new(1));
        highest.changes(vec![((1u64, 9i64), 1)]);
        assert_eq!(highest.changes((0..9).map(|value| ((1, value), 1)).collect()), []);
        assert_eq!((highest.size().keys, highest.size().updated), (1, 1));
    }
}
