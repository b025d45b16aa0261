//! Sessions: windows that grow with what comes, and merge.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::event_time::{Late, Paced, SpanAggregate, Spans, Stamp, TimeWindow, Watermark};
use crate::{Aggregate, Chunks, Epoch, Record};

/// Aggregates values by key and session. Each value comes with the window that it opens: from its
/// event time, for as long as its gap. Windows of a key that overlap or touch become one session.
///
/// Its results are rows of key, session and aggregate: when a session grows or two become one, the
/// rows that were given go and the new one comes. Input is what the values of each key have come to
/// before they were shipped: lists of sessions ([`BySession`] as an aggregate), in which a late
/// value lies in [`TimeWindow::OVER`]. Kept: the open sessions of each key, and the closed ones that
/// may be corrected. A batch costs its tallies, the sessions of their keys, and what it closes.
///
/// ```
/// use tidegate_operators::event_time::{
///     BySession, Emitted, Late, Paced, SessionAggregate, TimeWindow, Watermark,
/// };
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Aggregate, Chunks, Count};
///
/// let mut sessions = Local::new(SessionAggregate::<char, (), _>::new(Count, Late::Drop));
/// let span = |start_ms, end_ms| TimeWindow { start_ms, end_ms };
/// let mut close = |starts: &[i64], watermark| {
///     let one = |start: &i64| {
///         let sessions = BySession::<char, (), _>::new(Count);
///         ('a', 1, sessions.lift((span(*start, start + 10), ())))
///     };
///     let rows = Paced::Rows(Chunks::loose(starts.iter().map(one).collect()));
///     let input = vec![rows, Paced::Watermark(Watermark::at(watermark))];
///     sessions.close(input).into_iter().flat_map(Chunks::into_rows).collect::<Vec<_>>()
/// };
/// assert_eq!(close(&[5], 0), [Emitted::Open(('a', (span(5, 15), 1)), 1)]);
/// assert_eq!(close(&[15], 0), [
///     Emitted::Open(('a', (span(5, 15), 1)), -1),
///     Emitted::Open(('a', (span(5, 25), 2)), 1),
/// ]);
/// assert_eq!(close(&[], 25), [Emitted::Closed(('a', (span(5, 25), 2)))]);
/// ```
pub type SessionAggregate<K, V, A> = SpanAggregate<BySession<K, V, A>>;

impl<K, V, A> SessionAggregate<K, V, A>
where
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    /// An operator without sessions yet.
    pub fn new(aggregate: A, late: Late) -> Self {
        SpanAggregate::over(BySession::new(aggregate), late)
    }
}

/// Sessions of keys: each key has those that its values have come to, in order of time, none
/// touching another.
///
/// It is an aggregate itself, of values and the windows that they open: so values are put together
/// to sessions where they are read, before they meet those of other workers.
pub struct BySession<K, V, A> {
    aggregate: A,
    rows: PhantomData<fn(K, V)>,
}

/// A session, its number of records, and their accumulator.
type Session<Acc> = (TimeWindow, i64, Acc);

impl<K, V, A: Clone> Clone for BySession<K, V, A> {
    fn clone(&self) -> Self {
        BySession { aggregate: self.aggregate.clone(), rows: PhantomData }
    }
}

impl<K, V, A> BySession<K, V, A> {
    /// Aggregates the values of each session.
    pub fn new(aggregate: A) -> Self {
        BySession { aggregate, rows: PhantomData }
    }
}

