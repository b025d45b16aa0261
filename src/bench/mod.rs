//! Measurements: every figure beside a baseline in the same run.
//!
//! Machines differ and are noisy; what carries over is a ratio between two things that were measured
//! in one process, one after the other, on the same input. So each bench has a *limit*: a plain loop
//! without any framework that does the same work, and is checked to give the same answer.

mod data;
pub mod grid;
mod ingest;
mod latency;
pub mod operators;
mod recovery;
mod report;
mod source;
mod topic;

pub use ingest::ingest;
pub use latency::latency;
pub use recovery::recovery;
pub use report::{BenchRow, Report, Verdict};

use std::path::PathBuf;

/// Tells a program that another one has started whom to end with: the other's process id.
pub const PARENT_VARIABLE: &str = "TIDEGATE_PARENT";

/// How a bench is run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A tenth of the input: to see whether it works.
    pub quick: bool,
    /// Only rows whose bench, variant and dataset contain these words.
    pub only: Option<String>,
    /// A broker to measure against, `HOST:PORT`; an embedded one, if `None`.
    pub brokers: Option<String>,
    /// The program itself, to be started as another, busy program.
    pub program: Option<PathBuf>,
}

impl Settings {
    fn wants(&self, names: &[&str]) -> bool {
        let mut words = self.only.iter().flat_map(|only| only.split_whitespace());
        words.all(|word| names.iter().any(|name| name.contains(word)))
    }
}
