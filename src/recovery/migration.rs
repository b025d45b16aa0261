//! What becomes of saved rows whose type has changed since.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tidegate_operators::Record;

use super::manifest::OperatorState;
use super::rows;
use super::store::Store;
use crate::error::RecoveryError;

/// A function from saved rows to rows of today, for one operator.
#[derive(Clone)]
pub(crate) struct Migration {
    pub(super) uid: String,
    function: Arc<dyn Fn(Value) -> Value + Send + Sync>,
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Migration").field(&self.uid).finish()
    }
}

impl PartialEq for Migration {
    fn eq(&self, other: &Self) -> bool {
        self.uid == other.uid && Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Eq for Migration {}

impl Migration {
    pub(super) fn new(
        uid: String,
        function: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        Migration { uid, function: Arc::new(function) }
    }

    /// All rows of the operator's state, as they are now; the oldest first.
    pub(super) fn rows_of<S: Record>(
        &self,
        store: &Store,
        state: &OperatorState,
    ) -> Result<Vec<S>, RecoveryError> {
        // Without a format there is no start: it was looked at.
        let saved = rows::of(store, state)?.unwrap_or_default();
        let migrated = saved.into_iter().map(|row| {
            let row = (self.function)(row);
            // Read from a copy, to be shown if that fails.
            serde_json::from_value(row.clone()).map_err(|error| RecoveryError::Migration {
                uid: self.uid.clone(),
                row: row.to_string(),
                reason: error.to_string(),
            })
        });
        migrated.collect()
    }
}
