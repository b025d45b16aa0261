//! What sources can say.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::{RecordingError, RecoveryError};

/// What a source can say.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A setting that the source can't work with.
    #[error("{0}")]
    Invalid(String),
    /// A file or directory.
    #[error("can't read `{}`: check the path and its permissions", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The journal, in which a source that can't be read again is written down.
    #[error("its records can't be written down")]
    Journal(#[source] RecoveryError),
    /// A recording.
    #[error(transparent)]
    Recording(RecordingError),
    /// A connection.
    #[error("can't reach `{address}`: does something listen there?")]
    Connection {
        /// Where to.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Anything else that the source's own client said.
    #[error("{message}")]
    Client {
        /// What went wrong, and the remedy.
        message: String,
        /// The client's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
