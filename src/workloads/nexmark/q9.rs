//! q9: winning bids.

use super::winning::winning_offers;
use super::{Lot, Offer};
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, Table};

/// Each auction with its winning bid so far.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q9;
///
/// let won = nexmark(5_000, |events| q9(events).snapshots());
/// let in_time = won.concat().iter().all(|(lot, offer)| offer.time_ms.0 <= lot.expires_ms);
/// assert!(in_time);
/// ```
pub fn q9(events: DStream<'_, NexmarkEvent>) -> Table<'_, (Lot, Offer)> {
    winning_offers(events)
}
