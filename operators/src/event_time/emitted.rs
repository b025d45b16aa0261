//! What an operator with windows of event time gives.

use serde::{Deserialize, Serialize};

use crate::Diff;

/// What happened to a row of a table of windows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Emitted<R> {
    /// It came into a window that is open, or went from it.
    Open(R, Diff),
    /// Its window closed with it: this is the result.
    Closed(R),
    /// The result of a closed window was corrected: it went, or it came.
    Revised(R, Diff),
    /// So many records came too late.
    Late(i64),
}

/// A row of the saved state of windows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SavedWindow<K, S> {
    /// What is kept for a key; `None` once it is gone.
    State(K, Option<S>),
    /// What ends at this time or before is closed.
    ClosedThrough(i64),
}
