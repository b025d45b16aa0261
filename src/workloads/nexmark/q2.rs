//! q2: bids on some auctions.

use super::kinds::bids;
use crate::DStream;
use crate::source::generator::nexmark::NexmarkEvent;

/// Auction and price of the bids on every 123rd auction.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q2;
///
/// let some = nexmark(5_000, q2).concat();
/// assert!(!some.is_empty() && some.iter().all(|(auction, _price)| auction % 123 == 0));
/// ```
pub fn q2(events: DStream<'_, NexmarkEvent>) -> DStream<'_, (u64, i64)> {
    bids(events).filter(|bid| bid.auction % 123 == 0).map(|bid| (bid.auction, bid.price))
}
