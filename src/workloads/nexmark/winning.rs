//! The winning offer of each auction: what q4, q6 and q9 begin with.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::kinds::{auctions, bids};
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, Max, Table};

/// What is for sale in an auction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lot {
    /// Which auction.
    pub auction: u64,
    /// What is for sale.
    pub item_name: String,
    /// Who sells it.
    pub seller: u64,
    /// What kind of thing it is.
    pub category: u64,
    /// When the auction closes: milliseconds since 1970.
    pub expires_ms: i64,
}

/// What a bid offers. The larger offer wins: the higher price, then the earlier time, then the
/// smaller number of the bidder.
///
/// ```
/// use tidegate::workloads::nexmark::Offer;
///
/// assert!(Offer::new(100, 7, 1) > Offer::new(99, 5, 1));
/// assert!(Offer::new(100, 7, 1) > Offer::new(100, 8, 1));
/// assert!(Offer::new(100, 7, 1) > Offer::new(100, 7, 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Offer {
    /// The price, in cents.
    pub price: i64,
    /// When: milliseconds since 1970.
    pub time_ms: Reverse<i64>,
    /// Whose.
    pub bidder: Reverse<u64>,
}

impl Offer {
    /// A bidder's price at a time.
    pub fn new(price: i64, time_ms: i64, bidder: u64) -> Self {
        Offer { price, time_ms: Reverse(time_ms), bidder: Reverse(bidder) }
    }
}

/// Each auction that has been bid for while it was open, with the best offer so far.
pub fn winning_offers(events: DStream<'_, NexmarkEvent>) -> Table<'_, (Lot, Offer)> {
    let lots = auctions(events.clone()).map(|auction| {
        let lot = Lot {
            auction: auction.id,
            item_name: auction.item_name,
            seller: auction.seller,
            category: auction.category,
            expires_ms: auction.expires_ms,
        };
        (auction.id, (auction.time_ms, lot))
    });
    let offers =
        bids(events).map(|bid| (bid.auction, Offer::new(bid.price, bid.time_ms, bid.bidder)));
    let pairs = lots.uid("lots").running().table().join(offers.uid("offers").running().table());
    let in_time = pairs.filter(|(_, ((opens_ms, lot), offer))| {
        (*opens_ms..=lot.expires_ms).contains(&offer.time_ms.0)
    });
    in_time.map(|(_, ((_, lot), offer))| (lot, offer)).uid("winning").aggregate_by_key(Max)
}