impl<K, V, A: Aggregate<V>> BySession<K, V, A> {
    /// Adds a session to those of its key; it takes up the ones that it touches.
    fn add(
        &self,
        sessions: &mut Vec<Session<A::Acc>>,
        (mut span, mut records, mut acc): Session<A::Acc>,
    ) {
        // Those that it touches lie side by side.
        let from = sessions.partition_point(|session| session.0.end_ms < span.start_ms);
        let to = sessions.partition_point(|session| session.0.start_ms <= span.end_ms);
        if to == from + 1 {
            let (other, more, other_acc) = &mut sessions[from];
            other.start_ms = other.start_ms.min(span.start_ms);
            other.end_ms = other.end_ms.max(span.end_ms);
            *more += records;
            self.aggregate.merge(other_acc, acc);
            return;
        }
        for (other, more, other_acc) in sessions.drain(from..to.max(from)) {
            span.start_ms = span.start_ms.min(other.start_ms);
            span.end_ms = span.end_ms.max(other.end_ms);
            records += more;
            self.aggregate.merge(&mut acc, other_acc);
        }
        sessions.insert(from, (span, records, acc));
    }
}

impl<K, V, A> Aggregate<(TimeWindow, V)> for BySession<K, V, A>
where
    K: 'static,
    V: 'static,
    A: Aggregate<V>,
{
    type Acc = Vec<Session<A::Acc>>;
    type Out = Vec<(TimeWindow, A::Out)>;

    fn lift(&self, (span, value): (TimeWindow, V)) -> Self::Acc {
        vec![(span, 1, self.aggregate.lift(value))]
    }

    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc) {
        other.into_iter().for_each(|session| self.add(acc, session));
    }

    fn finish(&self, _records: i64, acc: &Self::Acc) -> Self::Out {
        let finish =
            |(span, records, acc): &Session<A::Acc>| (*span, self.aggregate.finish(*records, acc));
        acc.iter().map(finish).collect()
    }
}

impl<K, V, A> Spans for BySession<K, V, A>
where
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    type Key = K;
    type Value = (TimeWindow, V);
    type Acc = Vec<Session<A::Acc>>;
    type Part = Vec<Session<A::Acc>>;
    type View = Vec<(TimeWindow, A::Out)>;
    type Out = A::Out;
    type Row = (K, (TimeWindow, A::Out));

    const SEVERAL: bool = true;

    fn lift(&self, value: (TimeWindow, V)) -> Self::Acc {
        Aggregate::lift(self, value)
    }

    /// Values were judged before they were put together: by now a session may end later.
    fn sift(
        &self,
        _key: &K,
        _records: i64,
        mut sessions: Self::Acc,
        _is_late: impl Fn(i64) -> bool,
    ) -> (Option<Self::Part>, i64) {
        let is_over = sessions.first().is_some_and(|session| session.0 == TimeWindow::OVER);
        let too_late = if is_over { sessions.remove(0).1 } else { 0 };
        ((!sessions.is_empty()).then_some(sessions), too_late)
    }

    fn merge(&self, part: &mut Self::Part, other: Self::Part) {
        Aggregate::merge(self, part, other);
    }

    fn view(&self, part: &Self::Part) -> Self::View {
        self.finish(0, part)
    }

    fn spans(_key: &K, view: Self::View) -> impl Iterator<Item = (TimeWindow, A::Out)> {
        view.into_iter()
    }

    fn row(key: &K, span: TimeWindow, out: A::Out) -> Self::Row {
        (key.clone(), (span, out))
    }

    fn keep(
        &self,
        _key: &K,
        mut part: Self::Part,
        stays: impl Fn(i64) -> bool,
    ) -> Option<Self::Part> {
        part.retain(|session| stays(session.0.end_ms));
        (!part.is_empty()).then_some(part)
    }

    fn is_in((own, _): &(TimeWindow, V), span: TimeWindow) -> bool {
        span.start_ms <= own.start_ms && own.end_ms <= span.end_ms
    }
}

/// By what a record's gap is told, in milliseconds.
pub type Gap<K, V> = Rc<dyn Fn(&K, &V) -> i64>;

