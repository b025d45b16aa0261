//! A list of values of a key.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::KeyState;
use super::life::{Life, NEVER};
use crate::Record;

/// Values of a key, in the order in which they were appended. Each expires by itself.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::keyed::{KeyState, ListState};
///
/// let mut prices = ListState::new().ttl(Duration::from_secs(5));
/// prices.begin(10_000);
/// prices.push(7);
/// prices.begin(12_000);
/// prices.push(8);
/// assert!(prices.iter().eq(&[7, 8]));
/// prices.begin(15_000);
/// assert!(prices.iter().eq(&[8]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListState<T> {
    /// Each with when it expires: first come, first to expire.
    items: VecDeque<(i64, T)>,
    life: Life,
}

impl<T> Default for ListState<T> {
    fn default() -> Self {
        ListState { items: VecDeque::new(), life: Life::default() }
    }
}

impl<T> ListState<T> {
    /// No value, and none that expires.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets each value expire so long after it was appended.
    pub fn ttl(self, ttl: Duration) -> Self {
        ListState { life: Life::of(ttl), ..self }
    }

    /// The values, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter().map(|(_, value)| value)
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Appends a value.
    pub fn push(&mut self, value: T) {
        self.items.push_back((self.life.write(), value));
    }

    /// Puts these values in the place of those there are.
    pub fn replace(&mut self, values: impl IntoIterator<Item = T>) {
        let end_ms = self.life.write();
        self.items = values.into_iter().map(|value| (end_ms, value)).collect();
    }

    /// Keeps the values for which `keep` holds; this does not prolong them.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let count = self.items.len();
        self.items.retain(|(_, value)| keep(value));
        self.life.changed |= self.items.len() < count;
    }

    /// No value any more.
    pub fn clear(&mut self) {
        self.life.changed |= !self.items.is_empty();
        self.items.clear();
    }
}

impl<T: Record> KeyState for ListState<T> {
    fn begin(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        while self.items.front().is_some_and(|(expires_ms, _)| *expires_ms <= now_ms) {
            self.items.pop_front();
            self.life.changed = true;
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
        self.items.iter_mut().for_each(|(expires_ms, _)| *expires_ms = end_ms);
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn expires_ms(&self) -> i64 {
        self.items.front().map_or(NEVER, |(expires_ms, _)| *expires_ms)
    }
}
