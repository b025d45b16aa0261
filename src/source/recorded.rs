//! A recording, read again batch by batch.

use std::marker::PhantomData;
use std::time::Duration;

use tidegate_operators::Record;

use super::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use crate::error::{RecordingError, SourceError};
use crate::recording::{Recording, Rows};

/// Gives each batch the rows that it was recorded with. Run it with
/// [`replay`](crate::recording::replay), which cuts the batches that were recorded; a batch with
/// another id has no rows.
pub struct Recorded<D> {
    recording: Recording,
    rows: PhantomData<fn() -> D>,
}

impl<D: Record> Recorded<D> {
    /// The rows of a recording.
    pub fn new(recording: Recording) -> Self {
        Recorded { recording, rows: PhantomData }
    }
}

fn failed(error: RecordingError) -> SourceError {
    SourceError::Recording(error)
}

impl<D: Record> Source for Recorded<D> {
    type Item = D;

    fn name(&self) -> String {
        format!("recorded:{}", self.recording.path().display())
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        self.recording.check::<D>().map_err(failed)?;
        Ok(self.recording.partitions())
    }

    fn reads_again(&self) -> bool {
        true
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        let rows = self.recording.rows_of().map_err(failed)?;
        let partitions = assigned.iter().map(|partition| partition.id).collect();
        Ok(Box::new(RecordedReader { rows, partitions }))
    }
}

struct RecordedReader<D> {
    rows: Rows<D>,
    partitions: Vec<u32>,
}

impl<D: Record> Reader<D> for RecordedReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, _wait: Duration) -> Result<Poll, SourceError> {
        let batch = intake.tick().and_then(|tick| self.rows.find(tick.id));
        if let Some(number) = batch {
            let own = |partition| self.partitions.contains(&partition);
            for (partition, from, to, rows) in self.rows.read(number, own).map_err(failed)? {
                // Records that could not be decoded were not recorded: their offsets are passed.
                intake.push_all(partition, from, rows);
                intake.skip_to(partition, to);
            }
        }
        Ok(Poll::Idle)
    }

    fn is_inline(&self) -> bool {
        true
    }
}
