//! Sessions: windows that grow with what comes, and merge.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use crate::batched::{Batch, BatchOperator, Output, Route, StateSize, Tap};
use crate::event_time::{Emitted, Late, Paced, SavedWindow, TimeWindow, Watermark};
use crate::index::{Index, Rule};
use crate::{Aggregate, Chunks, Diff, Epoch, Record, heap_bytes};

/// Aggregates values by key and session. Each value comes with the window that it opens: from its
/// event time, for as long as its gap. Windows of a key that overlap or touch become one session.
///
/// Its results are rows of key, session and aggregate: when a session grows or two become one, the
/// rows that were given go and the new one comes. A value whose window is empty is in no session,
/// and not counted. Input is shipped by key. Kept: the open sessions of each key, and the closed
/// ones that may be corrected. A batch costs its values, the sessions of their keys, and what it
/// closes.
///
/// ```
/// use tidegate_operators::event_time::{
///     Emitted, Late, Paced, SessionAggregate, TimeWindow, Watermark,
/// };
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Chunks, Count};
///
/// let mut sessions = Local::new(SessionAggregate::new(Count, Late::Drop));
/// let span = |start_ms, end_ms| TimeWindow { start_ms, end_ms };
/// let mut close = |starts: &[i64], watermark| {
///     let rows = starts.iter().map(|start| ('a', (span(*start, start + 10), ()))).collect();
///     let input =
///         vec![Paced::Rows(Chunks::loose(rows)), Paced::Watermark(Watermark::at(watermark))];
///     sessions.close(input).into_iter().flat_map(Chunks::into_rows).collect::<Vec<_>>()
/// };
/// assert_eq!(close(&[5], 0), [Emitted::Open(('a', (span(5, 15), 1)), 1)]);
/// assert_eq!(close(&[15], 0), [
///     Emitted::Open(('a', (span(5, 15), 1)), -1),
///     Emitted::Open(('a', (span(5, 25), 2)), 1),
/// ]);
/// assert_eq!(close(&[], 25), [Emitted::Closed(('a', (span(5, 25), 2)))]);
/// ```
pub struct SessionAggregate<K, V, A>
where
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    index: Index<K, Sessions<V, A>>,
    late: Late,
    /// What ends here or before is closed.
    through_ms: i64,
    /// The ends of open sessions, with their keys.
    open: BTreeSet<(i64, K)>,
    /// Those of closed sessions that are still kept.
    kept: BTreeSet<(i64, K)>,
    /// What the keys in both sets own.
    due_bytes: usize,
    /// Whether sessions were restored, which are not yet in either.
    restored: bool,
    updated: u64,
}

/// The sessions of a key, in order, none touching another.
struct Sessions<V, A> {
    aggregate: A,
    values: PhantomData<fn(V)>,
}

/// A session, its number of records, and their accumulator.
type Session<Acc> = (TimeWindow, i64, Acc);

enum Step<Acc> {
    Came(Session<Acc>),
    /// The session that ends there.
    Gone(i64),
}

impl<V, A: Aggregate<V>> Rule for Sessions<V, A> {
    type State = Vec<Session<A::Acc>>;
    type Change = Step<A::Acc>;
    type View = Vec<(TimeWindow, A::Out)>;

    fn first(&self, change: Step<A::Acc>) -> Self::State {
        let mut sessions = Vec::new();
        self.apply(&mut sessions, change);
        sessions
    }

    fn apply(&self, sessions: &mut Self::State, change: Step<A::Acc>) {
        let (mut window, mut records, mut acc) = match change {
            Step::Gone(end_ms) => return sessions.retain(|session| session.0.end_ms != end_ms),
            Step::Came(session) => session,
        };
        // Those that it touches lie side by side.
        let from = sessions.partition_point(|session| session.0.end_ms < window.start_ms);
        let to = sessions.partition_point(|session| session.0.start_ms <= window.end_ms);
        for (other, more, other_acc) in sessions.drain(from..to.max(from)) {
            window.start_ms = window.start_ms.min(other.start_ms);
            window.end_ms = window.end_ms.max(other.end_ms);
            records += more;
            self.aggregate.merge(&mut acc, other_acc);
        }
        sessions.insert(from, (window, records, acc));
    }

