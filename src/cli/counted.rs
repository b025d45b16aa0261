//! Numbers of things, as they are said.

use indicatif::HumanCount;

/// `1 batch`, or `2 batches`.
pub fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", HumanCount(number), if number == 1 { one } else { several })
}
