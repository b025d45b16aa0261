//! Where records come from.
//!
//! A [`Source`] lists its partitions and opens a [`Reader`] for those that a worker is given. A
//! reader runs on a thread of its own, which fills a bounded queue ahead of time; the worker takes
//! what is there when a batch is cut. Implementing both takes fewer than 100 lines:
//! `examples/own_source.rs` does it.

mod directory;
mod feeder;
mod file;
pub mod generator;
mod intake;
mod journal;
#[cfg(feature = "kafka")]
pub mod kafka;
mod lines;
mod operator;
mod queue;
mod recorded;
mod socket;
mod stdin;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_operators::Record;

pub use directory::Directory;
pub use file::File;
pub use generator::Generator;
pub use intake::{DeadLetter, Intake};
#[cfg(feature = "kafka")]
pub use kafka::Kafka;
pub use queue::Queue;
pub use recorded::Recorded;
pub use socket::Socket;
pub use stdin::Stdin;

pub(crate) use journal::Journaled;
pub(crate) use operator::{Acknowledge, SourceStreams, Wiring, build};

use crate::error::SourceError;

/// A part of a source whose records have an order and offsets, as Kafka's partitions do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its number within the source; numbers need not be dense, but never change.
    pub id: u32,
    /// How it is called in records of batches: `clicks-3`.
    pub name: String,
}

/// How a reader is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opening {
    /// The worker that the reader belongs to.
    pub worker: usize,
    /// The number of workers.
    pub workers: usize,
    /// The source's number in the program.
    pub source_index: usize,
    /// Whether to read what is there now and then end.
    pub bounded: bool,
    /// Whether to give up rather than to wait for something that can't be reached.
    pub fail_fast: bool,
    /// The batch interval, where batch ids count intervals.
    pub interval: Option<Duration>,
    /// Where partitions go on that an earlier run has read: the offset of the next record, by the
    /// partition's number. The reader begins there.
    pub positions: BTreeMap<u32, u64>,
}

impl Opening {
    /// Each partition with the offset at which it begins, or goes on.
    pub(crate) fn begin(&self, assigned: &[Partition]) -> Vec<(u32, u64)> {
        let next = |id| self.positions.get(&id).copied().unwrap_or(0);
        assigned.iter().map(|partition| (partition.id, next(partition.id))).collect()
    }
}

/// How hard to try to reach what a source reads.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Whether to give up at once, rather than to try again with a message in the log.
    pub fail_fast: bool,
    /// Whether the job is stopping, so that trying again makes no sense any more.
    pub is_stopping: &'a dyn Fn() -> bool,
}

/// What a call of [`Reader::poll`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// There may be more at once.
    More,
    /// There is nothing now.
    Idle,
    /// There will never be more.
    End,
}

/// A place where records come from.
pub trait Source: Send + 'static {
    /// The records.
    type Item: Record;

    /// A short name for messages and records of batches: `kafka:clicks`.
    fn name(&self) -> String;

    /// Connects, checks everything that can be checked, and lists the partitions. Called once in
    /// each process, before anything runs.
    ///
    /// # Errors
    ///
    /// Whatever would keep the source from being read, with its remedy.
    fn partitions(&mut self, attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError>;

    /// The worker that reads a partition: by default they are dealt out, so that worker
    /// `(source + partition) % workers` gets it.
    fn worker_of(&self, partition: u32, source_index: usize, workers: usize) -> usize {
        (source_index + partition as usize) % workers
    }

    /// Whether any record can be read again by its offset, as [`Opening::positions`] asks. Of other
    /// sources a job with checkpoints writes down what comes before it counts.
    fn rewinds(&self) -> bool {
        false
    }

    /// Whether a job without checkpoints that is started again reads again whatever its sinks had
    /// not confirmed: so does one that begins at its first record, not one that begins with what
    /// comes next. Told when the job starts.
    fn reads_again(&self) -> bool {
        self.rewinds()
    }

    /// Whether there is, or may come, anything behind these offsets, by partition: what is there
    /// now, if the job is `bounded`. Asked after [`Source::partitions`] where a job goes on that an
    /// earlier run may have brought to its end; it then ends without another batch.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from knowing.
    fn has_more(
        &mut self,
        positions: &BTreeMap<u32, u64>,
        bounded: bool,
    ) -> Result<bool, SourceError> {
        let _ = (positions, bounded);
        Ok(true)
    }

    /// Opens a reader for the partitions that one worker is given; there may be none, if others
    /// may still turn up.
    ///
    /// # Errors
    ///
    /// Whatever would keep them from being read, with its remedy.
    fn open(
        &mut self,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Box<dyn Reader<Self::Item>>, SourceError>;
}

/// Reads the partitions of one worker.
pub trait Reader<D>: Send {
    /// Puts records into the intake: as many as are ready, or as the intake has room for. May wait
    /// up to `wait` for the first one.
    ///
    /// # Errors
    ///
    /// What can't be mended by waiting; it ends the job. A record that can't be decoded is no
    /// error: it goes to the dead letters.
    fn poll(&mut self, intake: &mut Intake<D>, wait: Duration) -> Result<Poll, SourceError>;

    /// All sinks have confirmed a batch that took the partitions up to these offsets (partition,
    /// next offset): a moment to acknowledge them. Errors are the source's to report, since
    /// the job's own truth does not depend on it.
    fn acknowledge(&mut self, through: &[(u32, u64)]) {
        let _ = through;
    }

    /// Nothing more will be read or acknowledged: a moment to bring acknowledgements to an end, in
    /// a few seconds at most.
    fn finish(&mut self) {}

    /// Whether the reader never waits and its records depend on the tick: then it is polled on
    /// the worker when a batch is cut, without a thread of its own.
    fn is_inline(&self) -> bool {
        false
    }

    /// Whether the partitions come one after the other, as the files of a directory do: then a
    /// batch's bound on records counts them together, and not each.
    fn is_in_sequence(&self) -> bool {
        false
    }
}
