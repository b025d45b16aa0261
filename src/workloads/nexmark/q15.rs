//! q15: statistics of a day.

use super::calendar::{day_of, midnight_before};
use super::statistics::{Statistics, statistics_by};
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, Table};

/// How many bids, different bidders and different auctions there were on each day, in all and by
/// the rank of the price.
///
/// Kept: every bidder and auction of every day.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q15;
///
/// let days = nexmark(100, |events| q15(events).snapshots()).concat();
/// assert_eq!((&*days[0].0, days[0].1.bids.all), ("2015-07-15", 92));
/// ```
pub fn q15(events: DStream<'_, NexmarkEvent>) -> Table<'_, (String, Statistics)> {
    let days = statistics_by(events, |bid| midnight_before(bid.time_ms));
    days.map(|(midnight, statistics)| (day_of(midnight), statistics))
}
