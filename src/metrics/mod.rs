//! What is known about each batch: how many records, from which offsets, how long it took, how
//! large the state is.

mod collector;
mod json_lines;
mod listener;
mod progress;
mod record;
mod summary;

pub use json_lines::MetricsFile;
pub use listener::Listener;
pub use record::{
    BatchRecord, BatchStart, IterationRecord, PartitionRecord, ProgressRecord, SinkRecord,
    SourceRecord, StateRecord, WorkerLoad, imbalance,
};
pub use summary::{Latency, OperatorLoad, Summary};

pub(crate) use collector::Collector;
pub(crate) use listener::Reporter;
pub(crate) use progress::ProgressCounter;
