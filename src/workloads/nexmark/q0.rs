//! q0: all bids.

use super::kinds::bids;
use crate::DStream;
use crate::source::generator::nexmark::{Bid, NexmarkEvent};

/// All bids as they come: what it costs to read them and to write them.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q0;
///
/// assert_eq!(nexmark(100, q0).concat().len(), 92);
/// ```
pub fn q0(events: DStream<'_, NexmarkEvent>) -> DStream<'_, Bid> {
    bids(events)
}
