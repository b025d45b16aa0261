//! What opens and closes a batch.

use serde::{Deserialize, Serialize};

/// One tick of the batch clock: the batch `id`, which covers everything after `previous`.
///
/// Ids are numbers of batch intervals since the start of the job. Under overload ids are skipped,
/// so that `previous` may lie more than one back; what falls due at a skipped id takes effect at
/// this one.
///
/// ```
/// use tidegate_operators::Tick;
///
/// let tick = Tick { id: 7, previous: 4, time_ms: 7_000, last: false };
/// assert!(tick.covers_multiple_of(3), "6 was skipped, so it takes effect at 7");
/// assert!(!tick.covers_multiple_of(4), "4 itself belongs to the batch before");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tick {
    /// The batch that this tick cuts.
    pub id: u64,
    /// The batch cut before it; 0 before the first.
    pub previous: u64,
    /// The batch time: milliseconds since 1970.
    pub time_ms: i64,
    /// Whether no batch follows.
    pub last: bool,
}

impl Tick {
    /// Whether a multiple of `slide` lies in `(previous, id]`: whether a window that slides by
    /// `slide` batches has an output in this batch.
    pub fn covers_multiple_of(&self, slide: u64) -> bool {
        self.id / slide > self.previous / slide
    }
}
