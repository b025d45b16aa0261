//! For how long what is in a cell stays.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When what does not expire does.
pub(super) const NEVER: i64 = i64::MAX;

/// For how long what is written to a cell stays, and what goes on in the present call. It is no
/// part of the cell's value: two cells with the same contents are equal.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Life {
    ttl_ms: i64,
    /// The time of the call.
    #[serde(skip)]
    pub(super) now_ms: i64,
    #[serde(skip)]
    pub(super) changed: bool,
}

impl Life {
    pub(super) fn of(ttl: Duration) -> Self {
        Life { ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(NEVER), ..Life::default() }
    }

    /// Whether anything expires.
    pub(super) fn expires(&self) -> bool {
        self.ttl_ms < NEVER
    }

    /// When what is written now expires.
    pub(super) fn end_ms(&self) -> i64 {
        if self.expires() { self.now_ms.saturating_add(self.ttl_ms) } else { NEVER }
    }

    /// Something is written: when it expires.
    pub(super) fn write(&mut self) -> i64 {
        self.changed = true;
        self.end_ms()
    }

    /// Whether the cell was not there when a call began.
    pub(super) fn has_no_part_in(&self, now_ms: i64) -> bool {
        self.now_ms != now_ms
    }

    /// The call is over.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

impl Default for Life {
    fn default() -> Self {
        Life { ttl_ms: NEVER, now_ms: i64::MIN, changed: false }
    }
}

/// What goes on in a call is not shown: equal cells look the same.
impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ttl_ms {
            NEVER => f.write_str("for ever"),
            ttl_ms => write!(f, "{ttl_ms} ms"),
        }
    }
}

impl PartialEq for Life {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Life {}

impl PartialOrd for Life {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Life {
    fn cmp(&self, _other: &Self) -> Ordering {
        Ordering::Equal
    }
}
