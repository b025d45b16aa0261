//! All records so far, batch by batch: what a state that is recomputed is recomputed from.

use crate::batched::{StateSize, Tap};
use crate::{Record, Tick, heap_bytes};

/// The records of all batches.
pub(super) struct History<K, V> {
    batches: Vec<(Tick, Vec<(K, V)>)>,
    size: StateSize,
}

/// A record, with the id and time of its batch; `None` marks a batch.
pub(super) type SavedRecord<K, V> = (Tick, Option<(K, V)>);

impl<K: Record, V: Record> History<K, V> {
    pub(super) fn new() -> Self {
        History { batches: Vec::new(), size: StateSize::default() }
    }

    /// Adds a batch.
    pub(super) fn push(&mut self, tick: Tick, rows: Vec<(K, V)>, tap: &mut Tap<SavedRecord<K, V>>) {
        tap.record(|| (tick, None));
        rows.iter().for_each(|row| tap.record(|| (tick, Some(row.clone()))));
        self.account(&rows);
        self.batches.push((tick, rows));
    }

    /// A batch that is not to be added.
    pub(super) fn pass(&mut self) {
        self.size.updated = 0;
    }

    /// Takes back what [`push`](History::push) has tapped.
    pub(super) fn restore(&mut self, saved: Vec<SavedRecord<K, V>>) {
        for (tick, row) in saved {
            self.account(row.as_slice());
            match self.batches.last_mut() {
                // Every worker has marked the batch.
                Some((last, rows)) if *last == tick => rows.extend(row),
                _ => self.batches.push((tick, row.into_iter().collect())),
            }
        }
    }

    /// The batches, from the first on.
    pub(super) fn batches(&self) -> &[(Tick, Vec<(K, V)>)] {
        &self.batches
    }

    /// A record counts as a key.
    pub(super) fn size(&self) -> StateSize {
        self.size
    }

    fn account(&mut self, rows: &[(K, V)]) {
        let owned: usize = rows.iter().map(heap_bytes).sum();
        self.size.keys += rows.len() as u64;
        self.size.bytes += (owned + size_of_val(rows)) as u64;
        self.size.updated = rows.len() as u64;
    }
}
