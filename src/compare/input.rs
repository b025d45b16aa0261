//! The input of a comparison: batches in memory, so that neither decoding nor making it up counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_operators::Record;

use crate::batch::BatchId;
use crate::engine::control::lock;
use crate::error::{RecordingError, SourceError};
use crate::recording::Recording;
use crate::source::{Attempt, Generator, Intake, Opening, Partition, Poll, Reader, Source};

/// Batches of rows, each with its id, its time, and the partitions that its rows come from.
///
/// ```
/// use tidegate::compare::Input;
///
/// let input = Input::of(vec![vec!['a', 'b', 'c'], vec![]], 2);
/// assert_eq!((input.batches(), input.rows()), (2, 3));
/// ```
#[derive(Clone, Debug)]
pub struct Input<D> {
    pub(super) batches: Arc<Vec<InputBatch<D>>>,
    partitions: Vec<Partition>,
    interval: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct InputBatch<D> {
    pub(super) id: BatchId,
    pub(super) time_ms: i64,
    /// The rows of each partition, by its number.
    rows: Vec<(u32, Vec<D>)>,
}

impl<D> InputBatch<D> {
    pub(super) fn len(&self) -> usize {
        self.rows.iter().map(|(_, rows)| rows.len()).sum()
    }

    /// The rows of all partitions.
    pub(super) fn all(&self) -> impl Iterator<Item = &D> {
        self.rows.iter().flat_map(|(_, rows)| rows)
    }
}

impl<D: Record> Input<D> {
    /// These batches, a second each, whose rows are dealt to so many partitions, one at least.
    pub fn of(batches: Vec<Vec<D>>, partitions: u32) -> Self {
        let partitions = partitions.max(1);
        let batches = batches.into_iter().zip(1..).map(|(all, id)| {
            let share = all.len().div_ceil(partitions as usize).max(1);
            let mut all = all.into_iter();
            let deal = |partition| (partition, all.by_ref().take(share).collect());
            let rows = (0..partitions).map(deal).collect();
            InputBatch { id, time_ms: id as i64 * 1000, rows }
        });
        let named = |id| Partition { id, name: format!("input-{id}") };
        Input {
            batches: Arc::new(batches.collect()),
            partitions: (0..partitions).map(named).collect(),
            interval: Duration::from_secs(1),
        }
    }

    /// So many batches of so many rows that a generator makes up.
    pub fn made(generator: &Generator<D>, batches: u64, rows: u64) -> Self {
        let batch = |batch| (batch * rows..(batch + 1) * rows).map(|n| generator.record(0, n));
        Self::of((0..batches).map(|number| batch(number).collect()).collect(), 4)
    }

    /// What was recorded.
    ///
    /// # Errors
    ///
    /// If it can't be read, or has rows of another type.
    pub fn recorded(recording: &Recording) -> Result<Self, RecordingError> {
        let mut reader = recording.rows_of::<D>()?;
        let mut batches = Vec::new();
        for (number, batch) in recording.batches().iter().enumerate() {
            let read = reader.read(number, |_| true)?;
            let rows = read.into_iter().map(|(partition, _, _, rows)| (partition, rows)).collect();
            batches.push(InputBatch { id: batch.tick.id, time_ms: batch.tick.time_ms, rows });
        }
        let partitions = recording.partitions();
        Ok(Input { batches: Arc::new(batches), partitions, interval: recording.interval() })
    }

    /// The number of batches.
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.len() as u64).sum()
    }

    /// The batch interval.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// A source that has what is loaded into it.
    pub(super) fn loader(&self) -> Loader<D> {
        Loader { partitions: self.partitions.clone(), loaded: Arc::default() }
    }
}

/// The source: a batch's rows are copied into it before the batch begins. Clones are the same.
pub(super) struct Loader<D> {
    partitions: Vec<Partition>,
    loaded: Arc<Mutex<HashMap<u32, Vec<D>>>>,
}

impl<D> Clone for Loader<D> {
    fn clone(&self) -> Self {
        Loader { partitions: self.partitions.clone(), loaded: Arc::clone(&self.loaded) }
    }
}

impl<D: Record> Loader<D> {
    pub(super) fn load(&self, batch: &InputBatch<D>) {
        *lock(&self.loaded) = batch.rows.iter().cloned().collect();
    }
}

impl<D: Record> Source for Loader<D> {
    type Item = D;

    fn name(&self) -> String {
        "comparison".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        Ok(self.partitions.clone())
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        let offsets = assigned.iter().map(|partition| (partition.id, 0)).collect();
        Ok(Box::new(LoadedReader { loaded: Arc::clone(&self.loaded), offsets }))
    }
}

struct LoadedReader<D> {
    loaded: Arc<Mutex<HashMap<u32, Vec<D>>>>,
    /// Each partition with its next offset.
    offsets: Vec<(u32, u64)>,
}

impl<D: Record> Reader<D> for LoadedReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, _wait: Duration) -> Result<Poll, SourceError> {
        for (partition, offset) in &mut self.offsets {
            let rows = lock(&self.loaded).remove(partition);
            if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
                let count = rows.len() as u64;
                intake.push_all(*partition, *offset, rows);
                *offset += count;
            }
        }
        Ok(Poll::Idle)
    }

    fn is_inline(&self) -> bool {
        true
    }
}
