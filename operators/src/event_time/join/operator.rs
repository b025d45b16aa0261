//! The join itself.

use std::marker::PhantomData;

use super::rows::{KeepRows, Queue, Rows, insert, remove, row_bytes, within};
use super::{JoinSpec, Kept, SavedJoin};
use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::event_time::due::Due;
use crate::event_time::{Emitted, Late, Paced, Watermark, upper_ms};
use crate::index::Index;
use crate::keyed::Side;
use crate::{Chunks, Diff, Epoch, Record};

/// A row as it comes: its event time in microseconds, and its value.
type Timed<D> = (i64, D);

/// Joins two streams by key, by their event times and by conditions.
///
/// Input is shipped by key. What comes out is a key, and a row with its event time in microseconds:
/// a pair is [settled](Emitted::Settled) at once; a row that has met none yet is
/// [open](Emitted::Open), until it meets one and goes, or until the watermark says that none will
/// come, which [closes](Emitted::Closed) it. A row that comes late is dropped and counted, or, by
/// the [policy](Late), still meets what is kept for so long.
///
/// Kept: the rows of both sides, each until the watermark has passed whatever it could meet. A
/// batch costs its own rows, their pairs, and what goes.
///
/// ```
/// use tidegate_operators::Chunks;
/// use tidegate_operators::event_time::{
///     Bounds, Emitted, EventJoin, JoinSpec, Paced, Shape, Watermark,
/// };
/// use tidegate_operators::keyed::Side;
/// use tidegate_operators::local::Local;
///
/// // A click at most two milliseconds after the view.
/// let spec = JoinSpec::new(Bounds::within(0..=2), Shape::left_outer());
/// let mut join = Local::new(EventJoin::<char, u8, u8, _>::new(spec));
/// let view = |ms: i64, id| ('a', Side::Left((ms * 1000, id)));
/// let click = |ms: i64, id| ('a', Side::Right((ms * 1000, id)));
/// let mut close = |rows, watermark| {
///     let rows = Paced::Rows(Chunks::loose(rows));
///     let given = join.close(vec![rows, Paced::Watermark(Watermark::at(watermark))]);
///     given.into_iter().flat_map(Chunks::into_rows).collect::<Vec<_>>()
/// };
/// let (alone, pair) = (('a', (5_000, (1, None))), ('a', (5_000, (1, Some(7)))));
/// assert_eq!(close(vec![view(5, 1)], 0), [Emitted::Open(alone.clone(), 1)]);
/// assert_eq!(close(vec![click(7, 7)], 0), [Emitted::Settled(pair), Emitted::Open(alone, -1)]);
/// assert_eq!(close(vec![view(8, 2)], 0).len(), 1);
/// assert_eq!(close(vec![click(3, 8)], 11), [
///     Emitted::Closed(('a', (8_000, (2, None)))),
///     Emitted::Late(1),
/// ]);
/// ```
pub struct EventJoin<K: Record, V: Record, W: Record, X> {
    spec: JoinSpec<V, W, X>,
    states: Index<K, KeepRows<V, W>>,
    due: Due<K>,
    /// What ends here or before is closed.
    through_ms: i64,
    /// Whether rows were restored for which nothing is due yet.
    restored: bool,
    rows: u64,
    updated: u64,
}

/// What holds for the rows of one side.
struct Flank<D, V, W, X> {
    /// For how long after its own time a row can meet others; `None` if for ever.
    reach_us: Option<i64>,
    late: Late,
    /// Whether it matters that a row has met another.
    marks: bool,
    alone: Option<fn(D) -> X>,
    saved: fn(Kept<D>) -> Side<Kept<V>, Kept<W>>,
}

impl<V, W, X> JoinSpec<V, W, X> {
    fn left_flank(&self) -> Flank<V, V, W, X> {
        Flank {
            reach_us: self.reaches_us()[0],
            late: self.late,
            marks: self.shape.marks_lefts(),
            alone: self.shape.left_alone,
            saved: Side::Left,
        }
    }

    fn right_flank(&self) -> Flank<W, V, W, X> {
        Flank {
            reach_us: self.reaches_us()[1],
            late: self.late,
            marks: self.shape.marks_rights(),
            alone: self.shape.right_alone,
            saved: Side::Right,
        }
    }
}

