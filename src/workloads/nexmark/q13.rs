//! q13: bids beside rows that stay.

use super::kinds::bids;
use crate::DStream;
use crate::source::generator::nexmark::{Bid, NexmarkEvent};

/// How many rows the side input of [`q13`] has.
const ROWS: u64 = 10_000;

/// The side input of Flink's Nexmark: the numbers below 10,000, each with itself as text.
///
/// ```
/// use tidegate::workloads::nexmark::side_input;
///
/// assert_eq!(side_input().last(), Some((9_999, "9999".to_string())));
/// ```
pub fn side_input() -> impl Iterator<Item = (u64, String)> {
    (0..ROWS).map(|key| (key, key.to_string()))
}

/// All bids whose auction's number, modulo 10,000, has a row in the side input, with that row's
/// value. The side input is known when the program is built, and stays as it is.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::{q13, side_input};
///
/// let bids = nexmark(100, |events| q13(events, side_input())).concat();
/// assert!(bids.iter().all(|(bid, value)| bid.auction.to_string() == *value));
/// ```
pub fn q13(
    events: DStream<'_, NexmarkEvent>,
    side_input: impl IntoIterator<Item = (u64, String)>,
) -> DStream<'_, (Bid, String)> {
    bids(events).key_by(|bid| bid.auction % ROWS).join_static(side_input).values()
}
