//! Events by what they are.

use crate::DStream;
use crate::source::generator::nexmark::{Auction, Bid, NexmarkEvent, Person};

/// How far watermarks stay behind the latest event: four seconds, as in Flink's Nexmark.
pub const WATERMARK_DELAY_MS: i64 = 4_000;

/// The people who come.
pub fn people(events: DStream<'_, NexmarkEvent>) -> DStream<'_, Person> {
    events.flat_map(NexmarkEvent::into_person)
}

/// The auctions that open.
pub fn auctions(events: DStream<'_, NexmarkEvent>) -> DStream<'_, Auction> {
    events.flat_map(NexmarkEvent::into_auction)
}

/// The bids.
pub fn bids(events: DStream<'_, NexmarkEvent>) -> DStream<'_, Bid> {
    events.flat_map(NexmarkEvent::into_bid)
}