/// The session that a record opens, from its event time for as long as its gap; `None`, if the gap
/// is not positive. A record that is late opens [`TimeWindow::OVER`].
///
/// A record that is judged by the watermark of its batch is late if its session would be over. One
/// with a watermark of its own is late if its event time is: another session, which it would touch,
/// may then be over, and how far that is must not depend on where batches end.
///
/// ```
/// use std::rc::Rc;
/// use tidegate_operators::event_time::{Gap, Late, Stamp, TimeWindow, Watermark, own_session};
///
/// let gap: Gap<char, ()> = Rc::new(|_, _| 5);
/// let of = |stamp, now_ms| own_session(stamp, &('a', ()), &gap, Late::Drop, Watermark::at(now_ms));
/// assert_eq!(of(Stamp::at(7_000), 11), Some(TimeWindow { start_ms: 7, end_ms: 12 }));
/// assert_eq!(of(Stamp::at(7_000), 12), Some(TimeWindow::OVER));
/// assert_eq!(of(Stamp { at_us: 7_000, mark_ms: 7 }, 0), Some(TimeWindow::OVER));
/// ```
pub fn own_session<K, V>(
    stamp: Stamp,
    row: &(K, V),
    gap: &Gap<K, V>,
    late: Late,
    watermark: Watermark,
) -> Option<TimeWindow> {
    let gap_ms = gap(&row.0, &row.1);
    if gap_ms <= 0 {
        return None;
    }
    let start_ms = stamp.at_ms();
    let span = TimeWindow { start_ms, end_ms: start_ms.saturating_add(gap_ms) };
    let judged_at = if stamp.is_marked() { span.start_ms } else { span.end_ms };
    let is_late = late.is_late(judged_at, stamp.judged_by(watermark));
    Some(if is_late { TimeWindow::OVER } else { span })
}

/// Gives each record its [own session](own_session), by the watermark of the batch. Nothing is kept.
///
/// It comes before records are put together, which can't be undone for one that turns out late.
pub struct OwnSessions<K, V> {
    gap: Gap<K, V>,
    late: Late,
}

impl<K, V> OwnSessions<K, V> {
    /// Sessions of records with such gaps.
    pub fn new(gap: Gap<K, V>, late: Late) -> Self {
        OwnSessions { gap, late }
    }
}

