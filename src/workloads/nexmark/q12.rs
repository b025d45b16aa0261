//! q12: bids of a bidder in a window of batches.

use super::kinds::bids;
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, Span, Table};

/// How many bids each bidder made in each window of so much time, or so many batches.
///
/// Flink's windows are those of the machine's clock, ten seconds each. Here time passes in batches:
/// a bid lies in the window in which its batch was cut, and a replay puts it into the same one.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::Span;
/// use tidegate::workloads::nexmark::q12;
///
/// let counts = nexmark(1_000, |events| q12(events, Span::batches(2)).snapshots());
/// let bids: i64 = counts[0].iter().map(|(_bidder, bids)| bids).sum();
/// assert_eq!(bids, 184);
/// ```
pub fn q12(events: DStream<'_, NexmarkEvent>, length: impl Into<Span>) -> Table<'_, (u64, i64)> {
    let length = length.into();
    bids(events).map(|bid| bid.bidder).uid("counts").window(length, length).count_by_value()
}
