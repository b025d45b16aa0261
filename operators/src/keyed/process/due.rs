//! Keys by when something is due for them: found at once, however many are not due.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::{Record, heap_bytes};

/// Times, in milliseconds, with the keys for which something is due then.
pub(super) struct Due<K> {
    entries: BTreeSet<(i64, K)>,
    /// What the keys own beside their entries.
    heap_bytes: usize,
}

impl<K: Record> Due<K> {
    pub(super) fn new() -> Self {
        Due { entries: BTreeSet::new(), heap_bytes: 0 }
    }

    /// Something is due for a key; nothing changes, if it is already.
    pub(super) fn add(&mut self, time_ms: i64, key: &K) {
        if self.entries.insert((time_ms, key.clone())) {
            self.heap_bytes += heap_bytes(key);
        }
    }

    /// It no longer is.
    pub(super) fn remove(&mut self, time_ms: i64, key: &K) {
        if let Some((_, key)) = self.entries.take(&(time_ms, key.clone())) {
            self.heap_bytes -= heap_bytes(&key);
        }
    }

    /// The first entry behind `last` that is due through `through_ms`, in the order of times, then
    /// of keys.
    pub(super) fn next(&self, last: Option<(i64, K)>, through_ms: i64) -> Option<(i64, K)> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.entries.range((from, Bound::Unbounded)).next();
        next.filter(|(time_ms, _)| *time_ms <= through_ms).cloned()
    }

    pub(super) fn bytes(&self) -> usize {
        self.heap_bytes + self.entries.len() * size_of::<(i64, K)>()
    }
}
