//! How often what goes to a sink is there in the end.

use std::fmt;

/// How often a row is in the output in the end, whatever ended the job and however often.
///
/// ```
/// use tidegate::sink::{Delivery, JsonLines, Sink};
///
/// let sink = JsonLines::new("out/counts.jsonl");
/// assert_eq!(Sink::<u32>::delivery(&sink), Delivery::ExactlyOnce);
/// assert_eq!(Delivery::AtLeastOnce.to_string(), "at least once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Once or never.
    AtMostOnce,
    /// Once, or more often: batches that were not confirmed are written again.
    AtLeastOnce,
    /// Once.
    ExactlyOnce,
    /// Once, to readers that do what is said here.
    ExactlyOnceTo(&'static str),
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delivery::AtMostOnce => f.write_str("at most once"),
            Delivery::AtLeastOnce => f.write_str("at least once"),
            Delivery::ExactlyOnce => f.write_str("exactly once"),
            Delivery::ExactlyOnceTo(readers) => write!(f, "exactly once, to readers {readers}"),
        }
    }
}
