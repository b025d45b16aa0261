//! Aggregates by span of event time, kept up to date by what comes.

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::combine::Tally;
use crate::event_time::closing::Closing;
use crate::event_time::spans::{Kept, differ};
use crate::event_time::{Emitted, Late, Paced, SavedWindow, Spans, Watermark};
use crate::index::Index;
use crate::{Chunks, Epoch};

/// Puts tallies together by key and span, gives what changes, and closes the spans that the
/// watermark passes: what is kept of them goes.
///
/// Input is shipped by key. Kept: what the records of each key of each open span have come to, and
/// that of closed ones that may be corrected. A batch costs its own tallies and what it closes.
///
/// It is used as [`WindowAggregate`](super::WindowAggregate) and as
/// [`SessionAggregate`](super::SessionAggregate), which have examples.
pub struct SpanAggregate<S: Spans> {
    index: Index<S::Key, Kept<S>>,
    closing: Closing<S::Key>,
    /// How many spans there are.
    spans: u64,
    /// Whether keys were restored that are not yet noted to be looked at.
    restored: bool,
    updated: u64,
}

impl<S: Spans> SpanAggregate<S> {
    /// An operator without spans yet.
    pub fn over(spans: S, late: Late) -> Self {
        SpanAggregate {
            index: Index::new(Kept(spans)),
            closing: Closing::new(late),
            spans: 0,
            restored: false,
            updated: 0,
        }
    }

    /// Notes what was restored, to be looked at when it is due.
    fn settle(&mut self) {
        if !std::mem::take(&mut self.restored) {
            return;
        }
        self.spans = 0;
        for (key, view) in self.index.views() {
            let ends = S::spans(key, view).map(|(span, _)| span.end_ms);
            let next = ends.map(|end_ms| {
                self.spans += 1;
                self.closing.next(end_ms)
            });
            if let Some(next) = next.min() {
                self.closing.note(next, key.clone());
            }
        }
    }

    /// Closes what the watermark has passed since `before_ms`, and lets go of what can no longer
    /// be corrected.
    fn close_through(
        &mut self,
        before_ms: i64,
        emitted: &mut Vec<Emitted<S::Row>>,
        tap: &mut Tap<SavedWindow<S::Key, S::Part>>,
    ) {
        let rule = self.index.rule().0.clone();
        let (closing, spans) = (&mut self.closing, &mut self.spans);
        let late = closing.late();
        let mut due = closing.take_due();
        if S::SEVERAL {
            due.sort_unstable();
            due.dedup();
        }
        for key in due {
            self.index.change(key, |key, part| {
                let part = part?;
                let (mut next, mut gone) = (i64::MAX, 0);
                for (span, out) in S::spans(key, rule.view(&part)) {
                    let end_ms = span.end_ms;
                    if closing.is_closed(end_ms) && !late.is_closed(end_ms, before_ms) {
                        emitted.push(Emitted::Closed(S::row(key, span, out)));
                    }
                    if closing.is_gone(end_ms) {
                        gone += 1;
                    } else {
                        next = next.min(closing.next(end_ms));
                    }
                }
                *spans -= gone;
                let mut left = Some(part);
                if gone > 0 {
                    left = left
                        .and_then(|part| rule.keep(key, part, |end_ms| !closing.is_gone(end_ms)));
                    tap.record(|| SavedWindow::State(key.clone(), left.clone()));
                }
                if left.is_some() {
                    closing.note(next, key.clone());
                }
                left
            });
        }
    }
}

impl<T: Epoch, S: Spans> BatchOperator<T> for SpanAggregate<S> {
    type Input = Paced<Chunks<Tally<S::Key, S::Acc>>>;
    type Output = Chunks<Emitted<S::Row>>;
    type Saved = SavedWindow<S::Key, S::Part>;

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
        let rule = self.index.rule().0.clone();
        let (closing, spans) = (&mut self.closing, &mut self.spans);
        let late = closing.late();

        let tallies = messages.into_iter().flat_map(Chunks::into_rows);
        let changes = tallies.filter_map(|(key, records, acc)| {
            let is_late = |end_ms| late.is_late(end_ms, watermark);
            let (part, too_late) = rule.sift(&key, records, acc, is_late);
            dropped += too_late;
            part.map(|part| (key, part))
        });
        self.index.apply(changes, |changed| {
            let key = changed.key;
            tap.record(|| SavedWindow::State(key.clone(), changed.state.cloned()));
            let before = changed.before.into_iter().flat_map(|view| S::spans(key, view));
            let after = changed.after.into_iter().flat_map(|view| S::spans(key, view));
            // When something became, and becomes, of the key's first span.
            let (mut was_due, mut is_due) = (i64::MAX, i64::MAX);
            differ(before, after, |span, out, diff| {
                let next = closing.next(span.end_ms);
                was_due = if diff <= 0 { was_due.min(next) } else { was_due };
                is_due = if diff >= 0 { is_due.min(next) } else { is_due };
                if diff != 0 {
                    *spans = spans.wrapping_add_signed(diff as i64);
                    emitted.push(closing.event(S::row(key, span, out), span.end_ms, diff));
                }
            });
            if is_due < was_due {
                closing.note(is_due, key.clone());
            }
        });
        self.updated = self.index.size().updated;

        if let Some(before_ms) = self.closing.pass(watermark.close_ms) {
            tap.record(|| SavedWindow::ClosedThrough(watermark.close_ms));
            self.close_through(before_ms, &mut emitted, tap);
        }
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
                SavedWindow::State(key, Some(part)) => self.index.insert(key, part),
                SavedWindow::State(key, None) => drop(self.index.remove(&key)),
                SavedWindow::ClosedThrough(ms) => drop(self.closing.pass(ms)),
            }
        }
    }

    fn contents(&mut self, _batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let rows = self.index.views().flat_map(|(key, view)| {
            let open = S::spans(key, view).filter(|(span, _)| !self.closing.is_closed(span.end_ms));
            open.map(|(span, out)| Emitted::Open(S::row(key, span, out), 1))
        });
        let rows: Vec<_> = rows.collect();
        if !rows.is_empty() {
            output.give(Chunks::loose(rows));
        }
    }

    fn size(&self) -> StateSize {
        let bytes = (self.index.bytes() + self.closing.bytes()) as u64;
        StateSize { keys: self.spans, bytes, updated: self.updated }
    }
}
