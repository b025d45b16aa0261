//! q6: the mean price of a seller's last ten auctions.

use std::cmp::Reverse;

use super::winning::winning_offers;
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{Count, DStream, Sum, Table};

const AUCTIONS: usize = 10;

/// The mean of the winning prices of each seller's last ten auctions, by the time of the winning
/// bid: of equal ones the auction with the larger number is the later.
///
/// Flink can't run its query, which ranks what changes; here it is a table like the others.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q6;
///
/// let means = nexmark(5_000, |events| q6(events).snapshots());
/// assert!(means.last().expect("a batch").iter().all(|(seller, _mean)| *seller >= 1_000));
/// ```
pub fn q6(events: DStream<'_, NexmarkEvent>) -> Table<'_, (u64, i64)> {
    let sold = winning_offers(events).map(|(lot, offer)| {
        let Reverse(time_ms) = offer.time_ms;
        (lot.seller, (time_ms, lot.auction, offer.price))
    });
    let prices = sold.uid("last").top_k(AUCTIONS).map_values(|(_, _, price)| price);
    prices.uid("means").aggregate_by_key((Sum, Count)).map_values(|(sum, count)| sum / count)
}
