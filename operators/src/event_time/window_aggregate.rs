//! Aggregates by window of event time and key.

use std::marker::PhantomData;

use crate::batched::{Batch, BatchOperator, Output, StateSize, Tap};
use crate::combine::Tally;
use crate::event_time::due::Due;
use crate::event_time::{Emitted, Late, Paced, SavedWindow, Watermark, WindowKey};
use crate::index::{Index, Rule};
use crate::{Aggregate, Chunks, Epoch};

/// Adds tallies up by window and key, gives what changes, and closes the windows that the watermark
/// passes: what is kept of them goes.
///
/// Input is shipped by the whole key. Kept: records and accumulator of each key of each open
/// window, and of the closed ones that may be corrected. A batch costs its own tallies and what it
/// closes.
///
/// ```
/// use tidegate_operators::event_time::{
///     Emitted, Late, Paced, TimeWindow, Watermark, WindowAggregate,
/// };
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Chunks, Count};
///
/// let mut counts = Local::new(WindowAggregate::<_, (), _>::new(Count, Late::Drop));
/// let window = TimeWindow { start_ms: 0, end_ms: 5 };
/// let mut close = |tallies, watermark| {
///     let input = vec![
///         Paced::Rows(Chunks::loose(tallies)),
///         Paced::Watermark(Watermark::at(watermark)),
///     ];
///     counts.close(input).into_iter().flat_map(Chunks::into_rows).collect::<Vec<_>>()
/// };
/// assert_eq!(close(vec![(window, 2, ())], 0), [Emitted::Open((window, 2), 1)]);
/// assert_eq!(close(vec![], 5), [Emitted::Closed((window, 2))]);
/// assert_eq!(close(vec![(window, 3, ())], 5), [Emitted::Late(3)]);
/// ```
pub struct WindowAggregate<K, V, A>
where
    K: WindowKey,
    V: 'static,
    A: Aggregate<V>,
{
    index: Index<K, Partial<V, A>>,
    late: Late,
    /// What ends here or before is closed.
    through_ms: i64,
    /// Keys of open windows, by their ends.
    open: Due<K>,
    /// Keys of closed windows that are still kept, by their ends.
    kept: Due<K>,
    /// Whether keys were restored, which are not yet in either.
    restored: bool,
    updated: u64,
}

struct Partial<V, A> {
    aggregate: A,
    values: PhantomData<fn(V)>,
}

impl<V, A: Aggregate<V>> Rule for Partial<V, A> {
    type State = (i64, A::Acc);
    type Change = (i64, A::Acc);
    type View = A::Out;

    fn first(&self, change: (i64, A::Acc)) -> (i64, A::Acc) {
        change
    }

    fn apply(&self, state: &mut (i64, A::Acc), (records, acc): (i64, A::Acc)) {
        state.0 += records;
        self.aggregate.merge(&mut state.1, acc);
    }

    fn view(&self, (records, acc): &(i64, A::Acc)) -> Option<A::Out> {
        Some(self.aggregate.finish(*records, acc))
    }

    fn is_absent(&self, _state: &(i64, A::Acc)) -> bool {
        false
    }
}

impl<K, V, A> WindowAggregate<K, V, A>
where
    K: WindowKey,
    V: 'static,
    A: Aggregate<V>,
{
    /// An operator without windows yet.
    pub fn new(aggregate: A, late: Late) -> Self {
        WindowAggregate {
            index: Index::new(Partial { aggregate, values: PhantomData }),
            late,
            through_ms: i64::MIN,
            open: Due::new(),
            kept: Due::new(),
            restored: false,
            updated: 0,
        }
    }

    /// Puts what was restored where it will be found when it is due.
    fn settle(&mut self) {
        if std::mem::take(&mut self.restored) {
            for (key, _) in self.index.iter() {
                let closed = self.late.is_closed(key.window().end_ms, self.through_ms);
                let due = if closed { &mut self.kept } else { &mut self.open };
                due.push(key.window().end_ms, key.clone());
            }
        }
    }
}