    fn view(&self, sessions: &Self::State) -> Option<Self::View> {
        let finish = |(window, records, acc): &Session<A::Acc>| {
            (*window, self.aggregate.finish(*records, acc))
        };
        (!sessions.is_empty()).then(|| sessions.iter().map(finish).collect())
    }

    fn is_absent(&self, sessions: &Self::State) -> bool {
        sessions.is_empty()
    }
}

impl<K, V, A> SessionAggregate<K, V, A>
where
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    /// An operator without sessions yet.
    pub fn new(aggregate: A, late: Late) -> Self {
        SessionAggregate {
            index: Index::new(Sessions { aggregate, values: PhantomData }),
            late,
            through_ms: i64::MIN,
            open: BTreeSet::new(),
            kept: BTreeSet::new(),
            due_bytes: 0,
            restored: false,
            updated: 0,
        }
    }

    /// Puts what was restored where it will be found when it is due.
    fn settle(&mut self) {
        if std::mem::take(&mut self.restored) {
            let sessions = self.index.iter().flat_map(|(key, sessions)| {
                sessions.iter().map(move |session| (session.0.end_ms, key.clone()))
            });
            for due in sessions {
                self.due_bytes += due_bytes(&due);
                let closed = self.late.is_closed(due.0, self.through_ms);
                if closed { &mut self.kept } else { &mut self.open }.insert(due);
            }
        }
    }
}

fn due_bytes<K: Record>(due: &(i64, K)) -> usize {
    size_of::<(i64, K)>() + heap_bytes(&due.1)
}

/// The first of a set, if it is due.
fn pop<K: Record>(set: &mut BTreeSet<(i64, K)>, is_due: impl Fn(i64) -> bool) -> Option<(i64, K)> {
    if set.first().is_some_and(|(end_ms, _)| is_due(*end_ms)) { set.pop_first() } else { None }
}

