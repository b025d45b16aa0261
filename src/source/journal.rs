//! The journal of a source that can't be asked again: what it sent is written down before it counts,
//! and read from there when a job with checkpoints is started again.
//!
//! ```text
//! journal/<source>-<partition>/<generation>-<n>.log    frames [length | crc32c | segment]
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tidegate_operators::Record;

use super::intake::Segment;
use super::{Intake, Partition, Poll, Reader};
use crate::error::{RecoveryError, SourceError};
use crate::recovery::JournalLog;

/// A reader whose records are written down before they are handed on.
pub(crate) struct Journaled<D> {
    inner: Box<dyn Reader<D>>,
    /// What the inner reader fills.
    fresh: Intake<D>,
    partitions: BTreeMap<u32, Written<D>>,
}

/// The journal of one partition.
struct Written<D> {
    log: JournalLog,
    /// What an earlier run has written down and not counted, or not saved.
    again: VecDeque<Segment<D>>,
    /// The offset behind the last record of earlier runs: the inner reader counts from 0.
    base: u64,
}

impl<D: Record> Journaled<D> {
    /// Opens the journals of the partitions that a worker reads, behind what is saved.
    pub(crate) fn open(
        source: &str,
        partitions: &[Partition],
        positions: &BTreeMap<u32, u64>,
        inner: Box<dyn Reader<D>>,
        log_of: impl Fn(u32) -> JournalLog,
    ) -> Result<Self, RecoveryError> {
        let mut written = BTreeMap::new();
        for Partition { id, .. } in partitions {
            let log = log_of(*id);
            let (mut again, mut end) = (VecDeque::new(), 0);
            let from = positions.get(id).copied().unwrap_or(0);
            log.read(|mut segment: Segment<D>| {
                // What a dead process has added to its own journal has been written elsewhere since.
                if segment.from() != end && end != 0 {
                    return;
                }
                end = segment.to();
                if segment.from() < from {
                    segment = segment.behind(from);
                }
                if segment.from() < segment.to() {
                    again.push_back(segment);
                }
            })?;
            written.insert(*id, Written { log, again, base: end.max(from) });
        }
        Ok(Journaled { inner, fresh: Intake::new(source, partitions), partitions: written })
    }
}

impl<D: Record> Reader<D> for Journaled<D> {
    fn poll(&mut self, intake: &mut Intake<D>, wait: Duration) -> Result<Poll, SourceError> {
        let mut is_again = false;
        for (partition, written) in &mut self.partitions {
            if let Some(segment) = written.again.pop_front() {
                intake.put(*partition, segment);
                is_again = true;
            }
        }
        if is_again {
            return Ok(Poll::More);
        }
        let polled = self.inner.poll(&mut self.fresh, wait)?;
        let (segments, ended) = self.fresh.take();
        ended.into_iter().for_each(|partition| intake.end(partition));
        for (partition, mut segment) in segments {
            // A partition that turns up later is the business of sources that can be read again.
            let Some(written) = self.partitions.get_mut(&partition) else { continue };
            segment.move_by(written.base);
            written.log.append(&segment).map_err(SourceError::Journal)?;
            intake.put(partition, segment);
        }
        Ok(polled)
    }

    fn acknowledge(&mut self, through: &[(u32, u64)]) {
        self.inner.acknowledge(through);
    }

    fn finish(&mut self) {
        self.inner.finish();
    }

    fn is_in_sequence(&self) -> bool {
        self.inner.is_in_sequence()
    }
}
