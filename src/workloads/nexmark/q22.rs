//! q22: the directories of pages.

use super::kinds::bids;
use crate::DStream;
use crate::source::generator::nexmark::{Bid, NexmarkEvent};

/// All bids, each with the three directories of its page: the parts of its address behind the host,
/// empty where there are none.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::q22;
///
/// let (bid, [one, two, three]) = &nexmark(100, q22).concat()[0];
/// assert!(bid.url.starts_with(&format!("https://www.nexmark.com/{one}/{two}/{three}/item.htm")));
/// ```
pub fn q22(events: DStream<'_, NexmarkEvent>) -> DStream<'_, (Bid, [String; 3])> {
    bids(events).map(|bid| {
        let mut parts = bid.url.split('/').skip(3);
        let directories = [(); 3].map(|()| parts.next().unwrap_or_default().to_owned());
        (bid, directories)
    })
}
