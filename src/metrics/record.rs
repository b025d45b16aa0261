//! The record of a batch.

use serde::{Deserialize, Serialize};

use crate::batch::BatchId;

/// All that is known about a batch that every sink has confirmed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// The batch.
    pub batch: BatchId,
    /// The batch before it; more than one back, if ticks were skipped.
    pub previous: BatchId,
    /// The batch time: milliseconds since 1970.
    pub time_ms: i64,
    /// What came in.
    pub sources: Vec<SourceRecord>,
    /// What went out.
    pub sinks: Vec<SinkRecord>,
    /// The state after the batch, over all workers, and what the batch was for each of them.
    pub state: Vec<StateRecord>,
    /// The rounds of iterations.
    pub iterations: Vec<IterationRecord>,
    /// What workers told each other of how far they were, if it is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressRecord>,
    /// From when the batch was due until it was cut, in milliseconds.
    pub scheduling_delay_ms: f64,
    /// From the cut until all sinks had confirmed, in milliseconds.
    pub processing_ms: f64,
    /// The sum of both.
    pub total_ms: f64,
    /// Batches cut but not confirmed, this one included, when this one was cut.
    pub in_flight: u64,
    /// How many batches the sinks were behind the newest cut when this batch was confirmed.
    pub frontier_lag_batches: u64,
    /// How old the batch time was when the batch was confirmed, in milliseconds; `None` if batch
    /// times don't come from the wall clock.
    pub frontier_lag_ms: Option<f64>,
}

impl BatchRecord {
    /// Records that came in and could be decoded.
    pub fn rows_in(&self) -> u64 {
        self.sources.iter().map(|source| source.rows).sum()
    }

    /// Records that came in and could not be decoded.
    pub fn dead_letters(&self) -> u64 {
        self.sources.iter().map(|source| source.dead_letters).sum()
    }

    /// Rows that went out.
    pub fn rows_out(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.rows).sum()
    }
}

/// What a batch took of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The source.
    pub name: String,
    /// Records that could be decoded.
    pub rows: u64,
    /// Records that could not.
    pub dead_letters: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Its partitions.
    pub partitions: Vec<PartitionRecord>,
}

/// What a batch took of a partition: the offsets `[from, to)`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartitionRecord {
    /// The partition.
    pub name: String,
    /// The first offset.
    pub from: u64,
    /// The offset behind the last.
    pub to: u64,
    /// Records in between, live and dead.
    pub records: u64,
}

/// What a batch brought to a sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SinkRecord {
    /// The sink.
    pub name: String,
    /// Rows written.
    pub rows: u64,
    /// How long writing took, in milliseconds: the slowest shard.
    pub write_ms: f64,
}

/// The state of an operator after a batch, over all workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateRecord {
    /// The operator.
    pub operator: String,
    /// Its keys.
    pub keys: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Keys changed in this batch.
    pub updated: u64,
    /// How much more than its share the busiest worker took in, by rows: 1 if all had as many, the
    /// number of workers if one had all of them.
    pub imbalance: f64,
    /// What the batch was for each worker.
    pub workers: Vec<WorkerLoad>,
}

/// What an operator took in on one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerLoad {
    /// The worker's index over all processes.
    pub worker: u32,
    /// Rows that came in, after they had been brought to the workers that own them.
    pub rows: u64,
    /// How long the operator worked, in milliseconds; 0 for an arrangement, whose work is done
    /// piece by piece.
    pub busy_ms: f64,
}

/// How much more than its share the busiest worker took in, by rows; 1 where there are none.
///
/// ```
/// use tidegate::metrics::{WorkerLoad, imbalance};
///
/// let load = |rows| WorkerLoad { rows, ..WorkerLoad::default() };
/// assert_eq!(imbalance(&[load(30), load(10)]), 1.5);
/// assert_eq!(imbalance(&[load(0), load(0)]), 1.0);
/// ```
pub fn imbalance(workers: &[WorkerLoad]) -> f64 {
    let rows: u64 = workers.iter().map(|load| load.rows).sum();
    let most = workers.iter().map(|load| load.rows).max().unwrap_or(0);
    if rows == 0 { 1.0 } else { most as f64 * workers.len() as f64 / rows as f64 }
}

/// The rounds of an iteration in a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IterationRecord {
    /// The iteration.
    pub operator: String,
    /// How many rounds there were; 0 if nothing changed.
    pub rounds: u64,
    /// How many there may be. As many as that: they may not have been enough.
    pub rounds_max: u64,
}

/// What workers told each other of how far they were: what coordination costs, where records are few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressRecord {
    /// Messages from one worker to another.
    pub messages: u64,
    /// Changes of counts in them.
    pub updates: u64,
}

/// A batch that has been cut: what it will process is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BatchStart {
    /// The batch.
    pub batch: BatchId,
    /// The batch time: milliseconds since 1970.
    pub time_ms: i64,
    /// What comes in.
    pub sources: Vec<SourceRecord>,
    /// From when the batch was due until it was cut, in milliseconds.
    pub scheduling_delay_ms: f64,
}
