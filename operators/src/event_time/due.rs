//! Keys, by when there is something to do for them.

use std::collections::BTreeMap;

use crate::{Record, heap_bytes};

/// Keys by a time of the watermark.
pub(super) struct Due<K> {
    by_time: BTreeMap<i64, Vec<K>>,
    bytes: usize,
}

impl<K: Record> Due<K> {
    pub(super) fn new() -> Self {
        Due { by_time: BTreeMap::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, time_ms: i64, key: K) {
        self.bytes += size_of::<K>() + heap_bytes(&key);
        self.by_time.entry(time_ms).or_default().push(key);
    }

    /// The earliest time and its keys, if they are due.
    pub(super) fn pop(&mut self, is_due: impl Fn(i64) -> bool) -> Option<(i64, Vec<K>)> {
        let first = self.by_time.first_entry().filter(|first| is_due(*first.key()))?;
        let (time_ms, keys) = first.remove_entry();
        self.bytes -= keys.iter().map(|key| size_of::<K>() + heap_bytes(key)).sum::<usize>();
        Some((time_ms, keys))
    }

    /// The bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
