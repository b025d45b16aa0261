//! The plan: which offsets each batch covers.
//!
//! At every tick each worker says what it took of each source partition, in one message to worker
//! 0, which puts the plan row of the batch together. No sink commits a batch before its plan row
//! is written: the plan operator's output frontier *is* "planned through this batch", and every
//! sink waits for it.

mod cuts;
mod log;
mod operator;
mod row;

pub use log::PlanLog;
pub use row::{PartitionCut, PlanRow, SourceCut};

pub(crate) use cuts::{Cuts, WorkerCut, report};
pub(crate) use operator::{Plan, build};
