//! Why a job did not start, or did not end well: the umbrella over all others.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::{BuildError, ClusterError, ConfigError, RecoveryError, SinkError, SourceError};
use crate::batch::BatchId;

/// Why a job did not start, or did not end well.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration contradicts itself.
    #[error("invalid configuration")]
    Config(#[from] ConfigError),
    /// The program is not one that can run.
    #[error("invalid program")]
    Build(#[from] BuildError),
    /// A source can't be opened, or failed while it was read.
    #[error("source `{name}` failed")]
    Source {
        /// The source.
        name: String,
        /// What it said.
        source: SourceError,
        /// Whether the job had begun to read.
        started: bool,
    },
    /// A sink can't be opened, or failed while it was written.
    #[error("sink `{name}` failed{}", at_batch(.batch))]
    Sink {
        /// The sink.
        name: String,
        /// The batch that could not be written; `None` if the job had not begun.
        batch: Option<BatchId>,
        /// What it said.
        source: SinkError,
    },
    /// The plan of a batch can't be written.
    #[error("the plan of batch {batch} can't be written")]
    Plan {
        /// The batch.
        batch: BatchId,
        /// What the disk said.
        source: io::Error,
    },
    /// What was saved can't be read, or what is to be saved can't be written.
    #[error("checkpoints failed")]
    Recovery(#[from] RecoveryError),
    /// The processes of a cluster can't find together.
    #[error("the cluster can't be formed")]
    Cluster(#[from] ClusterError),
    /// User code or the engine panicked on a worker.
    #[error("worker {worker} panicked: {message}")]
    WorkerPanicked {
        /// The worker's index over all processes.
        worker: usize,
        /// The panic's text.
        message: String,
    },
    /// A worker's loop stood still.
    #[error(
        "worker {worker} has not turned for {} s{}; the job is stopped, since its batches can't \
         be completed", .stalled_for.as_secs(),
        if *.in_operator { ", inside an operator: look for a call that blocks or never ends" } else { "" }
    )]
    WorkerStalled {
        /// The worker's index over all processes.
        worker: usize,
        /// For how long.
        stalled_for: Duration,
        /// Whether an operator was running.
        in_operator: bool,
    },
    /// An iteration that must settle was not through after the rounds that it is allowed.
    #[error(
        "`{operator}` was not settled in batch {batch} after {rounds_max} rounds: allow more, or \
         let it go on with what is there then"
    )]
    RoundsExhausted {
        /// The iteration.
        operator: String,
        /// The batch.
        batch: BatchId,
        /// The rounds that it may take.
        rounds_max: u64,
    },
    /// Another process of the cluster is gone.
    #[error("process {process} is lost: {reason}")]
    PeerLost {
        /// The process's index.
        process: usize,
        /// What was seen of it.
        reason: String,
    },
    /// The job was stopped while it waited for what it reads and writes, or for its other processes.
    #[error("stopped before it began: nothing was read or written")]
    NotStarted,
    /// A second signal ended the run before the open batch was finished.
    #[error("interrupted: the open batch was not finished")]
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
    /// The operating system refused a thread or a signal handler.
    #[error("can't {what}")]
    System {
        /// What was tried.
        what: String,
        /// What it said.
        source: io::Error,
    },
}

fn at_batch(batch: &Option<BatchId>) -> String {
    batch.map(|batch| format!(" at batch {batch}")).unwrap_or_default()
}

impl RunError {
    /// Whether the job never began: nothing was read, nothing was written.
    pub fn is_before_start(&self) -> bool {
        match self {
            RunError::Config(_)
            | RunError::Build(_)
            | RunError::Cluster(_)
            | RunError::NotStarted => true,
            RunError::Recovery(error) => error.is_before_start(),
            RunError::Source { started, .. } => !started,
            RunError::Sink { batch, .. } => batch.is_none(),
            _ => false,
        }
    }
}
