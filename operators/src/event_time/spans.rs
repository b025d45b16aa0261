//! What windows of a fixed length and sessions have in common.

use crate::Record;
use crate::event_time::TimeWindow;
use crate::index::Rule;

/// How the records of a key become spans of event time with results.
///
/// It says what is computed; *how* is another matter: incrementally by a
/// [`SpanAggregate`](super::SpanAggregate), or anew from all records by a
/// [`SpanRecompute`](super::SpanRecompute). There are two: [`ByWindow`](super::ByWindow) and
/// [`BySession`](super::BySession).
pub trait Spans: Clone + 'static {
    /// What records are shipped by, and kept under.
    type Key: Record;
    /// A record, without its key.
    type Value: Record;
    /// Records of a key put together before they are shipped.
    type Acc: Record;
    /// What is kept of a key.
    type Part: Record;
    /// What is seen of it: its spans and their results.
    type View: Clone + PartialEq + 'static;
    /// The result of a span.
    type Out: PartialEq;
    /// A row of the table: key, span and result.
    type Row: Record;

    /// Whether a key may have several spans.
    const SEVERAL: bool;

    /// One record, as if it had been put together with others.
    fn lift(&self, value: Self::Value) -> Self::Acc;

    /// What is to be kept of so many records, and how many of them are too late, by the end of
    /// their span.
    fn sift(
        &self,
        key: &Self::Key,
        records: i64,
        acc: Self::Acc,
        is_late: impl Fn(i64) -> bool,
    ) -> (Option<Self::Part>, i64);

    /// Adds `other` to `part`.
    fn merge(&self, part: &mut Self::Part, other: Self::Part);

    /// What is seen of what is kept.
    fn view(&self, part: &Self::Part) -> Self::View;

    /// Spans and results, in the order of time.
    fn spans(key: &Self::Key, view: Self::View) -> impl Iterator<Item = (TimeWindow, Self::Out)>;

    /// A row of the table.
    fn row(key: &Self::Key, span: TimeWindow, out: Self::Out) -> Self::Row;

    /// What is left of a key when only the spans stay for whose end `stays` holds.
    fn keep(
        &self,
        key: &Self::Key,
        part: Self::Part,
        stays: impl Fn(i64) -> bool,
    ) -> Option<Self::Part>;

    /// Whether a record lies in a span of its key.
    fn is_in(value: &Self::Value, span: TimeWindow) -> bool;
}

/// What is kept by key, as an index wants it.
pub(super) struct Kept<S>(pub(super) S);

impl<S: Spans> Rule for Kept<S> {
    type State = S::Part;
    type Change = S::Part;
    type View = S::View;

    fn first(&self, change: S::Part) -> S::Part {
        change
    }

    fn apply(&self, part: &mut S::Part, change: S::Part) {
        self.0.merge(part, change);
    }

    fn view(&self, part: &S::Part) -> Option<S::View> {
        Some(self.0.view(part))
    }

    fn is_absent(&self, _part: &S::Part) -> bool {
        false
    }
}

/// Calls `visit` with each span of two lists that are both in order of time: with -1, if it is only
/// in the first or has another result there, with 1 for the second, and with 0, if it is in both.
pub(super) fn differ<O: PartialEq>(
    before: impl Iterator<Item = (TimeWindow, O)>,
    after: impl Iterator<Item = (TimeWindow, O)>,
    mut visit: impl FnMut(TimeWindow, O, crate::Diff),
) {
    let mut after = after.peekable();
    for (span, out) in before {
        while let Some((new, out)) = after.next_if(|new| new.0.start_ms < span.start_ms) {
            visit(new, out, 1);
        }
        match after.next_if(|new| new.0.start_ms == span.start_ms) {
            Some((new, result)) if new == span && result == out => visit(span, out, 0),
            new => {
                visit(span, out, -1);
                new.into_iter().for_each(|(new, out)| visit(new, out, 1));
            }
        }
    }
    after.for_each(|(new, out)| visit(new, out, 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed::oracle::Numbers;

    #[test]
    fn two_lists_differ_by_what_is_not_in_both() {
        let mut numbers = Numbers::new(3);
        for _ in 0..200 {
            let mut list = || -> Vec<(TimeWindow, u64)> {
                let starts = (0..6).filter(|_| numbers.below(2) == 0).collect::<Vec<i64>>();
                let span = |start_ms: i64, end_ms: i64| TimeWindow { start_ms, end_ms };
                let ends = starts.iter().map(|start| start * 10 + 5 + numbers.below(2) as i64);
                let ends: Vec<i64> = ends.collect();
                let spans = starts.into_iter().zip(ends);
                spans.map(|(start, end)| (span(start * 10, end), numbers.below(2))).collect()
            };
            let (before, after) = (list(), list());
            let mut found = Vec::new();
            differ(before.iter().copied(), after.iter().copied(), |span, out, diff| {
                found.push(((span, out), diff));
            });
            found.sort();
            let only = |these: &[(TimeWindow, u64)], those: &[(TimeWindow, u64)], diff| {
                let these = these.iter().filter(|row| !those.contains(row));
                these.map(|row| (*row, diff)).collect::<Vec<_>>()
            };
            let both = before.iter().filter(|row| after.contains(row)).map(|row| (*row, 0));
            let mut expected: Vec<((TimeWindow, u64), crate::Diff)> =
                [only(&before, &after, -1), only(&after, &before, 1), both.collect()].concat();
            expected.sort();
            assert_eq!(found, expected);
        }
    }
}
