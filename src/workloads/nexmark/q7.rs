//! q7: the highest bids of a window.

use super::highest::Highest;
use super::kinds::{WATERMARK_DELAY_MS, bids};
use crate::source::generator::nexmark::{Bid, NexmarkEvent};
use crate::{DStream, TimeWindow, TimeWindows};

const LENGTH_MS: i64 = 10_000;

/// The bids with the highest price of each ten seconds: one, or several of one price.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q7;
///
/// let highest = nexmark(5_000, q7).concat();
/// let window = highest[0].0;
/// assert!((window.start_ms..window.end_ms).contains(&highest[0].1.time_ms));
/// ```
pub fn q7(events: DStream<'_, NexmarkEvent>) -> DStream<'_, (TimeWindow, Bid)> {
    let bids = bids(events).uid("watermark").with_watermark(|bid| bid.time_ms, WATERMARK_DELAY_MS);
    let windows = bids.map(|bid| (bid.price, bid)).uid("highest");
    let highest = windows.window(TimeWindows::tumbling(LENGTH_MS)).aggregate(Highest).finals();
    highest.flat_map(|(window, (_, bids))| bids.into_iter().map(move |bid| (window, bid)))
}
