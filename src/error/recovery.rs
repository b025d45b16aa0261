//! Checkpoints that can't be read, written or gone on from.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::batch::BatchId;

/// What is wrong with checkpoints.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// A file or directory.
    #[error(
        "can't read or write `{}`: check its permissions and the space left; nothing of the batch \
         at hand counts as written", path.display()
    )]
    Store {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A directory that can't be opened, or made.
    #[error(
        "can't keep checkpoints in `{}`: give a directory in which files can be made", path.display()
    )]
    Directory {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process holds the directory.
    #[error(
        "`{}` is in use: another job runs with these checkpoints; end it first, or give each job a \
         directory of its own", path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A URL that can't be used.
    #[error("can't keep checkpoints at `{url}`: {reason}")]
    Place {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The job was started again while it ran.
    #[error(
        "`{}` was taken over: the job was started again as generation {by}, and this is {generation}; \
         nothing that this one has not committed counts", path.display()
    )]
    TakenOver {
        /// The place of the checkpoints.
        path: PathBuf,
        /// This start.
        generation: u64,
        /// The other.
        by: u64,
    },
    /// A batch that can't be put aside.
    #[error(
        "batch {batch} is not among those that a start from `{}` runs again: {}", path.display(),
        if behind.is_empty() { "there are none".into() } else { format!("{behind:?}") }
    )]
    NotPlanned {
        /// The directory.
        path: PathBuf,
        /// The batch.
        batch: BatchId,
        /// Those that could be.
        behind: Vec<BatchId>,
    },
    /// Nothing was ever saved there.
    #[error(
        "`{}` has no checkpoints: give the directory that a job was given with `--checkpoint`",
        path.display()
    )]
    NoCheckpoints {
        /// The directory.
        path: PathBuf,
    },
    /// A directory that should be empty.
    #[error("`{}` is not empty: give a directory that is, or that does not exist yet", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Batches can't be run again: there is nothing to begin with.
    #[error(
        "`{}` has one checkpoint only: batches are run again from an older one to the newest; let \
         the job run until it has saved twice", path.display()
    )]
    OneCheckpoint {
        /// The directory.
        path: PathBuf,
    },
    /// A checkpoint that is not there.
    #[error(
        "`{}` has no checkpoint{}: `tidegate checkpoint ls` shows which there are",
        path.display(), batch.map_or(String::new(), |batch| format!(" of batch {batch}"))
    )]
    NoCheckpoint {
        /// The directory.
        path: PathBuf,
        /// The batch; any, if `None`.
        batch: Option<BatchId>,
    },
    /// Another process of the job has checkpoints elsewhere.
    #[error(
        "`{}` does not have the checkpoints of process 0 (generation {generation}): give every \
         process the same directory, on a file system that all hosts share", path.display()
    )]
    NotShared {
        /// The directory.
        path: PathBuf,
        /// What process 0 has claimed in its own.
        generation: u64,
    },
    /// A file is not what was written.
    #[error("`{}` is damaged: {what}", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The plan does not reach back to the checkpoint.
    #[error(
        "no checkpoint can be used: the plan has nothing between batch {from} and batch {to}; \
         restore the files that are gone, or begin anew with an empty directory"
    )]
    PlanGap {
        /// The batch through which there is a state.
        from: BatchId,
        /// The first batch that was planned behind it.
        to: BatchId,
    },
    /// An operator with a saved state is not in the program.
    #[error(
        "the checkpoint has the state of operator `{uid}`, which the program does not have: was it \
         renamed? Names are given with `uid`; `--drop-state {uid}` forgets it"
    )]
    OperatorGone {
        /// Its name.
        uid: String,
    },
    /// An operator keeps rows of another type now.
    #[error(
        "the state of operator `{uid}` can't be read any more: {difference}; go back to what was, \
         register what becomes of its rows (`Checkpoints::migrate`), or give the operator a new `uid` and \
         drop the old one's state (`--drop-state {uid}`)"
    )]
    SchemaChanged {
        /// Its name.
        uid: String,
        /// What is different.
        difference: String,
    },
    /// A saved row does not fit its new type.
    #[error(
        "the row {row}, to which the state of operator `{uid}` was migrated, does not fit: {reason}; mend \
         the function given to `Checkpoints::migrate`: nothing has been changed"
    )]
    Migration {
        /// The operator's name.
        uid: String,
        /// What the function gave.
        row: String,
        /// Why it does not fit.
        reason: String,
    },
    /// A batch that is run again finds other records.
    #[error(
        "batch {batch} can't be run again: source {source_index} was planned as {planned}, and is \
         now {found}; its records have changed since"
    )]
    InputChanged {
        /// The batch.
        batch: BatchId,
        /// The source's number in the program.
        source_index: u32,
        /// What was planned of a partition.
        planned: String,
        /// What is there.
        found: String,
    },
    /// A sink has more than was planned.
    #[error(
        "sink `{sink}` has written batch {written}, but only batch {planned} was planned: these are \
         not its checkpoints"
    )]
    SinkAhead {
        /// The sink.
        sink: String,
        /// What it has written.
        written: BatchId,
        /// The last batch that was planned.
        planned: BatchId,
    },
}

impl RecoveryError {
    /// Whether the job never began.
    pub(super) fn is_before_start(&self) -> bool {
        !matches!(
            self,
            RecoveryError::Store { .. }
                | RecoveryError::TakenOver { .. }
                | RecoveryError::InputChanged { .. }
        )
    }
}
