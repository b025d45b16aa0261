//! q10: bids by day and minute.

use super::kinds::bids;
use super::{day_of, minute_of};
use crate::DStream;
use crate::source::generator::nexmark::{Bid, NexmarkEvent};

/// All bids, each under the day and the minute of its time.
///
/// Flink's query writes a file for each day and minute. Here these are the key, by which a sink can
/// divide its rows.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q10;
///
/// let ((day, minute), _bid) = &nexmark(100, q10).concat()[0];
/// assert_eq!((&**day, &**minute), ("2015-07-15", "00:00"));
/// ```
pub fn q10(events: DStream<'_, NexmarkEvent>) -> DStream<'_, ((String, String), Bid)> {
    bids(events).key_by(|bid| (day_of(bid.time_ms), minute_of(bid.time_ms)))
}
