//! q19: the ten highest bids of an auction.

use super::Offer;
use super::kinds::bids;
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, Table};

const BIDS: usize = 10;

/// The ten highest bids on each auction.
///
/// Flink's query gives each its rank. Here there is none: a bid's rank would change with every
/// higher one, and follows from the rows.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q19;
///
/// let highest = nexmark(100, |events| q19(events).snapshots()).concat();
/// assert_eq!(highest.iter().filter(|(auction, _)| *auction == 1_000).count(), 10);
/// ```
pub fn q19(events: DStream<'_, NexmarkEvent>) -> Table<'_, (u64, Offer)> {
    let offers =
        bids(events).map(|bid| (bid.auction, Offer::new(bid.price, bid.time_ms, bid.bidder)));
    offers.uid("offers").running().table().uid("highest").top_k(BIDS)
}
