//! q5: the hot auctions of a sliding window.

use serde::{Deserialize, Serialize};

use super::highest::Highest;
use super::kinds::{WATERMARK_DELAY_MS, bids};
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, TimeWindow, TimeWindows};

const LENGTH_MS: i64 = 10_000;
const SLIDE_MS: i64 = 2_000;

/// An auction that had the most bids of a window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HotItem {
    /// Which window.
    pub window: TimeWindow,
    /// Which auction.
    pub auction: u64,
    /// How many bids it had.
    pub bids: i64,
}

/// The auctions that had the most bids in the last ten seconds, every two seconds: one, or several
/// that had as many.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q5;
///
/// let hot = nexmark(5_000, q5).concat();
/// assert!(!hot.is_empty() && hot.iter().all(|item| item.auction % 100 == 0));
/// ```
pub fn q5(events: DStream<'_, NexmarkEvent>) -> DStream<'_, HotItem> {
    let bids = bids(events).uid("watermark").with_watermark(|bid| bid.time_ms, WATERMARK_DELAY_MS);
    let windows = bids.map(|bid| bid.auction).uid("counts");
    let counts =
        windows.window(TimeWindows::sliding(LENGTH_MS, SLIDE_MS)).count_by_value().finals();
    // All rows of a window come in the batch in which it closes.
    let hot =
        counts.map(|((window, auction), bids)| (window, (bids, auction))).aggregate_by_key(Highest);
    hot.flat_map(|(window, (bids, auctions))| {
        auctions.into_iter().map(move |auction| HotItem { window, auction, bids })
    })
}