impl<T, K, V, A> BatchOperator<T> for SessionAggregate<K, V, A>
where
    T: Epoch,
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    type Input = Paced<Chunks<(K, (TimeWindow, V))>>;
    type Output = Chunks<Emitted<(K, (TimeWindow, A::Out))>>;
    type Saved = SavedWindow<K, Vec<(TimeWindow, i64, A::Acc)>>;

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
        let aggregate = self.index.rule().aggregate.clone();

        let rows = messages.into_iter().flat_map(Chunks::into_rows);
        let changes = rows.filter_map(|(key, (window, value))| {
            if window.end_ms <= window.start_ms {
                return None;
            }
            let is_late = late.is_late(window.end_ms, watermark);
            dropped += i64::from(is_late);
            (!is_late).then(|| (key, Step::Came((window, 1, aggregate.lift(value)))))
        });
        let (open, kept, due) = (&mut self.open, &mut self.kept, &mut self.due_bytes);
        self.index.apply(changes, |changed| {
            let key = changed.key;
            tap.record(|| SavedWindow::State(key.clone(), changed.state.cloned()));
            let (before, after) = (changed.before.unwrap_or_default(), changed.after);
            let mut change = |(window, result): (TimeWindow, A::Out), diff: Diff| {
                let is_closed = late.is_closed(window.end_ms, through_ms);
                let set = if is_closed { &mut *kept } else { &mut *open };
                let end = (window.end_ms, key.clone());
                let bytes = due_bytes(&end);
                if diff > 0 {
                    *due += if set.insert(end) { bytes } else { 0 };
                } else {
                    *due -= if set.remove(&end) { bytes } else { 0 };
                }
                let event = if is_closed { Emitted::Revised } else { Emitted::Open };
                emitted.push(event((key.clone(), (window, result)), diff));
            };
            let after = after.unwrap_or_default();
            let (gone, came): (Vec<_>, Vec<_>) = differ(before, after);
            gone.into_iter().for_each(|row| change(row, -1));
            came.into_iter().for_each(|row| change(row, 1));
        });
        self.updated = self.index.size().updated;

        if watermark.close_ms > self.through_ms {
            self.through_ms = watermark.close_ms;
            tap.record(|| SavedWindow::ClosedThrough(watermark.close_ms));
        }
        let through_ms = self.through_ms;
        while let Some((end_ms, key)) = pop(&mut self.open, |end| late.is_closed(end, through_ms)) {
            let sessions = self.index.get(&key).into_iter().flatten();
            let closed = sessions.filter(|session| session.0.end_ms == end_ms);
            emitted.extend(closed.map(|(window, records, acc)| {
                let result = (*window, aggregate.finish(*records, acc));
                Emitted::Closed((key.clone(), result))
            }));
            self.kept.insert((end_ms, key));
        }
        let mut gone = Vec::new();
        while let Some(due) = pop(&mut self.kept, |end| late.is_gone(end, through_ms)) {
            self.due_bytes -= due_bytes(&due);
            gone.push((due.1, Step::Gone(due.0)));
        }
        self.index.apply(gone, |changed| {
            tap.record(|| SavedWindow::State(changed.key.clone(), changed.state.cloned()));
        });
        if dropped > 0 {
            emitted.push(Emitted::Late(dropped));
        }
        if !emitted.is_empty() {
            output.give(Chunks::loose(emitted));
        }
    }

    fn route(saved: &Self::Saved) -> Route {
        match saved {
            SavedWindow::State(key, _) => Route::of_key(key),
            SavedWindow::ClosedThrough(_) => Route::Everywhere,
        }
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.restored = true;
        for row in saved {
            match row {
                SavedWindow::State(key, Some(sessions)) => self.index.insert(key, sessions),
                SavedWindow::State(key, None) => drop(self.index.remove(&key)),
                SavedWindow::ClosedThrough(ms) => self.through_ms = self.through_ms.max(ms),
            }
        }
    }

    fn contents(&mut self, _batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let mut rows = Vec::new();
        for (key, sessions) in self.index.views() {
            let open = sessions
                .into_iter()
                .filter(|(window, _)| !self.late.is_closed(window.end_ms, self.through_ms));
            rows.extend(open.map(|row| Emitted::Open((key.clone(), row), 1)));
        }
        if !rows.is_empty() {
            output.give(Chunks::loose(rows));
        }
    }

    fn size(&self) -> StateSize {
        let sessions = (self.open.len() + self.kept.len()) as u64;
        let bytes = (self.index.bytes() + self.due_bytes) as u64;
        StateSize { keys: sessions, bytes, updated: self.updated }
    }
}

/// What is only in the first of two lists that are both in order of time, and what only in the
/// second.
fn differ<O: PartialEq>(
    before: Vec<(TimeWindow, O)>,
    after: Vec<(TimeWindow, O)>,
) -> (Vec<(TimeWindow, O)>, Vec<(TimeWindow, O)>) {
    let (mut gone, mut came) = (Vec::new(), Vec::new());
    let mut after = after.into_iter().peekable();
    for row in before {
        while let Some(new) = after.next_if(|new| new.0.start_ms < row.0.start_ms) {
            came.push(new);
        }
        match after.next_if(|new| new.0.start_ms == row.0.start_ms) {
            Some(new) if new == row => {}
            new => {
                gone.push(row);
                came.extend(new);
            }
        }
    }
    came.extend(after);
    (gone, came)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::keyed::oracle::Numbers;
    use crate::local::Local;
    use crate::{Count, Max};

    type Row = (u64, (TimeWindow, i64));

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
                        let end_ms = start_ms + numbers.below(9) as i64 - 1;
                        let window = TimeWindow { start_ms, end_ms };
                        (numbers.below(3), (window, numbers.below(50) as i64))
                    })
                    .collect();
                rows.extend(more.iter().filter(|row| row.1.0.end_ms > row.1.0.start_ms));
                let input = vec![Paced::Rows(Chunks::loose(more))];
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
            let watermark = Paced::Watermark(Watermark::at(watermark));
            let input = vec![Paced::Rows(Chunks::loose(rows)), watermark];
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
        assert_eq!(close(&[span(0, 15)], 35), [Emitted::Late(1)]);
        assert_eq!(local.size().keys, 0);
    }
}
