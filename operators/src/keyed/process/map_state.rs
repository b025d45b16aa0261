//! Values of a key by a second key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::KeyState;
use super::life::{Life, NEVER};
use crate::Record;

/// Values of a key by a second key. Each expires by itself; a turn of the key costs all entries of a
/// map of which some expire.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::keyed::{KeyState, MapState};
///
/// let mut views = MapState::new().ttl(Duration::from_secs(5));
/// views.begin(10_000);
/// views.insert('h', 1);
/// views.begin(12_000);
/// views.insert('c', 1);
/// assert!(views.iter().eq([(&'c', &1), (&'h', &1)]));
/// views.begin(15_000);
/// assert!(views.iter().eq([(&'c', &1)]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MapState<Q: Ord, T> {
    /// Each with when it expires.
    entries: BTreeMap<Q, (i64, T)>,
    life: Life,
}

impl<Q: Ord, T> Default for MapState<Q, T> {
    fn default() -> Self {
        MapState { entries: BTreeMap::new(), life: Life::default() }
    }
}

impl<Q: Ord, T> MapState<Q, T> {
    /// No entry, and none that expires.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets each entry expire so long after its value was written.
    pub fn ttl(self, ttl: Duration) -> Self {
        MapState { life: Life::of(ttl), ..self }
    }

    /// The value under a second key.
    pub fn get(&self, key: &Q) -> Option<&T> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The value under a second key, to be changed in place; this counts as writing it.
    pub fn get_mut(&mut self, key: &Q) -> Option<&mut T> {
        let (expires_ms, value) = self.entries.get_mut(key)?;
        *expires_ms = self.life.write();
        Some(value)
    }

    /// Whether there is a value under a second key.
    pub fn contains_key(&self, key: &Q) -> bool {
        self.entries.contains_key(key)
    }

    /// The entries, in the order of the second keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Q, &T)> {
        self.entries.iter().map(|(key, (_, value))| (key, value))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts a value under a second key, and gives the one that was there.
    pub fn insert(&mut self, key: Q, value: T) -> Option<T> {
        self.entries.insert(key, (self.life.write(), value)).map(|(_, value)| value)
    }

    /// Takes the value under a second key out.
    pub fn remove(&mut self, key: &Q) -> Option<T> {
        let (_, value) = self.entries.remove(key)?;
        self.life.changed = true;
        Some(value)
    }

    /// No entry any more.
    pub fn clear(&mut self) {
        self.life.changed |= !self.entries.is_empty();
        self.entries.clear();
    }
}

impl<Q: Record, T: Record> KeyState for MapState<Q, T> {
    fn begin(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        if self.life.expires() {
            let count = self.entries.len();
            self.entries.retain(|_, (expires_ms, _)| *expires_ms > now_ms);
            self.life.changed |= self.entries.len() < count;
        }
    }

    fn end(&mut self, now_ms: i64) -> bool {
        if self.life.has_no_part_in(now_ms) {
            self.renew(now_ms);
            self.life.changed = true;
        }
        self.life.end()
    }

    fn renew(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        let end_ms = self.life.end_ms();
        self.entries.values_mut().for_each(|(expires_ms, _)| *expires_ms = end_ms);
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn expires_ms(&self) -> i64 {
        let all = self.entries.values().filter(|_| self.life.expires());
        all.map(|(expires_ms, _)| *expires_ms).min().unwrap_or(NEVER)
    }
}
