//! What sinks can say.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What a sink can say.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SinkError {
    /// A setting that the sink can't work with.
    #[error("{0}")]
    Invalid(String),
    /// A file or directory.
    #[error("can't write `{}`: check the path, its permissions and the space left", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A stream, such as the terminal.
    #[error("can't write to {to}")]
    Stream {
        /// Where to.
        to: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A row can't be written in the sink's format.
    #[error("can't write a row as {format}")]
    Format {
        /// The format.
        format: &'static str,
        /// What the format's library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else that the sink's own client said.
    #[error("{message}")]
    Client {
        /// What went wrong, and the remedy.
        message: String,
        /// The client's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
