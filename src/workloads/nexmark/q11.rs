//! q11: sessions of bidders.

use super::kinds::{WATERMARK_DELAY_MS, bids};
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, TimeWindow};

const GAP_MS: i64 = 10_000;

/// How many bids each bidder made in each session: one is over when the bidder has made none for
/// ten seconds.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q11;
///
/// let sessions = nexmark(5_000, q11).concat();
/// assert!(sessions.iter().all(|(_, window, bids)| window.end_ms - window.start_ms >= 10_000 && *bids > 0));
/// ```
pub fn q11(events: DStream<'_, NexmarkEvent>) -> DStream<'_, (u64, TimeWindow, i64)> {
    let bids = bids(events).uid("watermark").with_watermark(|bid| bid.time_ms, WATERMARK_DELAY_MS);
    let sessions = bids.map(|bid| (bid.bidder, ())).uid("sessions").sessions(|_, ()| GAP_MS);
    sessions.count_by_key().finals().map(|(bidder, (window, bids))| (bidder, window, bids))
}
