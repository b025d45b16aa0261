//! q16: statistics of a channel.

use super::calendar::{day_of, midnight_before};
use super::statistics::{Statistics, statistics_by};
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, Table};

/// The statistics of [`q15`](super::q15) for each channel and day.
///
/// Kept: every bidder and auction of every channel and day.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q16;
///
/// let channels = nexmark(100, |events| q16(events).snapshots()).concat();
/// let bids: i64 = channels.iter().map(|(_, statistics)| statistics.bids.all).sum();
/// assert_eq!(bids, 92);
/// ```
pub fn q16(events: DStream<'_, NexmarkEvent>) -> Table<'_, ((String, String), Statistics)> {
    let days = statistics_by(events, |bid| (bid.channel.clone(), midnight_before(bid.time_ms)));
    days.map(|((channel, midnight), statistics)| ((channel, day_of(midnight)), statistics))
}
