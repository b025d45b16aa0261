//! A range of batches, as one writes it.

use std::fmt;
use std::str::FromStr;

use crate::batch::BatchId;

/// Batches from one to another, both included: `3..7`, `..7`, `3..` or `3`.
///
/// ```
/// use tidegate::recording::BatchRange;
///
/// let range: BatchRange = "3..7".parse().unwrap();
/// assert!(range.contains(3) && range.contains(7) && !range.contains(8));
/// assert!("..".parse::<BatchRange>().unwrap().contains(1));
/// assert!("7..3".parse::<BatchRange>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRange {
    /// The first batch.
    pub first: BatchId,
    /// The last batch.
    pub last: BatchId,
}

impl BatchRange {
    /// All batches.
    pub const ALL: BatchRange = BatchRange { first: 0, last: BatchId::MAX };

    /// Whether a batch is among them.
    pub fn contains(&self, batch: BatchId) -> bool {
        (self.first..=self.last).contains(&batch)
    }
}

impl FromStr for BatchRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, unless_said: BatchId| match text {
            "" => Ok(unless_said),
            _ => text.parse().map_err(|_| {
                format!("`{text}` is no batch: use `3..7`, `..7`, `3..` or `3` (both ends count)")
            }),
        };
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (number(first, 0)?, number(last, BatchId::MAX)?),
            None => {
                let only = text.parse().map_err(|_| number(text, 0).err().unwrap_or_default());
                let only = only.map_err(|error| match error.is_empty() {
                    true => "no batch is given: use `3..7`, `..7`, `3..` or `3`".to_owned(),
                    false => error,
                })?;
                (only, only)
            }
        };
        match first <= last {
            true => Ok(BatchRange { first, last }),
            false => Err(format!("`{text}` ends before it begins: use `{last}..{first}`")),
        }
    }
}

impl fmt::Display for BatchRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "batch {first}"),
            (0, BatchId::MAX) => write!(f, "all batches"),
            (0, last) => write!(f, "batches through {last}"),
            (first, BatchId::MAX) => write!(f, "batches from {first} on"),
            (first, last) => write!(f, "batches {first} to {last}"),
        }
    }
}
