//! Recordings that can't be made or replayed.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::batch::BatchId;
use crate::recording::BatchRange;

/// What is wrong with a recording.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It can't be read.
    #[error("can't read `{}`: check the path and its permissions", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It can't be written.
    #[error("can't write `{}`: check the path, its permissions and the space left", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is there already.
    #[error("`{}` is there already: remove it first, or record to another file", path.display())]
    Exists {
        /// Its path.
        path: PathBuf,
    },
    /// Some other file.
    #[error(
        "`{}` is no recording: give a file that `tidegate record` has written", path.display()
    )]
    NoRecording {
        /// Its path.
        path: PathBuf,
    },
    /// Another version of the format.
    #[error(
        "`{}` has version {version} of the format, and this program reads version 1: use the \
         program that has recorded it", path.display()
    )]
    Version {
        /// Its path.
        path: PathBuf,
        /// The version.
        version: u64,
    },
    /// It is not what was written.
    #[error("`{}` is damaged: {what}; {}", path.display(), until(.whole))]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// The last batch before that.
        whole: Option<BatchId>,
    },
    /// Its end is missing.
    #[error(
        "`{}` was not finished: whoever recorded it was ended before it could write the end; {}",
        path.display(), until(.whole)
    )]
    Unfinished {
        /// Its path.
        path: PathBuf,
        /// The last batch.
        whole: Option<BatchId>,
    },
    /// It does not have the batches that are asked for.
    #[error("`{}` has no such batch ({range}): {}", path.display(), has_batches(.has))]
    NoBatch {
        /// Its path.
        path: PathBuf,
        /// What was asked for.
        range: BatchRange,
        /// The first and the last batch that it has.
        has: Option<(BatchId, BatchId)>,
    },
    /// Its rows are of another type.
    #[error(
        "`{}` has other rows than are read: {difference}; replay it with the workload that it was \
         recorded for", path.display()
    )]
    OtherRows {
        /// Its path.
        path: PathBuf,
        /// What is different.
        difference: String,
    },
}

fn until(whole: &Option<BatchId>) -> String {
    match whole {
        Some(batch) => format!("batches through {batch} can be used (`--batches ..{batch}`)"),
        None => "record it again".to_owned(),
    }
}

fn has_batches(has: &Option<(BatchId, BatchId)>) -> String {
    match has {
        Some((first, last)) => format!("it has batches {first} to {last}"),
        None => "it has none".to_owned(),
    }
}
