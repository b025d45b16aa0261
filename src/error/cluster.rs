//! Processes that did not find together.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why processes did not find together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// This process can't listen at its own address.
    #[error("can't listen at `{address}`: is the port in use, or the address not this host's?")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A peer did not answer in time.
    #[error("process {process} at `{address}` did not join within {} s: is it started, with the same flags?", .waited.as_secs())]
    Absent {
        /// The peer's index.
        process: usize,
        /// Its address.
        address: String,
        /// For how long this process waited.
        waited: Duration,
    },
    /// A peer turned this process away.
    #[error("process {process} at `{address}` refused: {reason}")]
    Refused {
        /// The peer's index.
        process: usize,
        /// Its address.
        address: String,
        /// Its reason.
        reason: String,
    },
    /// A file for TLS can't be used.
    #[error("can't use `{}` for TLS: {reason}", .path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A connection broke during the handshake.
    #[error("the handshake with process {process} at `{address}` broke off")]
    Handshake {
        /// The peer's index.
        process: usize,
        /// Its address.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
}