impl<D: Record, V, W, X> Flank<D, V, W, X> {
    fn over_ms(&self, row: &Kept<D>) -> i64 {
        self.reach_us.map_or(i64::MAX, |reach| upper_ms(row.at_us.saturating_add(reach)))
    }

    /// When it is known that a row stays alone.
    fn closes_ms(&self, row: &Kept<D>) -> i64 {
        self.late.closed_at(self.over_ms(row))
    }

    /// When a row goes.
    fn goes_ms(&self, row: &Kept<D>) -> i64 {
        self.late.gone_at(self.over_ms(row))
    }

    /// When there is next something to do for the rows of a key.
    fn due_ms(&self, rows: &Queue<D>, through_ms: i64) -> i64 {
        let goes_ms = rows.front().map_or(i64::MAX, |row| self.goes_ms(row));
        if self.alone.is_none() {
            return goes_ms;
        }
        let open = rows.partition_point(|row| self.closes_ms(row) <= through_ms);
        rows.get(open).map_or(goes_ms, |row| self.closes_ms(row).min(goes_ms))
    }
}

/// One key in one batch.
struct Turn<'a, K, V, W, X> {
    key: &'a K,
    spec: &'a JoinSpec<V, W, X>,
    left: &'a Flank<V, V, W, X>,
    right: &'a Flank<W, V, W, X>,
    /// Up to where the batches before have closed, and up to where this one does.
    through_ms: i64,
    closing_ms: i64,
    emitted: &'a mut Vec<Emitted<(K, Timed<X>)>>,
    tap: &'a mut Tap<SavedJoin<K, V, W>>,
}

