//! q18: the last bid of a bidder on an auction.

use super::kinds::bids;
use crate::source::generator::nexmark::{Bid, NexmarkEvent};
use crate::{DStream, Max, Table};

/// Bidder and auction, and the last of the bids of the one on the other, by event time. Of bids of
/// one millisecond the one with the higher price stays.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q18;
///
/// let last = nexmark(100, |events| q18(events).snapshots()).concat();
/// assert!(last.iter().all(|((bidder, auction), bid)| (bid.bidder, bid.auction) == (*bidder, *auction)));
/// ```
pub fn q18(events: DStream<'_, NexmarkEvent>) -> Table<'_, ((u64, u64), Bid)> {
    let timed = bids(events).map(|bid| ((bid.bidder, bid.auction), (bid.time_ms, bid.price, bid)));
    timed.uid("last").running().aggregate_by_key(Max).map_values(|(_, _, bid)| bid)
}
