//! Where results go.
//!
//! A [`Sink`] opens a [`Writer`] for each of its shards. A writer runs on a thread of its own and
//! is given every batch once, complete, in order; when its `commit` returns, the batch counts as
//! written. Implementing both takes fewer than 100 lines: `examples/own_sink.rs` does it.

mod console;
mod delivery;
mod foreach;
mod json_lines;
#[cfg(feature = "kafka")]
pub mod kafka;
mod memory;
#[cfg(any(feature = "kafka", feature = "sql"))]
mod newest;
mod null;
mod operator;
#[cfg(feature = "sql")]
pub mod sql;
mod text_files;

use tidegate_operators::{Record, Tick};

pub use console::Console;
pub use delivery::Delivery;
pub use foreach::ForeachBatch;
pub use json_lines::JsonLines;
#[cfg(feature = "kafka")]
pub use kafka::KafkaSink;
pub use memory::{Memory, NotInitialized};
pub use null::Null;
pub use text_files::TextFiles;

pub(crate) use operator::{SinkReport, Wiring, build};

use crate::error::SinkError;

/// A place where results go.
pub trait Sink<D: Record>: Send + 'static {
    /// A short name for messages and records of batches: `text:out/counts`.
    fn name(&self) -> String;

    /// Into how many parts the rows of a batch are dealt, each written on its own; one, unless
    /// overridden, which then gets all rows.
    fn shards(&self) -> usize {
        1
    }

    /// The shard of a row, below [`Sink::shards`]: by default by the row's stable hash.
    fn shard_of(&self, row: &D) -> usize {
        (tidegate_operators::stable_hash(row) % self.shards() as u64) as usize
    }

    /// How often a row is there in the end, in a job with checkpoints: what [`Writer::recover`]
    /// makes of batches that are written again. Told when the job starts.
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }

    /// Opens the writer of a shard, checking everything that can be checked. Called before
    /// anything runs, in the process whose worker the shard is dealt to.
    ///
    /// # Errors
    ///
    /// Whatever would keep it from writing, with its remedy.
    fn open(&mut self, shard: usize) -> Result<Box<dyn Writer<D>>, SinkError>;
}

/// Who writes, in a job with checkpoints: what a writer needs to find its own marks again, and to
/// keep out whoever wrote before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim<'a> {
    /// The job's name.
    pub job: &'a str,
    /// The sink's name, with a number behind it where the job has several of this name.
    pub sink: &'a str,
    /// The shard.
    pub shard: usize,
    /// The number of this start: higher than that of any start before.
    pub generation: u64,
}

impl<'a> Claim<'a> {
    /// For driving a writer by hand.
    pub fn new(job: &'a str, sink: &'a str, shard: usize, generation: u64) -> Self {
        Claim { job, sink, shard, generation }
    }
}

/// Writes the batches of one shard.
///
/// For each batch: `begin`, `write`, `commit`; or `abort`, when the run fails in between.
pub trait Writer<D>: Send {
    /// A batch begins.
    ///
    /// # Errors
    ///
    /// They end the job.
    fn begin(&mut self, tick: &Tick) -> Result<(), SinkError> {
        let _ = tick;
        Ok(())
    }

    /// All rows of the batch, in order.
    ///
    /// # Errors
    ///
    /// They end the job.
    fn write(&mut self, tick: &Tick, rows: &[D]) -> Result<(), SinkError>;

    /// Makes what was written visible and durable, as far as the sink can.
    ///
    /// # Errors
    ///
    /// They end the job; the batch may or may not have been written.
    fn commit(&mut self, tick: &Tick) -> Result<(), SinkError> {
        let _ = tick;
        Ok(())
    }

    /// The job is saved, and may be taken up again: says through which batch an earlier run has
    /// committed, if that is known, and drops whatever it left behind half-written. Called once,
    /// before the first batch; batches through the one given are not shown to the writer again.
    ///
    /// Unless overridden, nothing is known: batches behind the last checkpoint are then written
    /// again.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from knowing.
    fn recover(&mut self, claim: &Claim<'_>) -> Result<Option<u64>, SinkError> {
        let _ = claim;
        Ok(None)
    }

    /// The batch will not be committed.
    fn abort(&mut self) {}
}