impl<T, K, V, A> BatchOperator<T> for WindowAggregate<K, V, A>
where
    T: Epoch,
    K: WindowKey,
    V: 'static,
    A: Aggregate<V>,
{
    type Input = Paced<Chunks<Tally<K, A::Acc>>>;
    type Output = Chunks<Emitted<(K, A::Out)>>;
    type Saved = SavedWindow<K, (i64, A::Acc)>;

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        self.settle();
        let (messages, watermark) = Paced::apart(input);
        let watermark = watermark.unwrap_or(Watermark::at(self.through_ms));
        let (late, through_ms) = (self.late, self.through_ms);
        let (mut emitted, mut dropped) = (Vec::new(), 0);

        let tallies = messages.into_iter().flat_map(Chunks::into_rows);
        let changes = tallies.filter_map(|(key, records, acc)| {
            let is_late = late.is_late(key.window().end_ms, watermark);
            dropped += if is_late { records } else { 0 };
            (!is_late).then_some((key, (records, acc)))
        });
        self.index.apply(changes, |changed| {
            let key = changed.key;
            tap.record(|| SavedWindow::State(key.clone(), changed.state.cloned()));
            let is_closed = late.is_closed(key.window().end_ms, through_ms);
            if changed.before.is_none() {
                let due = if is_closed { &mut self.kept } else { &mut self.open };
                due.push(key.window().end_ms, key.clone());
            }
            let event = if is_closed { Emitted::Revised } else { Emitted::Open };
            if changed.before != changed.after {
                let rows = [(changed.before, -1), (changed.after, 1)];
                emitted.extend(rows.into_iter().filter_map(|(result, diff)| {
                    result.map(|result| event((key.clone(), result), diff))
                }));
            }
        });
        self.updated = self.index.size().updated;

        if watermark.close_ms > self.through_ms {
            self.through_ms = watermark.close_ms;
            tap.record(|| SavedWindow::ClosedThrough(watermark.close_ms));
        }
        let through_ms = self.through_ms;
        while let Some((end_ms, keys)) = self.open.pop(|end_ms| late.is_closed(end_ms, through_ms))
        {
            for key in keys {
                let result = self.index.get(&key).and_then(|state| self.index.rule().view(state));
                emitted.extend(result.map(|result| Emitted::Closed((key.clone(), result))));
                self.kept.push(end_ms, key);
            }
        }
        while let Some((_, keys)) = self.kept.pop(|end_ms| late.is_gone(end_ms, through_ms)) {
            for key in keys {
                self.index.remove(&key);
                tap.record(|| SavedWindow::State(key, None));
            }
        }
        if dropped > 0 {
            emitted.push(Emitted::Late(dropped));
        }
        if !emitted.is_empty() {
            output.give(Chunks::loose(emitted));
        }
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.restored = true;
        for row in saved {
            match row {
                SavedWindow::State(key, Some(state)) => self.index.insert(key, state),
                SavedWindow::State(key, None) => drop(self.index.remove(&key)),
                SavedWindow::ClosedThrough(ms) => self.through_ms = self.through_ms.max(ms),
            }
        }
    }

    fn contents(&mut self, _batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let views = self.index.views();
        let open = views.filter(|(key, _)| {
            let end_ms = key.window().end_ms;
            !self.late.is_closed(end_ms, self.through_ms)
        });
        let rows: Vec<_> =
            open.map(|(key, result)| Emitted::Open((key.clone(), result), 1)).collect();
        if !rows.is_empty() {
            output.give(Chunks::loose(rows));
        }
    }

    fn size(&self) -> StateSize {
        let bytes = self.index.bytes() + self.open.bytes() + self.kept.bytes();
        StateSize { keys: self.index.len() as u64, bytes: bytes as u64, updated: self.updated }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Sum;
    use crate::event_time::{TimeWindow, TimeWindows};
    use crate::keyed::oracle::Numbers;
    use crate::local::Local;

    type Key = (TimeWindow, u64);
    type Counts = WindowAggregate<Key, i64, Sum>;

    fn emitted(
        local: &mut Local<Counts>,
        rows: &[(i64, u64, i64)],
        windows: TimeWindows,
        watermark: i64,
    ) -> Vec<Emitted<(Key, i64)>> {
        let tallies = rows.iter().flat_map(|(time, key, value)| {
            windows.of(*time).map(move |window| ((window, *key), 1, Sum.lift(*value)))
        });
        let mut input = vec![Paced::Rows(Chunks::loose(tallies.collect()))];
        input.push(Paced::Watermark(Watermark::at(watermark)));
        local.close(input).into_iter().flat_map(Chunks::into_rows).collect()
    }

    /// The rows in windows that were not over when they came, added up; and how often one was.
    type Model = (BTreeMap<Key, i64>, i64);

    fn run(late: Late, seed: u64) {
        let windows = [TimeWindows::tumbling(5), TimeWindows::sliding(9, 4)][seed as usize % 2];
        let mut numbers = Numbers::new(seed << 32);
        let mut local = Local::new(Counts::new(Sum, late));
        let (mut watermark, mut newest) = (0, 0);
        let (mut model, mut closed, mut open, mut late_found): (Model, _, _, _) =
            ((BTreeMap::new(), 0), BTreeMap::new(), BTreeMap::new(), 0);
        for batch in 0..60 {
            let count = numbers.below(8);
            let rows: Vec<(i64, u64, i64)> = (0..count)
                .map(|_| {
                    let time = newest + numbers.below(25) as i64 - 20;
                    (time, numbers.below(3), numbers.below(9) as i64 - 4)
                })
                .collect();
            for (time, key, value) in &rows {
                for window in windows.of(*time) {
                    if late.is_late(window.end_ms, Watermark::at(watermark)) {
                        model.1 += 1;
                    } else {
                        *model.0.entry((window, *key)).or_default() += value;
                    }
                }
            }
            for event in emitted(&mut local, &rows, windows, watermark) {
                let (table, row, diff): (&mut BTreeMap<(Key, i64), isize>, _, _) = match event {
                    Emitted::Open(row, diff) => (&mut open, row, diff),
                    Emitted::Revised(row, diff) => (&mut closed, row, diff),
                    Emitted::Closed(row) => {
                        *open.entry(row).or_default() -= 1;
                        (&mut closed, row, 1)
                    }
                    Emitted::Late(records) => {
                        late_found += records;
                        continue;
                    }
                    Emitted::Settled(row) => panic!("{row:?} lies in a window"),
                };
                *table.entry(row).or_default() += diff;
            }
            open.retain(|_, times| *times != 0);
            closed.retain(|_, times| *times != 0);
            let all: BTreeMap<(Key, i64), isize> =
                model.0.iter().map(|(key, sum)| ((*key, *sum), 1)).collect();
            let split = |is_closed: bool| -> BTreeMap<(Key, i64), isize> {
                let of = |key: &Key| late.is_closed(key.0.end_ms, watermark) == is_closed;
                all.iter().filter(|((key, _), _)| of(key)).map(|(row, n)| (*row, *n)).collect()
            };
            assert_eq!(open, split(false), "open, {late:?}, seed {seed}, batch {batch}");
            assert_eq!(closed, split(true), "closed, {late:?}, seed {seed}, batch {batch}");
            assert_eq!(late_found, model.1, "late, {late:?}, seed {seed}, batch {batch}");
            let kept = |key: &&Key| !late.is_gone(key.0.end_ms, watermark);
            let kept = model.0.keys().filter(kept).count() as u64;
            assert_eq!(local.size().keys, kept, "kept, {late:?}, seed {seed}, batch {batch}");
            if numbers.below(5) == 0 {
                local = local.restart(Counts::new(Sum, late));
                let contents = local.contents().into_iter().flat_map(Chunks::into_rows);
                let contents: BTreeMap<_, _> = contents
                    .map(|event| match event {
                        Emitted::Open(row, diff) => (row, diff),
                        other => panic!("{other:?} is no content"),
                    })
                    .collect();
                assert_eq!(contents, open, "restarted, {late:?}, seed {seed}, batch {batch}");
            }
            newest = rows.iter().map(|row| row.0).fold(newest, i64::max);
            watermark = watermark.max(newest - 6);
            newest += numbers.below(4) as i64;
        }
        assert!(late_found > 0 && !closed.is_empty(), "seed {seed} tests nothing");
    }

    #[test]
    fn every_policy_agrees_with_adding_up_what_was_in_time() {
        for late in [Late::Drop, Late::Correct { keep_ms: 7 }, Late::Hold { hold_ms: 7 }] {
            (0..10).for_each(|seed| run(late, seed));
        }
    }
}
