//! q21: the numbers of channels.

use super::kinds::bids;
use crate::DStream;
use crate::source::generator::nexmark::{Bid, NexmarkEvent};

/// The number of a channel, as text: that of a large one is known, that of another is in the
/// address of its page, or it has none.
///
/// ```
/// use tidegate::workloads::nexmark::channel_id;
///
/// let url = "https://www.nexmark.com/a/b/c/item.htm?query=1&channel_id=77";
/// assert_eq!(channel_id("Baidu", ""), Some("3"));
/// assert_eq!(channel_id("channel-5", url), Some("77"));
/// assert_eq!(channel_id("channel-5", "https://www.nexmark.com/"), None);
/// ```
pub fn channel_id<'a>(channel: &str, url: &'a str) -> Option<&'a str> {
    match channel.to_lowercase().as_str() {
        "apple" => Some("0"),
        "google" => Some("1"),
        "facebook" => Some("2"),
        "baidu" => Some("3"),
        _ => url.split('&').find_map(|parameter| parameter.strip_prefix("channel_id=")),
    }
}

/// All bids whose channel has a number, with that number.
///
/// ```
/// # use tidegate::doc::nexmark;
/// use tidegate::workloads::nexmark::{channel_id, q21};
///
/// let bids = nexmark(100, q21).concat();
/// assert!(bids.iter().all(|(bid, id)| channel_id(&bid.channel, &bid.url) == Some(id)));
/// ```
pub fn q21(events: DStream<'_, NexmarkEvent>) -> DStream<'_, (Bid, String)> {
    bids(events).flat_map(|bid| {
        let id = channel_id(&bid.channel, &bid.url)?.to_owned();
        Some((bid, id))
    })
}