impl<T: Epoch, K: Record, V: Record> BatchOperator<T> for OwnSessions<K, V> {
    type Input = Paced<Chunks<(Stamp, (K, V))>>;
    type Output = Chunks<(K, (TimeWindow, V))>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        let (messages, watermark) = Paced::apart(input);
        let watermark = watermark.unwrap_or(Watermark::NONE);
        for rows in messages {
            output.give(rows.flat_map(|(stamp, row)| {
                let span = own_session(stamp, &row, &self.gap, self.late, watermark);
                span.map(|span| (row.0, (span, row.1)))
            }));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::combine::Tally;
    use crate::event_time::{Emitted, SpanRecompute};
    use crate::keyed::oracle::Numbers;
    use crate::local::Local;
    use crate::{Count, Max};

    type Row = (u64, (TimeWindow, i64));
    type Acc<A> = Vec<(TimeWindow, i64, A)>;

    /// Rows as they are shipped where none is put together with another.
    fn tallies<K: Record, V: Record, A: Aggregate<V>>(
        aggregate: A,
        rows: Vec<(K, (TimeWindow, V))>,
    ) -> Paced<Chunks<Tally<K, Acc<A::Acc>>>> {
        let sessions = BySession::<K, V, A>::new(aggregate);
        let rows = rows.into_iter().map(|(key, value)| (key, 1, Aggregate::lift(&sessions, value)));
        Paced::Rows(Chunks::loose(rows.collect()))
    }

    /// The sessions of all rows of a key: sorted, and joined where they touch.
    fn sessions(rows: &[Row]) -> BTreeMap<Row, isize> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|(key, (window, _))| (*key, window.start_ms));
        let mut joined: Vec<Row> = Vec::new();
        for (key, (window, value)) in rows {
            match joined.last_mut() {
                Some((last, (span, max))) if *last == key && window.start_ms <= span.end_ms => {
                    span.end_ms = span.end_ms.max(window.end_ms);
                    *max = (*max).max(value);
                }
                _ => joined.push((key, (window, value))),
            }
        }
        joined.into_iter().map(|row| (row, 1)).collect()
    }

    #[test]
    fn sessions_agree_with_sorting_and_joining_all_rows_through_restarts() {
        for seed in 0..20 {
            let mut numbers = Numbers::new(seed << 32);
            let new = || SessionAggregate::<u64, i64, Max>::new(Max, Late::Drop);
            let (mut local, mut rows) = (Local::new(new()), Vec::new());
            let mut open: BTreeMap<Row, isize> = BTreeMap::new();
            for batch in 0..40 {
                let more: Vec<Row> = (0..numbers.below(5))
                    .map(|_| {
                        let start_ms = numbers.below(300) as i64;
                        let end_ms = start_ms + 1 + numbers.below(9) as i64;
                        let window = TimeWindow { start_ms, end_ms };
                        (numbers.below(3), (window, numbers.below(50) as i64))
                    })
                    .collect();
                rows.extend(&more);
                let input = vec![tallies(Max, more)];
                for event in local.close(input).into_iter().flat_map(Chunks::into_rows) {
                    match event {
                        Emitted::Open(row, diff) => *open.entry(row).or_default() += diff,
                        other => panic!("{other:?} without a watermark"),
                    }
                }
                open.retain(|_, times| *times != 0);
                assert_eq!(open, sessions(&rows), "seed {seed}, batch {batch}");
                assert_eq!(local.size().keys, open.len() as u64);
                if numbers.below(4) == 0 {
                    local = local.restart(new());
                    let contents = local.contents().into_iter().flat_map(Chunks::into_rows);
                    assert_eq!(contents.count(), open.len(), "seed {seed}, batch {batch}");
                }
            }
            // The watermark passes half of them, and then all.
            for watermark in [150, 1_000] {
                let input = vec![Paced::Watermark(Watermark::at(watermark))];
                let closed = local.close(input).into_iter().flat_map(Chunks::into_rows);
                let mut closed: Vec<Row> = closed
                    .map(|event| match event {
                        Emitted::Closed(row) => row,
                        other => panic!("{other:?} without rows"),
                    })
                    .collect();
                closed.sort();
                let due = |row: &&Row| row.1.0.end_ms <= watermark;
                let expected: Vec<Row> = open.keys().filter(due).copied().collect();
                assert_eq!(closed, expected, "seed {seed}");
                open.retain(|row, _| row.1.0.end_ms > watermark);
                assert_eq!(local.size().keys, open.len() as u64, "seed {seed}");
                local = local.restart(new());
                assert_eq!(local.contents().iter().map(Chunks::len).sum::<usize>(), open.len());
                local.close(vec![]);
            }
        }
    }

    #[test]
    fn a_closed_session_that_is_corrected_opens_again_if_it_grows() {
        let late = Late::Correct { keep_ms: 20 };
        let mut local = Local::new(SessionAggregate::<char, (), Count>::new(Count, late));
        let span = |start_ms, end_ms| TimeWindow { start_ms, end_ms };
        let mut close = |windows: &[TimeWindow], watermark| {
            let rows = windows.iter().map(|window| ('a', (*window, ()))).collect();
            let input = vec![tallies(Count, rows), Paced::Watermark(Watermark::at(watermark))];
            local.close(input).into_iter().flat_map(Chunks::into_rows).collect::<Vec<_>>()
        };
        let row = |start, end, count| ('a', (span(start, end), count));
        assert_eq!(close(&[span(0, 10)], 0), [Emitted::Open(row(0, 10, 1), 1)]);
        assert_eq!(close(&[], 12), [Emitted::Closed(row(0, 10, 1))]);
        let corrected = close(&[span(1, 9)], 12);
        assert_eq!(
            corrected,
            [Emitted::Revised(row(0, 10, 1), -1), Emitted::Revised(row(0, 10, 2), 1),]
        );
        let grown = close(&[span(5, 15)], 12);
        assert_eq!(grown, [Emitted::Revised(row(0, 10, 2), -1), Emitted::Open(row(0, 15, 3), 1),]);
        assert_eq!(close(&[], 15), [Emitted::Closed(row(0, 15, 3))]);
        assert_eq!(close(&[TimeWindow::OVER, TimeWindow::OVER], 35), [Emitted::Late(2)]);
        assert_eq!(local.size().keys, 0);
    }

    /// Random rows, the watermark ahead of some, put together in parts, and each by itself: the
    /// same is given, and the same as when all is computed from all rows.
    #[test]
    fn sessions_that_were_put_together_before_and_recomputed_ones_are_the_same() {
        for (seed, late) in (0..30).map(|seed| {
            let policies = [Late::Drop, Late::Correct { keep_ms: 9 }, Late::Hold { hold_ms: 9 }];
            (seed, policies[seed as usize % 3])
        }) {
            let mut numbers = Numbers::new(seed << 32);
            let new = || SessionAggregate::<u64, i64, Max>::new(Max, late);
            let again = || SpanRecompute::over(BySession::<u64, i64, Max>::new(Max), late);
            let (mut single, mut combined, mut recomputed) =
                (Local::new(new()), Local::new(new()), Local::new(again()));
            let gap: Gap<u64, i64> = Rc::new(|_, gap| *gap);
            let (mut given, mut counted) = (0, 0);
            for batch in 0..50i64 {
                let watermark = Watermark::at(batch * 3 - 12);
                let rows: Vec<Row> = (0..numbers.below(9))
                    .filter_map(|_| {
                        let at_ms = batch * 3 - numbers.below(35) as i64;
                        let row = (numbers.below(3), 1 + numbers.below(9) as i64);
                        let stamp = Stamp::at(at_ms * 1000);
                        let span = own_session(stamp, &row, &gap, late, watermark)?;
                        Some((row.0, (span, row.1)))
                    })
                    .collect();
                let sessions = BySession::<u64, i64, Max>::new(Max);
                let mut combiner = crate::combine::Combiner::default();
                for (key, value) in rows.clone() {
                    combiner.add(key, 1, Aggregate::lift(&sessions, value), |acc, other| {
                        Aggregate::merge(&sessions, acc, other);
                    });
                }
                let together = Chunks::loose(combiner.drain().collect());
                let mark = || Paced::Watermark(watermark);
                let sorted = |given: Vec<Chunks<Emitted<Row>>>| {
                    let mut given: Vec<_> = given.into_iter().flat_map(Chunks::into_rows).collect();
                    given.sort();
                    given
                };
                let one = sorted(single.close(vec![tallies(Max, rows.clone()), mark()]));
                let other = sorted(combined.close(vec![Paced::Rows(together), mark()]));
                assert_eq!(one, other, "{late:?}, seed {seed}, batch {batch}");
                let raw = Paced::Rows(Chunks::loose(rows));
                let other = sorted(recomputed.close(vec![raw, { Paced::Watermark(watermark) }]));
                assert_eq!(one, other, "recomputed, {late:?}, seed {seed}, batch {batch}");
                let keys = [single.size().keys, combined.size().keys, recomputed.size().keys];
                assert_eq!(keys, [keys[0]; 3], "{late:?}, seed {seed}, batch {batch}");
                given += one.len();
                counted += one.iter().filter(|event| matches!(event, Emitted::Late(_))).count();
                if numbers.below(6) == 0 {
                    recomputed = recomputed.restart(again());
                    single = single.restart(new());
                }
            }
            assert!(given > 50 && counted > 0, "seed {seed} tests nothing");
        }
    }
}
