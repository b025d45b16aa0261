//! q20: bids beside their auctions.

use super::kinds::{auctions, bids};
use crate::source::generator::nexmark::{Auction, Bid, NexmarkEvent};
use crate::{DStream, Table};

/// All bids on auctions of category 10, each with its auction.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q20;
///
/// let pairs = nexmark(1_000, |events| q20(events).snapshots());
/// let last = pairs.last().expect("a batch");
/// assert!(!last.is_empty() && last.iter().all(|(bid, auction)| bid.auction == auction.id));
/// ```
pub fn q20(events: DStream<'_, NexmarkEvent>) -> Table<'_, (Bid, Auction)> {
    let auctions = auctions(events.clone()).filter(|auction| auction.category == 10);
    let auctions = auctions.key_by(|auction| auction.id).uid("auctions").running().table();
    let bids = bids(events).key_by(|bid| bid.auction).uid("bids").running().table();
    bids.join(auctions).map(|(_, pair)| pair)
}
