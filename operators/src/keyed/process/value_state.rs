//! One value of a key.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::KeyState;
use super::life::{Life, NEVER};
use crate::Record;

/// One value of a key, if there is one.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::keyed::{KeyState, ValueState};
///
/// let mut seen = ValueState::new().ttl(Duration::from_secs(5));
/// seen.begin(10_000);
/// seen.update('n');
/// assert!(seen.end(10_000));
///
/// seen.begin(14_999);
/// assert_eq!(seen.get(), Some(&'n'));
/// assert!(!seen.end(14_999), "reading changes nothing");
///
/// seen.begin(15_000);
/// assert_eq!(seen.get(), None);
/// assert!(seen.end(15_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueState<T> {
    /// When it expires, and the value.
    held: Option<(i64, T)>,
    life: Life,
}

impl<T> Default for ValueState<T> {
    fn default() -> Self {
        ValueState { held: None, life: Life::default() }
    }
}

impl<T> ValueState<T> {
    /// No value, and none that expires.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a value expire so long after it was written.
    pub fn ttl(self, ttl: Duration) -> Self {
        ValueState { life: Life::of(ttl), ..self }
    }

    /// The value.
    pub fn get(&self) -> Option<&T> {
        self.held.as_ref().map(|(_, value)| value)
    }

    /// The value, to be changed in place; this counts as writing it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        let (expires_ms, value) = self.held.as_mut()?;
        *expires_ms = self.life.write();
        Some(value)
    }

    /// Whether there is a value.
    pub fn exists(&self) -> bool {
        self.held.is_some()
    }

    /// Another value.
    pub fn update(&mut self, value: T) {
        self.held = Some((self.life.write(), value));
    }

    /// No value any more.
    pub fn clear(&mut self) {
        self.life.changed |= self.held.take().is_some();
    }
}

impl<T: Record> KeyState for ValueState<T> {
    fn begin(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        if KeyState::expires_ms(self) <= now_ms {
            self.clear();
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
        self.held.iter_mut().for_each(|(expires_ms, _)| *expires_ms = end_ms);
    }

    fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    fn expires_ms(&self) -> i64 {
        self.held.as_ref().map_or(NEVER, |(expires_ms, _)| *expires_ms)
    }
}
