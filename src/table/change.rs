//! One row that came or went.

use std::cmp::Ordering;
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

/// Puts changes in order: by key, what went before what came, then by the whole row.
#[inline]
pub(super) fn sort<D: Ord>(changes: &mut [Change<D>], by_key: impl Fn(&D, &D) -> Ordering) {
    // Few changes share a key: comparing keys alone first is what is fast.
    changes.sort_unstable_by(|left, right| by_key(&left.row, &right.row));
    for same in changes.chunk_by_mut(|left, right| by_key(&left.row, &right.row).is_eq()) {
        if same.len() > 1 {
            same.sort_unstable_by(|left, right| {
                (left.diff > 0).cmp(&(right.diff > 0)).then_with(|| left.row.cmp(&right.row))
            });
        }
    }
}
