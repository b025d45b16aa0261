//! Batches that a job can't get through: what was planned for them goes to the dead letters.

use std::collections::BTreeSet;

use super::store::Store;
use crate::batch::BatchId;
use crate::error::RecoveryError;

const DIRECTORY: &str = "aside";

fn name(batch: BatchId) -> String {
    format!("{DIRECTORY}/{batch:020}")
}

/// Puts a batch aside, for good: each later run of it gives the same.
pub(super) fn put(store: &Store, batch: BatchId) -> Result<(), RecoveryError> {
    store.create(&name(batch), b"").map(drop)
}

/// The batches that were put aside.
pub(super) fn list(store: &Store) -> Result<BTreeSet<BatchId>, RecoveryError> {
    let names = store.list(DIRECTORY)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Copies what is known of them.
pub(super) fn copy(from: &Store, to: &Store) -> Result<(), RecoveryError> {
    list(from)?.into_iter().try_for_each(|batch| put(to, batch))
}

/// Forgets those that no restart begins before.
pub(super) fn forget_through(store: &Store, batch: BatchId) -> Result<(), RecoveryError> {
    let known = list(store)?.into_iter().filter(|known| *known <= batch);
    known.into_iter().try_for_each(|known| store.remove(&name(known)))
}
