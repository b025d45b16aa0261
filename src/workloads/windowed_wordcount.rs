//! How often each word has occurred in a sliding window.

use super::words;
use crate::{DStream, Span, Table};

/// How often each word has occurred in a sliding window.
///
/// ```
/// # use tidegate::doc::batches;
/// use tidegate::Span;
/// use tidegate::workloads::windowed_wordcount;
///
/// let counts = batches(vec![vec!["tide"], vec!["gate"], vec!["gate"]], |lines| {
///     windowed_wordcount(lines, Span::batches(2), Span::batches(1)).snapshots()
/// });
/// assert_eq!(counts[2], [("gate".to_string(), 2)]);
/// ```
pub fn windowed_wordcount(
    lines: DStream<'_, String>,
    length: impl Into<Span>,
    slide: impl Into<Span>,
) -> Table<'_, (String, i64)> {
    words(lines).uid("words").window(length, slide).count_by_value()
}
