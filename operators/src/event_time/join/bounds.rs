//! Which rows of a key meet, by their times, and for how long one waits for another.

use std::ops::{Bound, RangeBounds, RangeInclusive};

use crate::event_time::{micros, upper_ms};

/// By how much later a right row may be than a left one that it meets.
///
/// ```
/// use tidegate_operators::event_time::Bounds;
///
/// // From two seconds earlier to five seconds later, in microseconds.
/// let bounds = Bounds::within(-2_000..=5_000);
/// assert_eq!(bounds.rights_of(10_000_000), 8_000_000..=15_000_000);
/// assert_eq!(bounds.lefts_of(10_000_000), 5_000_000..=12_000_000);
/// // More than a second later.
/// assert_eq!(Bounds::within(1_001..).rights_of(0), 1_001_000..=i64::MAX);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    least_us: Option<i64>,
    most_us: Option<i64>,
    /// Whether the time is a part of the key.
    same_time: bool,
}

impl Bounds {
    /// Any two rows of a key meet, and wait for each other for ever.
    pub const ANY: Bounds = Bounds { least_us: None, most_us: None, same_time: false };

    /// Rows that have the same time, as a part of their key: a row is over when the watermark has
    /// reached its time.
    pub const SAME_TIME: Bounds = Bounds { least_us: Some(0), most_us: Some(0), same_time: true };

    /// A right row's time less the left row's is within these bounds, in milliseconds; a bound that
    /// is excluded is so to the microsecond. As in Spark, a row is over when the watermark has
    /// passed the last time at which it could meet another, not when it has reached it.
    pub fn within(bounds: impl RangeBounds<i64>) -> Self {
        Bounds {
            least_us: match bounds.start_bound() {
                Bound::Included(ms) => Some(micros(*ms)),
                Bound::Excluded(ms) => Some(micros(*ms).saturating_add(1)),
                Bound::Unbounded => None,
            },
            most_us: match bounds.end_bound() {
                Bound::Included(ms) => Some(micros(*ms)),
                Bound::Excluded(ms) => Some(micros(*ms).saturating_sub(1)),
                Bound::Unbounded => None,
            },
            same_time: false,
        }
    }

    /// Whether the time is a part of the key.
    pub fn is_same_time(&self) -> bool {
        self.same_time
    }

    /// The times of right rows that a left row meets.
    pub fn rights_of(&self, left_us: i64) -> RangeInclusive<i64> {
        let least = self.least_us.map_or(i64::MIN, |least| left_us.saturating_add(least));
        least..=self.most_us.map_or(i64::MAX, |most| left_us.saturating_add(most))
    }

    /// The times of left rows that a right row meets.
    pub fn lefts_of(&self, right_us: i64) -> RangeInclusive<i64> {
        let least = self.most_us.map_or(i64::MIN, |most| right_us.saturating_sub(most));
        least..=self.least_us.map_or(i64::MAX, |least| right_us.saturating_sub(least))
    }

    /// For how long after its own time a left row can meet others, up to when it is over.
    pub(super) fn left_reach_us(&self) -> Option<i64> {
        self.most_us.map(|most| most.saturating_add(self.linger_us()))
    }

    /// The same for a right row.
    pub(super) fn right_reach_us(&self) -> Option<i64> {
        self.least_us.map(|least| least.saturating_neg().saturating_add(self.linger_us()))
    }

    /// How far the rows that come out, at the times of either side, can lie behind the watermark,
    /// as Spark reckons it: by the longer of both waits. `None` if there is no end to it.
    ///
    /// ```
    /// use tidegate_operators::event_time::Bounds;
    ///
    /// assert_eq!(Bounds::within(-2_000..=5_000).behind_ms(), Some(5_001));
    /// assert_eq!(Bounds::within(-2_000..).behind_ms(), None);
    /// assert_eq!(Bounds::SAME_TIME.behind_ms(), Some(0));
    /// ```
    pub fn behind_ms(&self) -> Option<i64> {
        let longer = self.left_reach_us()?.max(self.right_reach_us()?);
        Some(upper_ms(longer).max(0))
    }

    fn linger_us(&self) -> i64 {
        if self.same_time { 0 } else { 1 }
    }
}
