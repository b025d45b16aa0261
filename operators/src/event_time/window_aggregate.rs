//! Aggregates by window of event time and key.

use std::marker::PhantomData;

use crate::event_time::{Late, SpanAggregate, Spans, TimeWindow, WindowKey};
use crate::{Aggregate, Record};

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
pub type WindowAggregate<K, V, A> = SpanAggregate<ByWindow<K, V, A>>;

impl<K, V, A> WindowAggregate<K, V, A>
where
    K: WindowKey,
    V: Record,
    A: Aggregate<V>,
{
    /// An operator without windows yet.
    pub fn new(aggregate: A, late: Late) -> Self {
        SpanAggregate::over(ByWindow::new(aggregate), late)
    }
}

/// Keys that have a window in them: each is one span, whose result is an aggregate of its values.
pub struct ByWindow<K, V, A> {
    aggregate: A,
    rows: PhantomData<fn(K, V)>,
}

impl<K, V, A: Clone> Clone for ByWindow<K, V, A> {
    fn clone(&self) -> Self {
        ByWindow { aggregate: self.aggregate.clone(), rows: PhantomData }
    }
}

impl<K, V, A> ByWindow<K, V, A> {
    /// Aggregates the values of each key.
    pub fn new(aggregate: A) -> Self {
        ByWindow { aggregate, rows: PhantomData }
    }
}

impl<K, V, A> Spans for ByWindow<K, V, A>
where
    K: WindowKey,
    V: Record,
    A: Aggregate<V>,
{
    type Key = K;
    type Value = V;
    type Acc = A::Acc;
    /// How many records there are, and their accumulator.
    type Part = (i64, A::Acc);
    type View = A::Out;
    type Out = A::Out;
    type Row = (K, A::Out);

    const SEVERAL: bool = false;

    fn lift(&self, value: V) -> A::Acc {
        self.aggregate.lift(value)
    }

    fn sift(
        &self,
        key: &K,
        records: i64,
        acc: A::Acc,
        is_late: impl Fn(i64) -> bool,
    ) -> (Option<(i64, A::Acc)>, i64) {
        if is_late(key.window().end_ms) { (None, records) } else { (Some((records, acc)), 0) }
    }

    fn merge(&self, part: &mut (i64, A::Acc), (records, acc): (i64, A::Acc)) {
        part.0 += records;
        self.aggregate.merge(&mut part.1, acc);
    }

    fn view(&self, (records, acc): &(i64, A::Acc)) -> A::Out {
        self.aggregate.finish(*records, acc)
    }

    fn spans(key: &K, view: A::Out) -> impl Iterator<Item = (TimeWindow, A::Out)> {
        std::iter::once((key.window(), view))
    }

    fn row(key: &K, _span: TimeWindow, out: A::Out) -> (K, A::Out) {
        (key.clone(), out)
    }

    fn keep(
        &self,
        key: &K,
        part: (i64, A::Acc),
        stays: impl Fn(i64) -> bool,
    ) -> Option<(i64, A::Acc)> {
        stays(key.window().end_ms).then_some(part)
    }

    /// All records of a key lie in its window.
    fn is_in(_value: &V, _span: TimeWindow) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::batched::BatchOperator;
    use crate::event_time::{Emitted, Paced, SpanRecompute, TimeWindows, Watermark};
    use crate::keyed::oracle::Numbers;
    use crate::local::Local;
    use crate::{Chunks, Sum};

    type Key = (TimeWindow, u64);
    type Counts = WindowAggregate<Key, i64, Sum>;

    type Events = Vec<Emitted<(Key, i64)>>;

    /// What is given for a batch of rows; `row` makes the operator's input of one.
    fn emitted<R, O>(
        local: &mut Local<O>,
        rows: &[(i64, u64, i64)],
        windows: TimeWindows,
        watermark: i64,
        row: fn(Key, i64) -> R,
    ) -> Events
    where
        O: BatchOperator<u64, Input = Paced<Chunks<R>>, Output = Chunks<Emitted<(Key, i64)>>>,
        Chunks<R>: timely::Container,
    {
        let rows = rows.iter().flat_map(|(time, key, value)| {
            windows.of(*time).map(move |window| row((window, *key), *value))
        });
        let rows = Paced::Rows(Chunks::loose(rows.collect()));
        let input = vec![rows, Paced::Watermark(Watermark::at(watermark))];
        let mut events: Events =
            local.close(input).into_iter().flat_map(Chunks::into_rows).collect();
        events.sort();
        events
    }

    /// The rows in windows that were not over when they came, added up; and how often one was.
    type Model = (BTreeMap<Key, i64>, i64);

    fn run(late: Late, seed: u64) {
        let windows = [TimeWindows::tumbling(5), TimeWindows::sliding(9, 4)][seed as usize % 2];
        let mut numbers = Numbers::new(seed << 32);
        let mut local = Local::new(Counts::new(Sum, late));
        let again = || SpanRecompute::over(ByWindow::<Key, i64, Sum>::new(Sum), late);
        let mut recomputed = Local::new(again());
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
            let events = emitted(&mut local, &rows, windows, watermark, |key, value| {
                (key, 1, Sum.lift(value))
            });
            let same =
                emitted(&mut recomputed, &rows, windows, watermark, |key, value| (key, value));
            assert_eq!(events, same, "recomputed, {late:?}, seed {seed}, batch {batch}");
            for event in events {
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
            assert_eq!(recomputed.size().keys, kept, "{late:?}, seed {seed}, batch {batch}");
            if numbers.below(5) == 0 {
                local = local.restart(Counts::new(Sum, late));
                recomputed = recomputed.restart(again());
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
