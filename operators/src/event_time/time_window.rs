//! Windows of event time: spans, and which of them a record lies in.

use serde::{Deserialize, Serialize};

use crate::Record;
use crate::event_time::micros;

/// A span of event time: from its start, to before its end, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeWindow {
    /// The first millisecond in it.
    pub start_ms: i64,
    /// The first one behind it.
    pub end_ms: i64,
}

impl TimeWindow {
    /// A window before all time, in which rows lie that are too late for their own.
    pub const OVER: TimeWindow = TimeWindow { start_ms: i64::MIN, end_ms: i64::MIN };
    /// The last microsecond in it: the event time of what comes out of it. That of an instant is
    /// the instant.
    ///
    /// ```
    /// use tidegate_operators::event_time::TimeWindow;
    ///
    /// assert_eq!(TimeWindow { start_ms: 0, end_ms: 5 }.last_us(), 4_999);
    /// assert_eq!(TimeWindow { start_ms: 5, end_ms: 5 }.last_us(), 5_000);
    /// ```
    pub fn last_us(self) -> i64 {
        micros(self.end_ms).saturating_sub(1).max(micros(self.start_ms))
    }
}

/// Which windows a record lies in.
///
/// ```
/// use tidegate_operators::event_time::{TimeWindow, TimeWindows};
///
/// let of = |windows: TimeWindows, time_ms: i64| -> Vec<(i64, i64)> {
///     windows.of(time_ms).map(|window| (window.start_ms, window.end_ms)).collect()
/// };
/// assert_eq!(of(TimeWindows::tumbling(5), -1), [(-5, 0)]);
/// assert_eq!(of(TimeWindows::sliding(10, 5), 12), [(5, 15), (10, 20)]);
/// assert_eq!(of(TimeWindows::instants(), 12), [(12, 12)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    length_ms: i64,
    slide_ms: i64,
}

impl TimeWindows {
    /// Windows of `length_ms`, one after the other.
    ///
    /// # Panics
    ///
    /// If the length is not positive.
    pub fn tumbling(length_ms: i64) -> Self {
        TimeWindows::sliding(length_ms, length_ms)
    }

    /// Windows of `length_ms`, one beginning every `slide_ms`; a record lies in several of them,
    /// or between two if the slide is the longer.
    ///
    /// # Panics
    ///
    /// If one of them is not positive.
    pub fn sliding(length_ms: i64, slide_ms: i64) -> Self {
        assert!(
            length_ms > 0 && slide_ms > 0,
            "a window of {length_ms} ms every {slide_ms} ms: use 1 ms or more for both"
        );
        TimeWindows { length_ms, slide_ms }
    }

    /// A window for each event time, which is over as soon as the watermark reaches it.
    pub fn instants() -> Self {
        TimeWindows { length_ms: 0, slide_ms: 1 }
    }

    /// The windows in which a time lies, the earliest first. At the ends of time they are cut off.
    pub fn of(self, time_ms: i64) -> impl Iterator<Item = TimeWindow> {
        let TimeWindows { length_ms, slide_ms } = self;
        let last = time_ms.saturating_sub(time_ms.rem_euclid(slide_ms));
        let into = time_ms.saturating_sub(last);
        // How many windows that begin earlier still reach to the time.
        let earlier = if length_ms == 0 { 0 } else { (length_ms - 1 - into).div_euclid(slide_ms) };
        (0..=earlier).rev().map(move |back| {
            let start_ms = last.saturating_sub(back.saturating_mul(slide_ms));
            TimeWindow { start_ms, end_ms: start_ms.saturating_add(length_ms) }
        })
    }
}

/// A key that has a window in it.
pub trait WindowKey: Record {
    /// The window.
    fn window(&self) -> TimeWindow;
}

impl WindowKey for TimeWindow {
    fn window(&self) -> TimeWindow {
        *self
    }
}

impl<K: Record> WindowKey for (TimeWindow, K) {
    fn window(&self) -> TimeWindow {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_given_every_window_that_it_lies_in_and_no_other() {
        for (length, slide) in [(1, 1), (5, 5), (7, 2), (6, 3), (2, 5), (10, 1)] {
            for time in -23..23 {
                let found: Vec<i64> =
                    TimeWindows::sliding(length, slide).of(time).map(|w| w.start_ms).collect();
                let expected: Vec<i64> = (-60..60)
                    .filter(|start| start % slide == 0 && (*start..start + length).contains(&time))
                    .collect();
                assert_eq!(found, expected, "{time} in windows of {length} every {slide}");
            }
        }
    }
}