impl<K: Record, V: Record, W: Record, X> Turn<'_, K, V, W, X> {
    /// Lets the rows of a batch meet those that are kept, and each other, and keeps them; gives how
    /// many.
    fn meet(&mut self, arrived: Vec<Side<Timed<V>, Timed<W>>>, kept: &mut Rows<V, W>) -> u64 {
        let (left_flank, right_flank) = (self.left, self.right);
        let (mut lefts, mut rights) = (Queue::new(), Queue::new());
        for row in arrived {
            match row {
                Side::Left((at_us, value)) => {
                    let row = Kept { at_us, has_met: false, value };
                    let passes = self.spec.on.holds_left(&row.value);
                    self.admit(row, passes, left_flank, &mut lefts);
                }
                Side::Right((at_us, value)) => {
                    let row = Kept { at_us, has_met: false, value };
                    let passes = self.spec.on.holds_right(&row.value);
                    self.admit(row, passes, right_flank, &mut rights);
                }
            }
        }
        let once = self.spec.shape.ends_at_first();
        for left in &mut lefts {
            for right in within(&mut kept.rights, self.spec.bounds.rights_of(left.at_us)) {
                if self.spec.on.holds(&left.value, &right.value) {
                    self.pair((left, false), (right, true));
                    if once {
                        break;
                    }
                }
            }
        }
        if once {
            // Nothing more will come of these.
            lefts.retain(|left| !left.has_met);
        }
        for right in &mut rights {
            let span = self.spec.bounds.lefts_of(right.at_us);
            let old = within(&mut kept.lefts, span.clone()).map(|left| (left, true));
            for (left, is_kept) in old.chain(within(&mut lefts, span).map(|left| (left, false))) {
                if !(once && left.has_met) && self.spec.on.holds(&left.value, &right.value) {
                    self.pair((left, is_kept), (right, false));
                }
            }
        }
        let (mut due_ms, mut count) = (kept.due_ms, 0);
        for left in lefts {
            count += self.keep(left, left_flank, (&mut kept.lefts, &mut kept.bytes, &mut due_ms));
        }
        for right in rights {
            count +=
                self.keep(right, right_flank, (&mut kept.rights, &mut kept.bytes, &mut due_ms));
        }
        kept.due_ms = due_ms;
        count
    }

    /// Takes a row among those of the batch, if it passes its side's own condition; it meets none,
    /// if not.
    fn admit<D: Record>(
        &mut self,
        row: Kept<D>,
        passes: bool,
        flank: &Flank<D, V, W, X>,
        rows: &mut Queue<D>,
    ) {
        if passes {
            insert(rows, row);
        } else if let Some(alone) = self.alone(&row, flank) {
            self.emitted.push(Emitted::Settled(alone));
        }
    }

    /// Two rows meet, each with whether it was kept before.
    fn pair(
        &mut self,
        (left, left_kept): (&mut Kept<V>, bool),
        (right, right_kept): (&mut Kept<W>, bool),
    ) {
        let (time, shape) = (self.spec.time, &self.spec.shape);
        if let Some(pair) = shape.pair {
            let at_us = time.of(Some(left.at_us), Some(right.at_us));
            let row = (at_us, pair(left.value.clone(), right.value.clone()));
            self.emitted.push(Emitted::Settled((self.key.clone(), row)));
        }
        if let Some(first) = shape.first.filter(|_| !left.has_met) {
            let row = (left.at_us, first(left.value.clone()));
            self.emitted.push(Emitted::Settled((self.key.clone(), row)));
        }
        self.mark(left, left_kept, self.left);
        self.mark(right, right_kept, self.right);
    }

    /// Notes that a row has met another: that it was alone is taken back.
    fn mark<D: Record>(&mut self, row: &mut Kept<D>, was_kept: bool, flank: &Flank<D, V, W, X>) {
        if !flank.marks || row.has_met {
            return;
        }
        if was_kept {
            self.save(row, -1, flank);
            self.show(row, -1, flank);
        }
        row.has_met = true;
        if was_kept {
            self.save(row, 1, flank);
        }
    }

    /// Keeps a row of the batch for those that follow, if any can meet it; gives 1 if so.
    fn keep<D: Record>(
        &mut self,
        row: Kept<D>,
        flank: &Flank<D, V, W, X>,
        (rows, bytes, due_ms): (&mut Queue<D>, &mut usize, &mut i64),
    ) -> u64 {
        if flank.goes_ms(&row) <= self.closing_ms {
            if let Some(alone) = self.alone(&row, flank).filter(|_| !row.has_met) {
                self.emitted.push(Emitted::Settled(alone));
            }
            return 0;
        }
        if !row.has_met {
            self.show(&row, 1, flank);
        }
        self.save(&row, 1, flank);
        let closes_ms = flank.closes_ms(&row);
        let is_closing = flank.alone.is_some() && closes_ms > self.through_ms;
        *due_ms = (*due_ms).min(if is_closing { closes_ms } else { flank.goes_ms(&row) });
        *bytes += insert(rows, row);
        1
    }

    /// Closes and lets go what the watermark of this batch has passed; gives how many rows went.
    fn pass<D: Record>(
        &mut self,
        flank: &Flank<D, V, W, X>,
        rows: &mut Queue<D>,
        bytes: &mut usize,
    ) -> u64 {
        if flank.alone.is_some() {
            let closed = |ms: i64| rows.partition_point(|row| flank.closes_ms(row) <= ms);
            for row in rows.range(closed(self.through_ms)..closed(self.closing_ms)) {
                if let Some(alone) = self.alone(row, flank).filter(|_| !row.has_met) {
                    self.emitted.push(Emitted::Closed(alone));
                }
            }
        }
        let gone = rows.partition_point(|row| flank.goes_ms(row) <= self.closing_ms);
        for row in rows.drain(..gone) {
            *bytes -= row_bytes(&row);
            self.save(&row, -1, flank);
        }
        if rows.capacity() > 4 * rows.len().max(4) {
            rows.shrink_to(2 * rows.len());
        }
        gone as u64
    }

    /// Shows the rows that are alone and may still meet others.
    fn show_open<D: Record>(&mut self, rows: &Queue<D>, flank: &Flank<D, V, W, X>) {
        let through_ms = self.through_ms;
        let open = rows.iter().filter(|row| flank.closes_ms(row) > through_ms);
        open.filter(|row| !row.has_met).for_each(|row| self.show(row, 1, flank));
    }

    /// The row that comes out for one that is alone.
    fn alone<D: Record>(&self, row: &Kept<D>, flank: &Flank<D, V, W, X>) -> Option<(K, Timed<X>)> {
        let row = (row.at_us, flank.alone?(row.value.clone()));
        Some((self.key.clone(), row))
    }

    /// Shows that a row is alone, or takes it back.
    fn show<D: Record>(&mut self, row: &Kept<D>, diff: Diff, flank: &Flank<D, V, W, X>) {
        if let Some(alone) = self.alone(row, flank) {
            let is_closed = flank.closes_ms(row) <= self.through_ms;
            let event = if is_closed { Emitted::Revised } else { Emitted::Open };
            self.emitted.push(event(alone, diff));
        }
    }

    fn save<D: Record>(&mut self, row: &Kept<D>, diff: Diff, flank: &Flank<D, V, W, X>) {
        let key = self.key;
        self.tap.record(|| SavedJoin::Row(key.clone(), (flank.saved)(row.clone()), diff));
    }
}

