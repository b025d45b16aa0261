//! One row that came or went.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::batch::Diff;

/// A row that came (`diff` is positive) or went (negative) in a batch.
///
/// ```
/// use tidegate::Change;
///
/// assert_eq!(format!("{:?}", Change { diff: -1, row: ("tide", 3) }), r#"-1 ("tide", 3)"#);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change<D> {
    /// How often it came, or went.
    pub diff: Diff,
    /// The row.
    pub row: D,
}

impl<D: fmt::Debug> fmt::Debug for Change<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+} {:?}", self.diff, self.row)
    }
}
