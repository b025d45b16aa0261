//! From a stream of new values to the table of the latest ones.

use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::index::Index;
use crate::keyed::latest::Latest;
use crate::{Chunks, Diff, Epoch, Record, order};

/// The latest value of each key: a pair with a value puts it in place of the one before, a pair
/// with `None` takes the key away. What a compacted Kafka topic means.
///
/// Later is later in the order of the stream, whatever the number of workers. Input must be
/// shipped by key, tags and all. Kept: one value for each key that is there. A batch costs its own
/// records.
///
/// ```
/// use tidegate_operators::keyed::Upsert;
/// use tidegate_operators::local::Local;
///
/// let mut latest = Local::new(Upsert::new());
/// let came = latest.changes(vec![('a', Some(1)), ('b', Some(2))]);
/// assert_eq!(came, [(('a', 1), 1), (('b', 2), 1)]);
///
/// let changed = latest.changes(vec![('a', Some(5)), ('b', None), ('a', Some(7))]);
/// assert_eq!(changed, [(('a', 1), -1), (('a', 7), 1), (('b', 2), -1)]);
/// ```
pub struct Upsert<K: Record, V: Record> {
    index: Index<K, Latest<Option<V>>>,
}

impl<K: Record, V: Record> Default for Upsert<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Record, V: Record> Upsert<K, V> {
    /// An operator that knows no key yet.
    pub fn new() -> Self {
        Upsert { index: Index::new(Latest::new()) }
    }
}

impl<T: Epoch, K: Record, V: Record> BatchOperator<T> for Upsert<K, V> {
    type Input = Chunks<(K, Option<V>)>;
    type Output = Vec<((K, V), T, Diff)>;
    /// A key with its latest value; `None` once it is gone.
    type Saved = (K, Option<V>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let mut differences = Differences::new(output, batch.time);
        self.index.apply(order::in_stream_order(input), |changed| {
            if changed.before == changed.after {
                return;
            }
            tap.record(|| (changed.key.clone(), changed.after.clone()));
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
        self.index.apply(saved, |_| {});
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let mut differences = Differences::new(output, batch.time);
        self.index.views().for_each(|(key, value)| differences.push((key.clone(), value), 1));
    }

    fn size(&self) -> StateSize {
        self.index.size()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Tag;
    use crate::keyed::oracle::Numbers;
    use crate::local::Local;

    #[test]
    fn agrees_with_a_map_through_deletions_and_restarts() {
        for seed in 0..20 {
            let mut numbers = Numbers::new(seed);
            let mut expected: BTreeMap<u64, i64> = BTreeMap::new();
            let mut upsert = Local::new(Upsert::new());
            let mut table: BTreeMap<(u64, i64), Diff> = BTreeMap::new();
            for batch in 0..40 {
                let rows: Vec<(u64, Option<i64>)> = (0..numbers.below(30))
                    .map(|_| {
                        let value = numbers.below(4) as i64;
                        (numbers.below(12), (value > 0).then_some(value))
                    })
                    .collect();
                for (key, value) in &rows {
                    match value {
                        Some(value) => drop(expected.insert(*key, *value)),
                        None => drop(expected.remove(key)),
                    }
                }
                for (row, diff) in upsert.changes(rows) {
                    *table.entry(row).or_default() += diff;
                }
                table.retain(|_, times| *times != 0);
                let expected: Vec<((u64, i64), Diff)> =
                    expected.iter().map(|(key, value)| ((*key, *value), 1)).collect();
                let found: Vec<_> = table.iter().map(|(row, times)| (*row, *times)).collect();
                assert_eq!(found, expected, "seed {seed}, batch {batch}");
                assert_eq!(upsert.size().keys, expected.len() as u64);
                if numbers.below(4) == 0 {
                    upsert = upsert.restart(Upsert::new());
                    assert_eq!(upsert.table(), expected, "seed {seed}, restarted at {batch}");
                }
            }
        }
    }

    #[test]
    fn the_last_of_a_batch_is_the_last_by_tag_not_by_arrival() {
        let tag = |sequence| Tag { lane: 0, partition: 0, sequence };
        let mut upsert = Local::new(Upsert::new());
        let late = Chunks::of(tag(5), vec![('a', Some(7))]);
        let early = Chunks::of(tag(2), vec![('a', Some(5))]);
        assert_eq!(upsert.close(vec![late, early]), [vec![(('a', 7), 1, 1)]]);
    }
}