impl<K: Record, V: Record, W: Record, X> EventJoin<K, V, W, X> {
    /// A join without rows yet.
    pub fn new(spec: JoinSpec<V, W, X>) -> Self {
        EventJoin {
            spec,
            states: Index::new(KeepRows(PhantomData)),
            due: Due::new(),
            through_ms: i64::MIN,
            restored: false,
            rows: 0,
            updated: 0,
        }
    }

    /// Finds out when there is something to do for what was restored.
    fn settle(&mut self) {
        if std::mem::take(&mut self.restored) {
            let (left, right) = (self.spec.left_flank(), self.spec.right_flank());
            let (due, through_ms) = (&mut self.due, self.through_ms);
            self.states.retain(|key, rows| {
                let right_ms = right.due_ms(&rows.rights, through_ms);
                rows.due_ms = left.due_ms(&rows.lefts, through_ms).min(right_ms);
                if rows.due_ms < i64::MAX {
                    due.push(rows.due_ms, key.clone());
                }
                true
            });
        }
    }

    /// Whether a row comes too late.
    fn is_late(&self, row: &Side<Timed<V>, Timed<W>>, watermark: Watermark) -> bool {
        let (is_marked, at_us) = match row {
            Side::Left((at_us, _)) => (self.spec.marked.0, *at_us),
            Side::Right((at_us, _)) => (self.spec.marked.1, *at_us),
        };
        is_marked && self.spec.late.is_late(upper_ms(at_us), watermark)
    }
}

