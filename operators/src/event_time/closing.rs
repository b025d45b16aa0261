//! When something becomes of windows.

use crate::event_time::due::Due;
use crate::event_time::{Emitted, Late};
use crate::{Diff, Record};

/// How far the watermark has come, and which keys are to be looked at when it goes on: a key that
/// has spans is noted at or before the watermark that closes the first of them, or lets go of it.
///
/// A span that grows stays where it was noted: it is looked at again when its old end has passed.
pub(super) struct Closing<K> {
    late: Late,
    /// What ends here or before is closed, unless it is held.
    through_ms: i64,
    due: Due<K>,
}

impl<K: Record> Closing<K> {
    pub(super) fn new(late: Late) -> Self {
        Closing { late, through_ms: i64::MIN, due: Due::new() }
    }

    pub(super) fn late(&self) -> Late {
        self.late
    }

    pub(super) fn through_ms(&self) -> i64 {
        self.through_ms
    }

    pub(super) fn bytes(&self) -> usize {
        self.due.bytes()
    }

    pub(super) fn is_closed(&self, end_ms: i64) -> bool {
        self.late.is_closed(end_ms, self.through_ms)
    }

    pub(super) fn is_gone(&self, end_ms: i64) -> bool {
        self.late.is_gone(end_ms, self.through_ms)
    }

    /// A row came or went, of a span with this end.
    pub(super) fn event<R>(&self, row: R, end_ms: i64, diff: Diff) -> Emitted<R> {
        if self.is_closed(end_ms) { Emitted::Revised(row, diff) } else { Emitted::Open(row, diff) }
    }

    /// The watermark at which something becomes of a span with this end.
    pub(super) fn next(&self, end_ms: i64) -> i64 {
        self.late.next(end_ms, self.through_ms)
    }

    /// Notes a key, to be looked at when the watermark is there.
    pub(super) fn note(&mut self, at_ms: i64, key: K) {
        self.due.push(at_ms, key);
    }

    /// Goes on to a watermark; gives the one before, if it was lower.
    pub(super) fn pass(&mut self, watermark_ms: i64) -> Option<i64> {
        (watermark_ms > self.through_ms)
            .then(|| std::mem::replace(&mut self.through_ms, watermark_ms))
    }

    /// The keys that are to be looked at now; one that was noted more than once is there as often.
    pub(super) fn take_due(&mut self) -> Vec<K> {
        let mut taken = Vec::new();
        let through_ms = self.through_ms;
        while let Some((_, mut keys)) = self.due.pop(|at_ms| at_ms <= through_ms) {
            if taken.is_empty() {
                taken = keys;
            } else {
                taken.append(&mut keys);
            }
        }
        taken
    }
}
