//! The plain loops: what the same work costs without any framework.

use std::collections::VecDeque;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use tidegate_operators::stable_hash;

/// A change of a count: the key, the count, the batch, and whether it came or went.
pub(super) type Change = ((u64, i64), u64, isize);

struct Slot {
    key: u64,
    count: i64,
    before: i64,
    touched: u64,
}

/// Counts by key in one hash table, with the old and the new count of every changed key.
#[derive(Default)]
pub(super) struct Counts {
    table: HashTable<Slot>,
    touched: Vec<u64>,
    batch: u64,
}

impl Counts {
    /// Adds to the count of a key.
    #[inline]
    fn add(&mut self, key: u64, by: i64) {
        let hash = stable_hash(&key);
        match self.table.entry(hash, |slot| slot.key == key, |slot| stable_hash(&slot.key)) {
            Entry::Occupied(mut slot) => {
                let slot = slot.get_mut();
                if slot.touched != self.batch {
                    slot.touched = self.batch;
                    slot.before = slot.count;
                    self.touched.push(key);
                }
                slot.count += by;
            }
            Entry::Vacant(free) => {
                free.insert(Slot { key, count: by, before: 0, touched: self.batch });
                self.touched.push(key);
            }
        }
    }

    /// The changes of the batch, into `out`.
    fn changes(&mut self, out: &mut Vec<Change>) {
        out.clear();
        for key in self.touched.drain(..) {
            let hash = stable_hash(&key);
            let Ok(found) = self.table.find_entry(hash, |slot| slot.key == key) else { continue };
            let slot = found.get();
            if slot.before != slot.count {
                if slot.before != 0 {
                    out.push(((key, slot.before), self.batch, -1));
                }
                if slot.count != 0 {
                    out.push(((key, slot.count), self.batch, 1));
                }
            }
            if slot.count == 0 {
                found.remove();
            }
        }
    }

    /// Counts a batch.
    pub(super) fn running(&mut self, batch: &[u64], out: &mut Vec<Change>) {
        self.batch += 1;
        for key in batch {
            self.add(*key, 1);
        }
        self.changes(out);
    }
}

/// Counts by key over a window, with a ring of what must be taken back.
pub(super) struct SlidingCounts {
    counts: Counts,
    ring: VecDeque<Vec<(u64, i64)>>,
    length: usize,
    partial: HashTable<(u64, i64)>,
}

impl SlidingCounts {
    pub(super) fn new(length: usize) -> Self {
        SlidingCounts {
            counts: Counts::default(),
            ring: VecDeque::new(),
            length,
            partial: HashTable::new(),
        }
    }

    /// Counts a batch, and takes back the one that leaves the window.
    pub(super) fn slide(&mut self, batch: &[u64], out: &mut Vec<Change>) {
        self.counts.batch += 1;
        for key in batch {
            let hash = stable_hash(key);
            match self.partial.entry(hash, |(other, _)| other == key, |(key, _)| stable_hash(key)) {
                Entry::Occupied(mut partial) => partial.get_mut().1 += 1,
                Entry::Vacant(free) => {
                    free.insert((*key, 1));
                }
            }
        }
        let arriving: Vec<(u64, i64)> = self.partial.drain().collect();
        for (key, count) in &arriving {
            self.counts.add(*key, *count);
        }
        self.ring.push_back(arriving);
        if self.ring.len() > self.length
            && let Some(leaving) = self.ring.pop_front()
        {
            for (key, count) in leaving {
                self.counts.add(key, -count);
            }
        }
        self.counts.changes(out);
    }
}