impl<T, K, V, W, X> BatchOperator<T> for EventJoin<K, V, W, X>
where
    T: Epoch,
    K: Record,
    V: Record,
    W: Record,
    X: Record,
{
    type Input = Paced<Chunks<(K, Side<Timed<V>, Timed<W>>)>>;
    type Output = Chunks<Emitted<(K, Timed<X>)>>;
    type Saved = SavedJoin<K, V, W>;

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
        let (through_ms, closing_ms) = (self.through_ms, self.through_ms.max(watermark.close_ms));
        let mut arrived: Vec<_> = messages.into_iter().flat_map(Chunks::into_rows).collect();
        let came = arrived.len();
        arrived.retain(|(_, row)| !self.is_late(row, watermark));
        let late = (came - arrived.len()) as i64;
        arrived.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));

        let (spec, due, mut emitted) = (&self.spec, &mut self.due, Vec::new());
        let (left, right) = (spec.left_flank(), spec.right_flank());
        let (mut new_keys, mut came, mut gone) = (0, 0, 0);
        let mut arrived = arrived.into_iter().peekable();
        while let Some((key, row)) = arrived.next() {
            let mut group = vec![row];
            while let Some((_, row)) = arrived.next_if(|(other, _)| *other == key) {
                group.push(row);
            }
            self.states.change(key, |key, rows| {
                let is_new = rows.is_none();
                let mut rows = rows.unwrap_or_default();
                let due_ms = rows.due_ms;
                let (left, right, emitted) = (&left, &right, &mut emitted);
                let mut turn =
                    Turn { key, spec, left, right, through_ms, closing_ms, emitted, tap };
                came += turn.meet(group, &mut rows);
                if rows.due_ms < due_ms {
                    due.push(rows.due_ms, key.clone());
                }
                new_keys += usize::from(is_new && rows.len() > 0);
                (rows.len() > 0).then_some(rows)
            });
        }
        self.states.grow_ahead_of(new_keys);
        while let Some((time_ms, keys)) = due.pop(|time_ms| time_ms <= closing_ms) {
            for key in keys {
                self.states.change(key, |key, rows| {
                    // Where there was something to do earlier, it is done.
                    let mut rows = rows?;
                    if rows.due_ms != time_ms {
                        return Some(rows);
                    }
                    let (left, right, emitted) = (&left, &right, &mut emitted);
                    let mut turn =
                        Turn { key, spec, left, right, through_ms, closing_ms, emitted, tap };
                    gone += turn.pass(left, &mut rows.lefts, &mut rows.bytes);
                    gone += turn.pass(right, &mut rows.rights, &mut rows.bytes);
                    let right_ms = right.due_ms(&rows.rights, closing_ms);
                    rows.due_ms = left.due_ms(&rows.lefts, closing_ms).min(right_ms);
                    if rows.due_ms < i64::MAX {
                        due.push(rows.due_ms, key.clone());
                    }
                    (rows.len() > 0).then_some(rows)
                });
            }
        }
        self.rows = self.rows + came - gone;
        self.updated = came;
        if closing_ms > through_ms {
            self.through_ms = closing_ms;
            tap.record(|| SavedJoin::ClosedThrough(closing_ms));
        }
        Emitted::give(emitted, late, output);
    }

    fn route(saved: &Self::Saved) -> Route {
        match saved {
            SavedJoin::Row(key, ..) => Route::of_key(key),
            SavedJoin::ClosedThrough(_) => Route::Everywhere,
        }
    }

    fn form() -> SavedForm {
        SavedForm::Differences
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        let (mut rows, mut through_ms) = (Vec::new(), None);
        for row in saved {
            match row {
                SavedJoin::Row(key, row, diff) => rows.push(((key, row), diff)),
                SavedJoin::ClosedThrough(ms) => through_ms = through_ms.max(Some(ms)),
            }
        }
        let rows = folding.differences(rows).into_iter();
        let rows = rows.map(|((key, row), diff)| SavedJoin::Row(key, row, diff));
        rows.chain(through_ms.map(SavedJoin::ClosedThrough)).collect()
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.restored = true;
        for row in saved {
            let (key, row, diff) = match row {
                SavedJoin::Row(key, row, diff) => (key, row, diff),
                SavedJoin::ClosedThrough(ms) => {
                    self.through_ms = self.through_ms.max(ms);
                    continue;
                }
            };
            let comes = diff > 0;
            self.rows = self.rows.saturating_add_signed(if comes { 1 } else { -1 });
            self.states.change(key, |_, rows| {
                let mut rows = rows.unwrap_or_default();
                match (row, comes) {
                    (Side::Left(row), true) => rows.bytes += insert(&mut rows.lefts, row),
                    (Side::Left(row), false) => rows.bytes -= remove(&mut rows.lefts, &row),
                    (Side::Right(row), true) => rows.bytes += insert(&mut rows.rights, row),
                    (Side::Right(row), false) => rows.bytes -= remove(&mut rows.rights, &row),
                }
                (rows.len() > 0).then_some(rows)
            });
        }
    }

    fn contents(&mut self, _batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let (mut emitted, mut tap) = (Vec::new(), Tap::new(false));
        let (left, right) = (self.spec.left_flank(), self.spec.right_flank());
        let (through_ms, closing_ms) = (self.through_ms, i64::MAX);
        for (key, rows) in self.states.iter() {
            let (left, right, spec) = (&left, &right, &self.spec);
            let (emitted, tap) = (&mut emitted, &mut tap);
            let mut turn = Turn { key, spec, left, right, through_ms, closing_ms, emitted, tap };
            turn.show_open(&rows.lefts, left);
            turn.show_open(&rows.rights, right);
        }
        if !emitted.is_empty() {
            output.give(Chunks::loose(emitted));
        }
    }

    fn size(&self) -> StateSize {
        let bytes = (self.states.bytes() + self.due.bytes()) as u64;
        StateSize { keys: self.rows, bytes, updated: self.updated }
    }
}
