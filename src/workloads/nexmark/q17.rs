//! q17: prices of an auction by day.

use serde::{Deserialize, Serialize};
use tidegate_operators::Aggregate;

use super::ByRank;
use super::calendar::{day_of, midnight_before};
use super::kinds::bids;
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, Table};

/// The prices that were bid, in cents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prices {
    /// How many bids there were.
    pub bids: ByRank,
    /// The lowest price.
    pub min: i64,
    /// The highest price.
    pub max: i64,
    /// Their mean, cut off.
    pub mean: i64,
    /// All of them together.
    pub sum: i64,
}

/// Prices, put together.
#[derive(Clone, Copy)]
struct OfPrices;

impl Aggregate<i64> for OfPrices {
    type Acc = Prices;
    type Out = Prices;

    fn lift(&self, price: i64) -> Prices {
        Prices { bids: ByRank::of_price(price), min: price, max: price, mean: price, sum: price }
    }

    fn merge(&self, acc: &mut Prices, other: Prices) {
        acc.bids = acc.bids.plus(other.bids);
        acc.min = acc.min.min(other.min);
        acc.max = acc.max.max(other.max);
        acc.sum = acc.sum.wrapping_add(other.sum);
    }

    fn finish(&self, records: i64, acc: &Prices) -> Prices {
        Prices { mean: acc.sum / records, ..acc.clone() }
    }
}

/// How many bids each auction had on each day, in all and by the rank of the price; their lowest
/// and highest price, the mean and the sum.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q17;
///
/// let prices = nexmark(100, |events| q17(events).snapshots()).concat();
/// assert!(prices.iter().all(|(_, of)| of.min <= of.mean && of.mean <= of.max));
/// ```
pub fn q17(events: DStream<'_, NexmarkEvent>) -> Table<'_, ((u64, String), Prices)> {
    let prices = bids(events).map(|bid| ((bid.auction, midnight_before(bid.time_ms)), bid.price));
    let prices = prices.uid("prices").running().aggregate_by_key(OfPrices);
    prices.map(|((auction, midnight), prices)| ((auction, day_of(midnight)), prices))
}
