//! The most frequent words of a sliding window.

use std::cmp::Reverse;

use super::windowed_wordcount;
use crate::{DStream, Span, Table};

/// The `k` most frequent words of a sliding window, each with how often it has occurred; of words
/// that have occurred as often, those that come first in the alphabet.
///
/// Kept: the counts of the window, in order.
///
/// ```
/// # use tidegate::doc::batches;
/// use tidegate::Span;
/// use tidegate::workloads::top_k;
///
/// let most = batches(vec![vec!["tide gate tide"], vec!["gate gate"]], |lines| {
///     top_k(lines, 1, Span::batches(2), Span::batches(1)).snapshots()
/// });
/// assert_eq!(most, [[("tide".to_string(), 2)], [("gate".to_string(), 3)]]);
/// ```
pub fn top_k(
    lines: DStream<'_, String>,
    k: usize,
    length: impl Into<Span>,
    slide: impl Into<Span>,
) -> Table<'_, (String, i64)> {
    let counts = windowed_wordcount(lines, length, slide);
    let most = counts.map(|(word, count)| ((), (count, Reverse(word)))).uid("top").top_k(k);
    most.map(|((), (count, Reverse(word)))| (word, count))
}
