//! The latest row of another table at the time of each row.

use std::collections::BTreeMap;

use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::differences::Change;
use crate::keyed::Side;
use crate::{Chunks, Diff, Epoch, Record, heap_bytes};

/// A value at a time, in any unit.
type Timed<V> = (i64, V);

/// Each row on the left with the latest one on the right, of its key, that is not later: at equal
/// times the largest, and nothing before the first.
///
/// Input must be shipped by key. Kept: all rows of both sides, by key and time. A difference on the
/// left costs `O(log n)`; one on the right, the rows on the left up to the next one on the right.
///
/// ```
/// use tidegate_operators::join::AsOf;
/// use tidegate_operators::keyed::Side;
/// use tidegate_operators::local::Local;
///
/// // Where was each ship when it called?
/// let called = |at, call| (('s', Side::Left((at, call))), 1);
/// let moved = |at, place| (('s', Side::Right((at, place))), 1);
/// let mut calls = Local::new(AsOf::<char, char, char>::new());
/// let found = calls.changes(vec![called(5, 'c'), moved(1, 'q'), moved(9, 'r')]);
/// assert_eq!(found, [(('s', ((5, 'c'), Some((1, 'q')))), 1)]);
///
/// // A place that comes late takes the place of another.
/// let found = calls.changes(vec![moved(4, 'p')]);
/// assert_eq!(found, [
///     (('s', ((5, 'c'), Some((1, 'q')))), -1),
///     (('s', ((5, 'c'), Some((4, 'p')))), 1),
/// ]);
/// ```
pub struct AsOf<K, V, W> {
    keys: BTreeMap<K, Timeline<V, W>>,
    bytes: usize,
    updated: u64,
}

/// Rows by time, each with how often it is there.
type Rows<V> = BTreeMap<i64, BTreeMap<V, i64>>;

struct Timeline<V, W> {
    lefts: Rows<V>,
    rights: Rows<W>,
}

/// A row on the left, and the one that it is joined with.
type Joined<V, W> = (Timed<V>, Option<Timed<W>>);

impl<V: Record, W: Record> Timeline<V, W> {
    fn new() -> Self {
        Timeline { lefts: BTreeMap::new(), rights: BTreeMap::new() }
    }

    fn is_empty(&self) -> bool {
        self.lefts.is_empty() && self.rights.is_empty()
    }

    /// The row on the right that a row on the left is joined with.
    fn as_of(&self, time: i64) -> Option<Timed<W>> {
        let (time, values) = self.rights.range(..=time).next_back()?;
        values.last_key_value().map(|(value, _)| (*time, value.clone()))
    }

    /// Applies a difference; gives by how much the bytes have changed.
    fn apply(
        &mut self,
        row: Side<Timed<V>, Timed<W>>,
        diff: Diff,
        mut change: impl FnMut(Joined<V, W>, Diff),
    ) -> isize {
        match row {
            Side::Left((time, value)) => {
                change(((time, value.clone()), self.as_of(time)), diff);
                add(&mut self.lefts, time, value, diff)
            }
            Side::Right((time, value)) => {
                let before = self.as_of(time);
                let grown = add(&mut self.rights, time, value, diff);
                let after = self.as_of(time);
                if before != after {
                    let next = self.rights.range(time..).find(|(other, _)| **other > time);
                    let until = next.map(|(time, _)| *time);
                    let later = self.lefts.range(time..);
                    let touched =
                        later.take_while(|(time, _)| until.is_none_or(|end| **time < end));
                    for (time, values) in touched {
                        for (value, times) in values {
                            let (row, times) = ((*time, value.clone()), *times as Diff);
                            change((row.clone(), before.clone()), -times);
                            change((row, after.clone()), times);
                        }
                    }
                }
                grown
            }
        }
    }
}

/// Adds to how often a row is there; gives by how much the bytes have changed.
fn add<V: Record>(rows: &mut Rows<V>, time: i64, value: V, diff: Diff) -> isize {
    let slot = size_of::<(V, i64)>() + size_of::<i64>();
    let bytes = (slot + heap_bytes(&value)) as isize;
    let values = rows.entry(time).or_default();
    let is_new = !values.contains_key(&value);
    let times = values.entry(value.clone()).or_default();
    *times += diff as i64;
    if *times != 0 {
        return if is_new { bytes } else { 0 };
    }
    values.remove(&value);
    if values.is_empty() {
        rows.remove(&time);
    }
    if is_new { 0 } else { -bytes }
}

impl<K: Record, V: Record, W: Record> Default for AsOf<K, V, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Record, V: Record, W: Record> AsOf<K, V, W> {
    /// An operator that knows no row yet.
    pub fn new() -> Self {
        AsOf { keys: BTreeMap::new(), bytes: 0, updated: 0 }
    }

