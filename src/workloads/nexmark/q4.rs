//! q4: the mean price of a category.

use super::winning::winning_offers;
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{Count, DStream, Sum, Table};

/// The mean of the winning prices of each category.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q4;
///
/// let means = nexmark(5_000, |events| q4(events).snapshots());
/// let categories = means.last().expect("a batch").iter().map(|(category, _mean)| *category);
/// assert!(categories.eq(10..15));
/// ```
pub fn q4(events: DStream<'_, NexmarkEvent>) -> Table<'_, (u64, i64)> {
    let prices = winning_offers(events).map(|(lot, offer)| (lot.category, offer.price));
    prices.uid("means").aggregate_by_key((Sum, Count)).map_values(|(sum, count)| sum / count)
}
