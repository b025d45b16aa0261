//! q1: bids in euros.

use super::kinds::bids;
use crate::DStream;
use crate::source::generator::nexmark::{Bid, NexmarkEvent};

/// A price in cents of a dollar, in cents of a euro: 908 thousandths of it, cut off.
///
/// ```
/// assert_eq!(tidegate::workloads::nexmark::in_euros(1_001), 908);
/// ```
pub fn in_euros(price: i64) -> i64 {
    (i128::from(price) * 908 / 1_000) as i64
}

/// All bids, their prices in euros.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::{in_euros, q0, q1};
///
/// let (dollars, euros) = (nexmark(100, q0).concat(), nexmark(100, q1).concat());
/// assert_eq!(euros[0].price, in_euros(dollars[0].price));
/// ```
pub fn q1(events: DStream<'_, NexmarkEvent>) -> DStream<'_, Bid> {
    bids(events).map(|bid| Bid { price: in_euros(bid.price), ..bid })
}
