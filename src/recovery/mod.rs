//! Checkpoints: what makes a job go on where it was, whatever ended it.
//!
//! ```text
//! gen/<g>.claim      who runs: one generation after the other, each claimed once
//! gen/<g>.cut        where the plan logs of the generations before it end
//! plan/<g>-<n>.log   which offsets each batch covers, written before any sink commits it
//! state/<uid>/...    what changed in an operator's state between two checkpoints
//! aside/<b>          batches that the job can't get through
//! ckpt/<C>.manifest  which of these files make up the state through batch C
//! ```
//!
//! Three rules hold it together. A sink commits a batch only once its plan row is durable. A
//! manifest is published only once the state, the plan and every sink's commit through its batch
//! are. And a sink that is taken up again drops what it has committed before. So what was planned
//! is run again as planned, and seen once.

mod archive;
mod aside;
pub(crate) mod frames;
mod generation;
mod journal;
mod manifest;
mod migration;
mod plan_log;
mod publisher;
mod recovered;
mod rows;
mod saver;
mod schema;
mod state_file;
mod store;

use std::path::PathBuf;
use std::time::Duration;

pub use archive::Archive;
pub use manifest::{Manifest, OperatorState, Position, StateFile};
pub use schema::Schema;

pub(crate) use journal::JournalLog;
pub(crate) use migration::Migration;
pub(crate) use publisher::Publisher;
pub(crate) use recovered::{Past, Recovery, Restored};
pub(crate) use saver::{Saved, SavedRows, Saver, build as save};
pub(crate) use store::sync as sync_directory;

/// Where a job's checkpoints lie, and how often they are made.
///
/// ```
/// use std::time::Duration;
/// use tidegate::{Config, recovery::Checkpoints};
///
/// let checkpoints = Checkpoints::at("state/clicks").every(Duration::from_secs(5));
/// let config = Config::new("clicks").checkpoints(checkpoints);
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoints {
    /// The directory, which is created if need be, and which one job at a time may use; or, with the
    /// feature `object-store`, the URL of a place in an object store (`s3://bucket/clicks`, `gs:`,
    /// `az:`), where who starts last takes over. Credentials and endpoints come from the environment,
    /// by the names that the providers' own tools know.
    pub directory: PathBuf,
    /// How long after one checkpoint the next is begun. What a restart has to run again is what
    /// came since the last one.
    pub every: Duration,
    /// How many checkpoints are kept: an older one is taken if a newer one is damaged.
    pub keep: usize,
    /// Operators whose saved state is forgotten.
    pub dropped: Vec<String>,
    pub(crate) migrations: Vec<Migration>,
}

impl Checkpoints {
    /// Checkpoints in a directory, or at the URL of an object store, every ten seconds, of which three are kept.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Checkpoints {
            directory: directory.into(),
            every: Duration::from_secs(10),
            keep: 3,
            dropped: Vec::new(),
            migrations: Vec::new(),
        }
    }

    /// Sets how long after one checkpoint the next is begun; zero means every batch.
    pub fn every(mut self, time: Duration) -> Self {
        self.every = time;
        self
    }

    /// Forgets the saved state of an operator that the program does not have any more, or that
    /// begins anew.
    pub fn drop_state(mut self, uid: impl Into<String>) -> Self {
        self.dropped.push(uid.into());
        self
    }

    /// Takes up the saved state of an operator whose type has changed since: each saved row, in JSON as
    /// `tidegate checkpoint show` prints it, becomes what `function` makes of it, read by the new
    /// type's [`Deserialize`](serde::Deserialize).
    ///
    /// A field that was added needs no more than `#[serde(default)]`, one that was removed or made
    /// wider nothing: the function may give back what it is given. It is called if the type has changed,
    /// and may stay where it is; the next checkpoint has rows of the new type alone. A start fails,
    /// naming the row, if one does not fit; so it does with values that JSON can't tell, as integers of
    /// more than 64 bits and maps whose keys are not text.
    ///
    /// ```
    /// use serde_json::json;
    /// use tidegate::recovery::Checkpoints;
    ///
    /// // Carts were `(user, items)`, and are `(user, {items, coupon})`.
    /// let checkpoints = Checkpoints::at("state/carts")
    ///     .migrate("carts", |row| json!([row[0], {"items": row[1], "coupon": null}]));
    /// assert!(format!("{checkpoints:?}").contains("carts"));
    /// ```
    pub fn migrate(
        mut self,
        uid: impl Into<String>,
        function: impl Fn(serde_json::Value) -> serde_json::Value + Send + Sync + 'static,
    ) -> Self {
        self.migrations.push(Migration::new(uid.into(), function));
        self
    }

    /// Sets how many checkpoints are kept.
    pub fn keep(mut self, checkpoints: usize) -> Self {
        self.keep = checkpoints;
        self
    }
}
