//! Aggregates by span of event time, from all records at each batch.

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::event_time::closing::Closing;
use crate::event_time::groups::Groups;
use crate::event_time::spans::differ;
use crate::event_time::{Emitted, Late, Paced, SavedWindow, Spans, TimeWindow, Watermark};
use crate::{Chunks, Epoch};

/// What a [`SpanAggregate`](super::SpanAggregate) gives, computed anew at each batch from all records
/// of the spans that are not over: the measure against which it is held.
///
/// Input is shipped by key. Kept: every record, for as long as its span can change, and the results
/// of the batch before, since what leaves is what differs from them. A batch costs all records.
///
/// ```
/// use tidegate_operators::event_time::{
///     ByWindow, Emitted, Late, Paced, SpanRecompute, TimeWindow, Watermark,
/// };
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Chunks, Count};
///
/// let mut counts = Local::new(SpanRecompute::over(ByWindow::<_, (), _>::new(Count), Late::Drop));
/// let window = TimeWindow { start_ms: 0, end_ms: 5 };
/// let mut close = |rows, watermark| {
///     let input =
///         vec![Paced::Rows(Chunks::loose(rows)), Paced::Watermark(Watermark::at(watermark))];
///     counts.close(input).into_iter().flat_map(Chunks::into_rows).collect::<Vec<_>>()
/// };
/// assert_eq!(close(vec![(window, ()), (window, ())], 0), [Emitted::Open((window, 2), 1)]);
/// assert_eq!(close(vec![], 5), [Emitted::Closed((window, 2))]);
/// assert_eq!(close(vec![(window, ())], 5), [Emitted::Late(1)]);
/// ```
pub struct SpanRecompute<S: Spans> {
    spans: S,
    /// The records of each key, and what was seen of them after the batch before.
    groups: Groups<S::Key, S::Value, Option<S::View>>,
    closing: Closing<S::Key>,
    /// Whether records were restored of which nothing has been seen yet.
    restored: bool,
    size: StateSize,
}

impl<S: Spans> SpanRecompute<S> {
    /// An operator without records yet.
    pub fn over(spans: S, late: Late) -> Self {
        let (groups, closing) = (Groups::new(), Closing::new(late));
        SpanRecompute { spans, groups, closing, restored: false, size: StateSize::default() }
    }

    /// Sees what was restored.
    fn settle(&mut self) {
        if std::mem::take(&mut self.restored) {
            self.groups.retain(|group| {
                group.given = view(&self.spans, &group.key, &group.rows);
                group.given.is_some()
            });
        }
    }
}

/// What is seen of a key's records, put together one after the other.
fn view<S: Spans>(spans: &S, key: &S::Key, rows: &[S::Value]) -> Option<S::View> {
    let lift = |row: &S::Value| spans.sift(key, 1, spans.lift(row.clone()), |_| false).0;
    let whole = rows.iter().filter_map(lift).reduce(|mut part, other| {
        spans.merge(&mut part, other);
        part
    });
    whole.map(|part| spans.view(&part))
}

/// Spans and results of what may be seen.
fn spans_of<S: Spans>(
    key: &S::Key,
    view: Option<S::View>,
) -> impl Iterator<Item = (TimeWindow, S::Out)> {
    view.into_iter().flat_map(move |view| S::spans(key, view))
}

impl<T: Epoch, S: Spans> BatchOperator<T> for SpanRecompute<S> {
    type Input = Paced<Chunks<(S::Key, S::Value)>>;
    type Output = Chunks<Emitted<S::Row>>;
    /// The records of a key that has changed.
    type Saved = SavedWindow<S::Key, Vec<S::Value>>;

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        self.settle();
        let (messages, watermark) = Paced::apart(input);
        let watermark = watermark.unwrap_or(Watermark::at(self.closing.through_ms()));
        let (mut emitted, mut dropped) = (Vec::new(), 0);
        let late = self.closing.late();
        for (key, value) in messages.into_iter().flat_map(Chunks::into_rows) {
            let is_late = |end_ms| late.is_late(end_ms, watermark);
            match self.spans.sift(&key, 1, self.spans.lift(value.clone()), is_late) {
                (Some(_), _) => self.groups.push(key, value),
                (None, too_late) => dropped += too_late,
            }
        }

        let before_ms = self.closing.through_ms();
        let SpanRecompute { spans, groups, closing, size, .. } = self;
        *size = StateSize::default();
        // What comes and goes is told by the watermark of the batch before, as it stood until now.
        for group in groups.iter_mut() {
            let (key, now) = (&group.key, view(spans, &group.key, &group.rows));
            let given = std::mem::replace(&mut group.given, now.clone());
            differ(spans_of::<S>(key, given), spans_of::<S>(key, now), |span, out, diff| {
                if diff != 0 {
                    emitted.push(closing.event(S::row(key, span, out), span.end_ms, diff));
                }
            });
        }
        if closing.pass(watermark.close_ms).is_some() {
            tap.record(|| SavedWindow::ClosedThrough(watermark.close_ms));
        }
        groups.retain(|group| {
            let (key, mut gone, mut left) = (&group.key, Vec::<TimeWindow>::new(), 0);
            for (span, out) in spans_of::<S>(key, group.given.clone()) {
                let end_ms = span.end_ms;
                if closing.is_closed(end_ms) && !late.is_closed(end_ms, before_ms) {
                    emitted.push(Emitted::Closed(S::row(key, span, out)));
                }
                if closing.is_gone(end_ms) { gone.push(span) } else { left += 1 }
            }
            size.updated += u64::from(group.touched);
            if !gone.is_empty() {
                group.rows.retain(|row| !gone.iter().any(|span| S::is_in(row, *span)));
                group.given = view(spans, key, &group.rows);
            }
            if std::mem::take(&mut group.touched) || !gone.is_empty() {
                let rows = (left > 0).then(|| group.rows.clone());
                tap.record(|| SavedWindow::State(group.key.clone(), rows));
            }
            size.keys += left;
            size.bytes += if left > 0 { group.bytes() } else { 0 };
            left > 0
        });
        Emitted::give(emitted, dropped, output);
    }

    fn route(saved: &Self::Saved) -> Route {
        saved.route()
    }

    fn form() -> SavedForm {
        SavedForm::Latest
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        SavedWindow::fold(saved, folding)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.restored = true;
        for row in saved {
            match row {
                SavedWindow::State(key, rows) => self.groups.restore(key, rows.unwrap_or_default()),
                SavedWindow::ClosedThrough(ms) => drop(self.closing.pass(ms)),
            }
        }
    }

    fn contents(&mut self, _batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        self.settle();
        let SpanRecompute { groups, closing, .. } = self;
        let mut rows = Vec::new();
        for group in groups.iter_mut() {
            let spans = spans_of::<S>(&group.key, group.given.clone());
            let open = spans.filter(|(span, _)| !closing.is_closed(span.end_ms));
            rows.extend(open.map(|(span, out)| Emitted::Open(S::row(&group.key, span, out), 1)));
        }
        if !rows.is_empty() {
            output.give(Chunks::loose(rows));
        }
    }

    fn size(&self) -> StateSize {
        self.size
    }
}
