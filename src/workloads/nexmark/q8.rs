//! q8: new people who sell.

use super::kinds::{WATERMARK_DELAY_MS, auctions, people};
use crate::source::generator::nexmark::NexmarkEvent;
use crate::{DStream, TimeWindow, TimeWindows};

const LENGTH_MS: i64 = 10_000;

/// Number and name of the people who have opened an auction in the ten seconds in which they came;
/// each once, in the batch in which both are known. The watermark is the lower of those of people
/// and of auctions.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q8;
///
/// let new = nexmark(5_000, q8).concat();
/// assert!(!new.is_empty() && new.iter().all(|(window, ..)| window.end_ms % 10_000 == 0));
/// ```
pub fn q8(events: DStream<'_, NexmarkEvent>) -> DStream<'_, (TimeWindow, u64, String)> {
    let people = people(events.clone())
        .uid("people-watermark")
        .with_watermark(|person| person.time_ms, WATERMARK_DELAY_MS)
        .map(|person| (person.id, person.name));
    let sellers = auctions(events)
        .uid("sellers-watermark")
        .with_watermark(|auction| auction.time_ms, WATERMARK_DELAY_MS)
        .map(|auction| (auction.seller, ()));
    let pairs = people.uid("new").pair_with(sellers);
    let new = pairs.in_windows(TimeWindows::tumbling(LENGTH_MS)).semi_join();
    new.finals().map(|((window, id), name)| (window, id, name))
}
