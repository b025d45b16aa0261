//! How often each word has occurred since the beginning.

use crate::{DStream, Table, fault};

/// The words of each line: what is between anything but letters and digits, in lower case.
///
/// ```
/// # use tidegate::doc::batches;
/// let words = batches(vec![vec!["The tide; the GATE."]], tidegate::workloads::words);
/// assert_eq!(words, [["the", "tide", "the", "gate"]]);
/// ```
pub fn words(lines: DStream<'_, String>) -> DStream<'_, String> {
    lines.flat_map(|line: String| {
        fault::strike_at_poison(&line);
        words_of(&line)
    })
}

/// The words of one line.
///
/// ```
/// assert_eq!(tidegate::workloads::words_of("The tide; the GATE."), ["the", "tide", "the", "gate"]);
/// ```
pub fn words_of(line: &str) -> Vec<String> {
    line.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// How often each word has occurred since the beginning.
///
/// ```
/// # use tidegate::doc::batches;
/// let counts = batches(vec![vec!["the tide"], vec!["The gate"]], |lines| {
///     tidegate::workloads::wordcount(lines).filter(|(_, count)| *count > 1).snapshots()
/// });
/// assert_eq!(counts, [vec![], vec![("the".to_string(), 2)]]);
/// ```
pub fn wordcount(lines: DStream<'_, String>) -> Table<'_, (String, i64)> {
    words(lines).uid("words").running().count_by_value()
}
