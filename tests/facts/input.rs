//! What goes into a fact's job.

use std::collections::BTreeMap;

use tidegate::error::SourceError;
use tidegate::source::{Attempt, Opening, Partition, Queue, Reader, Source};

use super::case::Case;
use super::datum::Datum;

/// A queue that remembers what was taken, and may have more partitions when its job is started
/// again.
#[derive(Clone)]
pub struct Input {
    queue: Queue<Datum>,
    /// How many partitions it has at each start; the last number stays.
    partitions: Vec<u32>,
    case: Case,
}

impl Input {
    pub fn new(case: &Case, partitions: Vec<u32>) -> Self {
        let most = partitions.iter().max().expect("a number of partitions");
        Input { queue: Queue::keeping(*most), partitions, case: case.clone() }
    }

    fn count(&self) -> u32 {
        let start = self.case.starts().max(1).min(self.partitions.len());
        self.partitions[start - 1]
    }

    /// Deals a batch to the partitions in contiguous parts, as Spark's `parallelize` does.
    pub fn push(&self, batch: Vec<Datum>) {
        let (total, partitions) = (batch.len(), self.count() as usize);
        let mut rows = batch.into_iter();
        for partition in 0..partitions {
            let end = |part: usize| part * total / partitions;
            let part = end(partition + 1) - end(partition);
            self.queue.push_to(partition as u32, rows.by_ref().take(part));
        }
    }
}

impl Source for Input {
    type Item = Datum;

    fn name(&self) -> String {
        self.queue.name()
    }

    fn partitions(&mut self, attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        let mut partitions = self.queue.partitions(attempt)?;
        partitions.truncate(self.count() as usize);
        Ok(partitions)
    }

    fn has_more(
        &mut self,
        positions: &BTreeMap<u32, u64>,
        bounded: bool,
    ) -> Result<bool, SourceError> {
        self.queue.has_more(positions, bounded)
    }

    fn rewinds(&self) -> bool {
        self.queue.rewinds()
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Box<dyn Reader<Datum>>, SourceError> {
        self.queue.open(assigned, opening)
    }
}
