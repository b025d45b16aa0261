//! A source that has its records in memory, cut into batches beforehand.

use std::sync::Arc;
use std::time::Duration;

use crate::error::SourceError;
use crate::source::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};

/// Slices of a vector: each batch takes the next `batch` records, dealt evenly to the workers.
#[derive(Clone)]
pub(super) struct Slices {
    pub(super) records: Arc<Vec<u64>>,
    pub(super) batch: usize,
    pub(super) workers: usize,
}

/// Records travel in pieces of this many, so that memory is used over and over.
const PIECE: usize = 8192;

impl Source for Slices {
    type Item = u64;

    fn name(&self) -> String {
        "memory".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        let partitions = 0..self.workers as u32;
        Ok(partitions.map(|id| Partition { id, name: format!("memory-{id}") }).collect())
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<u64>>, SourceError> {
        let partitions = assigned.iter().map(|partition| (partition.id, 0)).collect();
        Ok(Box::new(SliceReader { slices: self.clone(), partitions, next: 0 }))
    }
}

struct SliceReader {
    slices: Slices,
    partitions: Vec<(u32, u64)>,
    next: usize,
}

impl Reader<u64> for SliceReader {
    fn poll(&mut self, intake: &mut Intake<u64>, _wait: Duration) -> Result<Poll, SourceError> {
        let Slices { records, batch, workers } = &self.slices;
        let end = (self.next + batch).min(records.len());
        let slice = &records[self.next..end];
        for (partition, offset) in &mut self.partitions {
            let part = |index: usize| index * slice.len() / workers;
            let own = &slice[part(*partition as usize)..part(*partition as usize + 1)];
            for piece in own.chunks(PIECE) {
                intake.push_all(*partition, *offset, piece.to_vec());
                *offset += piece.len() as u64;
            }
        }
        self.next = end;
        Ok(if end == records.len() { Poll::End } else { Poll::Idle })
    }

    fn is_inline(&self) -> bool {
        true
    }
}