    /// Applies the differences of a batch, and calls `changed` with those of the join.
    fn apply(
        &mut self,
        mut rows: Vec<Change<(K, Side<Timed<V>, Timed<W>>)>>,
        mut changed: impl FnMut((K, Joined<V, W>), Diff),
    ) {
        // By key, and without what cancels: no row is there less than not at all in between.
        differential_dataflow::consolidation::consolidate(&mut rows);
        self.updated = 0;
        let mut rows = rows.into_iter().peekable();
        let mut joined: Vec<Change<Joined<V, W>>> = Vec::new();
        while let Some(key) = rows.peek().map(|((key, _), _)| key.clone()) {
            self.updated += 1;
            let key_bytes = (size_of::<K>() + heap_bytes(&key)) as isize;
            let is_new = !self.keys.contains_key(&key);
            let timeline = self.keys.entry(key.clone()).or_insert_with(Timeline::new);
            let mut grown = if is_new { key_bytes } else { 0 };
            while let Some(((_, row), diff)) = rows.next_if(|((other, _), _)| *other == key) {
                grown += timeline.apply(row, diff, |row, diff| joined.push((row, diff)));
            }
            if timeline.is_empty() {
                self.keys.remove(&key);
                grown -= key_bytes;
            }
            self.bytes = self.bytes.saturating_add_signed(grown);
            differential_dataflow::consolidation::consolidate(&mut joined);
            joined.drain(..).for_each(|(row, diff)| changed((key.clone(), row), diff));
        }
    }
}

impl<T, K, V, W> BatchOperator<T> for AsOf<K, V, W>
where
    T: Epoch,
    K: Record,
    V: Record,
    W: Record,
{
    type Input = Chunks<Change<(K, Side<Timed<V>, Timed<W>>)>>;
    type Output = Vec<((K, Joined<V, W>), T, Diff)>;
    /// A difference: a key's rows are too many to be saved whole at each change.
    type Saved = Change<(K, Side<Timed<V>, Timed<W>>)>;

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let rows: Vec<_> = input.into_iter().flat_map(Chunks::into_rows).collect();
        for row in &rows {
            tap.record(|| row.clone());
        }
        let mut differences = Differences::new(output, batch.time);
        self.apply(rows, |row, diff| differences.push(row, diff));
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
        self.apply(saved, |_, _| {});
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let mut differences = Differences::new(output, batch.time);
        for (key, timeline) in &self.keys {
            for (time, values) in &timeline.lefts {
                let right = timeline.as_of(*time);
                for (value, times) in values {
                    let row = ((*time, value.clone()), right.clone());
                    differences.push((key.clone(), row), *times as Diff);
                }
            }
        }
    }

    fn size(&self) -> StateSize {
        StateSize { keys: self.keys.len() as u64, bytes: self.bytes as u64, updated: self.updated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed::oracle::Numbers;
    use crate::local::Local;

    type Row = (u64, Side<Timed<u64>, Timed<u64>>);

    /// Each row on the left, with a search through all rows on the right.
    fn search(rows: &BTreeMap<Row, i64>) -> BTreeMap<(u64, Joined<u64, u64>), i64> {
        let mut expected = BTreeMap::new();
        for ((key, row), times) in rows {
            let Side::Left((time, value)) = row else { continue };
            let rights = rows.keys().filter_map(|(other, row)| match row {
                Side::Right(right) if other == key && right.0 <= *time => Some(*right),
                _ => None,
            });
            expected.insert((*key, ((*time, *value), rights.max())), *times);
        }
        expected
    }

    #[test]
    fn agrees_with_a_search_through_all_rows_through_deletions_and_restarts() {
        for seed in 0..20 {
            let mut numbers = Numbers::new(seed << 32);
            let mut rows: BTreeMap<Row, i64> = BTreeMap::new();
            let mut found: BTreeMap<(u64, Joined<u64, u64>), i64> = BTreeMap::new();
            let mut local = Local::new(AsOf::new());
            for batch in 0..40 {
                let mut changes = Vec::new();
                for _ in 0..numbers.below(20) {
                    let (time, value) = (numbers.below(12) as i64, numbers.below(3));
                    let left = numbers.below(2) == 0;
                    let side =
                        if left { Side::Left((time, value)) } else { Side::Right((time, value)) };
                    let mut row = (numbers.below(3), side);
                    let goes = numbers.below(2) == 0 && !rows.is_empty();
                    if goes {
                        let nth = numbers.below(rows.len() as u64) as usize;
                        row = rows.keys().nth(nth).cloned().unwrap_or(row);
                    }
                    let diff = if goes { -1 } else { 1 };
                    *rows.entry(row).or_default() += diff as i64;
                    rows.retain(|_, times| *times != 0);
                    changes.push((row, diff));
                }
                for (row, diff) in local.changes(changes) {
                    *found.entry(row).or_default() += diff as i64;
                }
                found.retain(|_, times| *times != 0);
                let expected = search(&rows);
                assert_eq!(found, expected, "seed {seed}, batch {batch}");
                if numbers.below(4) == 0 {
                    local = local.restart(AsOf::new());
                    let table: BTreeMap<_, i64> =
                        local.table().into_iter().map(|(row, diff)| (row, diff as i64)).collect();
                    assert_eq!(table, expected, "seed {seed}, restarted after batch {batch}");
                }
            }
            let all = rows.into_iter().map(|(row, times)| (row, -times as isize));
            local.changes(all.collect());
            let size = local.size();
            assert_eq!((size.keys, size.bytes), (0, 0), "seed {seed}: state is left");
        }
    }
}
