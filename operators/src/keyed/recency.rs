//! Keys by when they were last touched: what has been idle longest is found at once, whatever the
//! number of keys.
//!
//! A list through a vector, one entry for each key: a touch moves the entry to the end. Since times
//! rise from batch to batch, the front is always what was touched first.

const NONE: u32 = u32::MAX;

/// A list of hashes of keys, in the order of their last touch.
pub(super) struct Recency {
    entries: Vec<Entry>,
    oldest: u32,
    newest: u32,
    /// The first of the entries that are free, linked by `newer`.
    free: u32,
}

struct Entry {
    hash: u64,
    time_ms: i64,
    older: u32,
    newer: u32,
}

impl Recency {
    pub(super) fn new() -> Self {
        Recency { entries: Vec::new(), oldest: NONE, newest: NONE, free: NONE }
    }

    /// Adds a key that was touched last, and gives the number of its entry.
    pub(super) fn add(&mut self, hash: u64, time_ms: i64) -> u32 {
        let entry = Entry { hash, time_ms, older: NONE, newer: NONE };
        let number = if self.free == NONE {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        } else {
            let number = self.free;
            self.free = self.entry(number).newer;
            *self.entry(number) = entry;
            number
        };
        self.append(number);
        number
    }

    /// The key of an entry has been touched, no earlier than any other.
    pub(super) fn touch(&mut self, number: u32, time_ms: i64) {
        self.unlink(number);
        self.entry(number).time_ms = time_ms;
        self.append(number);
    }

    /// Forgets an entry; its number will be given to another key.
    pub(super) fn remove(&mut self, number: u32) {
        self.unlink(number);
        self.entry(number).newer = self.free;
        self.free = number;
    }

    /// The entry that was touched first, with the hash of its key, if that was before `time_ms`.
    pub(super) fn oldest_before(&self, time_ms: i64) -> Option<(u32, u64)> {
        let entry = self.entries.get(self.oldest as usize)?;
        (entry.time_ms < time_ms).then_some((self.oldest, entry.hash))
    }

    /// Puts entries in order that were added in none.
    pub(super) fn sort(&mut self) {
        let mut linked = Vec::new();
        let mut next = self.oldest;
        while next != NONE {
            linked.push(next);
            next = self.entry(next).newer;
        }
        linked.sort_by_key(|number| self.entries[*number as usize].time_ms);
        (self.oldest, self.newest) = (NONE, NONE);
        linked.into_iter().for_each(|number| self.append(number));
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    fn entry(&mut self, number: u32) -> &mut Entry {
        &mut self.entries[number as usize]
    }

    fn append(&mut self, number: u32) {
        let before = std::mem::replace(&mut self.newest, number);
        let entry = self.entry(number);
        (entry.older, entry.newer) = (before, NONE);
        match before {
            NONE => self.oldest = number,
            before => self.entry(before).newer = number,
        }
    }

    fn unlink(&mut self, number: u32) {
        let Entry { older, newer, .. } = *self.entry(number);
        match older {
            NONE => self.oldest = newer,
            older => self.entry(older).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.entry(newer).older = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::Numbers;
    use super::*;

    #[test]
    fn the_order_of_last_touches_is_kept_whatever_comes_and_goes() {
        let mut numbers = Numbers::new(7);
        let mut recency = Recency::new();
        // Hash, time and entry, in the order of the last touch.
        let mut expected: Vec<(u64, i64, u32)> = Vec::new();
        for time in 0..5000 {
            let nth = numbers.below(1 + expected.len() as u64) as usize;
            match numbers.below(4) {
                0 | 1 if nth < expected.len() => {
                    let (hash, _, entry) = expected.remove(nth);
                    recency.touch(entry, time);
                    expected.push((hash, time, entry));
                }
                2 if nth < expected.len() => recency.remove(expected.remove(nth).2),
                _ => {
                    let hash = numbers.below(u64::MAX);
                    expected.push((hash, time, recency.add(hash, time)));
                }
            }
            if numbers.below(50) == 0 {
                recency.sort();
            }
            let first = expected.first().map(|(hash, time, entry)| ((*entry, *hash), *time));
            assert_eq!(recency.oldest_before(i64::MAX), first.map(|(entry, _)| entry));
            if let Some((_, time)) = first {
                assert_eq!(recency.oldest_before(time), None, "strictly before");
            }
        }
        for (hash, _, entry) in expected {
            assert_eq!(recency.oldest_before(i64::MAX), Some((entry, hash)));
            recency.remove(entry);
        }
        assert_eq!(recency.oldest_before(i64::MAX), None);
    }

    #[test]
    fn entries_added_in_any_order_are_sorted_by_time() {
        let mut recency = Recency::new();
        for time in [5, 1, 4, 1, 3] {
            recency.add(time as u64, time);
        }
        recency.sort();
        let mut times = Vec::new();
        while let Some((entry, hash)) = recency.oldest_before(i64::MAX) {
            times.push(hash);
            recency.remove(entry);
        }
        assert_eq!(times, [1, 1, 3, 4, 5]);
    }
}
