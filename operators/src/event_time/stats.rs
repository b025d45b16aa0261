//! Smallest, largest and mean event time of a batch.

use serde::{Deserialize, Serialize};

/// Statistics of event times, in milliseconds, that can be merged in any order.
///
/// ```
/// use tidegate_operators::event_time::EventTimeStats;
///
/// let mut stats = EventTimeStats::of(10);
/// stats.add(30);
/// stats.merge(&EventTimeStats::of(80));
/// assert_eq!((stats.min_ms, stats.max_ms, stats.mean_ms(), stats.count), (10, 80, 40.0, 3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventTimeStats {
    /// The largest event time.
    pub max_ms: i64,
    /// The smallest event time.
    pub min_ms: i64,
    /// The sum of all event times.
    pub sum_ms: i128,
    /// How many there are.
    pub count: u64,
}

impl EventTimeStats {
    /// The statistics of one event time.
    pub fn of(time_ms: i64) -> Self {
        EventTimeStats { max_ms: time_ms, min_ms: time_ms, sum_ms: i128::from(time_ms), count: 1 }
    }

    /// Adds one event time.
    pub fn add(&mut self, time_ms: i64) {
        self.merge(&Self::of(time_ms));
    }

    /// Adds those of others.
    pub fn merge(&mut self, other: &Self) {
        self.max_ms = self.max_ms.max(other.max_ms);
        self.min_ms = self.min_ms.min(other.min_ms);
        self.sum_ms += other.sum_ms;
        self.count += other.count;
    }

    /// The mean event time.
    pub fn mean_ms(&self) -> f64 {
        self.sum_ms as f64 / self.count as f64
    }
}
