//! What a command line runs: a workload with its flags, on a source or on a recording. A family of
//! workloads that read the same records is a file.

mod ad_activity;
mod ads;
mod build;
mod clicks;
mod flags;
mod graphs;
mod lines;
mod models;
mod nexmark;
mod workload;

pub use build::{Origin, Program};
pub use flags::Flags;
pub use models::ModelWorkload;
pub use nexmark::nexmark_queries;
pub use workload::{Workload, workload};
