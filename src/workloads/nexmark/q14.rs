//! q14: bids, calculated and filtered.

use serde::{Deserialize, Serialize};

use super::kinds::bids;
use super::{hour_of, in_euros};
use crate::DStream;
use crate::source::generator::nexmark::{Bid, NexmarkEvent};

/// What kind of hour it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimeOfDay {
    /// From eight in the morning through the hour of six in the evening.
    Day,
    /// Through the hour of six in the morning, and from eight in the evening on.
    Night,
    /// The hours between.
    Other,
}

impl TimeOfDay {
    /// The kind of an hour of the day.
    ///
    /// ```
    /// use tidegate::workloads::nexmark::TimeOfDay;
    ///
    /// let kinds = [6, 7, 8, 18, 19, 20].map(TimeOfDay::of_hour);
    /// use TimeOfDay::{Day, Night, Other};
    /// assert_eq!(kinds, [Night, Other, Day, Day, Other, Night]);
    /// ```
    pub fn of_hour(hour: i64) -> Self {
        match hour {
            8..=18 => TimeOfDay::Day,
            ..=6 | 20.. => TimeOfDay::Night,
            _ => TimeOfDay::Other,
        }
    }
}

/// The bids of more than 10,000 and less than 500,000 euros, in euros, each with the kind of its
/// hour and with how often there is a `c` in what is extra.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::{TimeOfDay, q14};
///
/// let (bid, time_of_day, letters) = &nexmark(100, q14).concat()[0];
/// assert_eq!(*time_of_day, TimeOfDay::Night);
/// assert_eq!(bid.extra.matches('c').count() as i64, *letters);
/// ```
pub fn q14(events: DStream<'_, NexmarkEvent>) -> DStream<'_, (Bid, TimeOfDay, i64)> {
    let converted = bids(events).map(|bid| Bid { price: in_euros(bid.price), ..bid });
    converted.filter(|bid| 1_000_000 < bid.price && bid.price < 50_000_000).map(|bid| {
        let letters = bid.extra.chars().filter(|letter| *letter == 'c').count() as i64;
        let time_of_day = TimeOfDay::of_hour(hour_of(bid.time_ms));
        (bid, time_of_day, letters)
    })
}
