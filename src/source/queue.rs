//! A queue in memory: records pushed by the same process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_operators::Record;

use super::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use crate::engine::control::lock;
use crate::error::SourceError;

/// Records that the program's own process pushes. Clones are the same queue.
///
/// Each batch takes what has been pushed since the last one. For tests, and for jobs that are fed
/// by other parts of a program.
///
/// ```
/// use tidegate::source::Queue;
///
/// let numbers = Queue::<u32>::new(2);
/// numbers.push([1, 2]);
/// numbers.push_to(1, [3]);
/// assert_eq!(numbers.len(), 3);
/// ```
#[derive(Debug)]
pub struct Queue<D> {
    shared: Arc<Mutex<Shared<D>>>,
}

#[derive(Debug)]
struct Shared<D> {
    partitions: Vec<VecDeque<D>>,
    /// What has been taken, if it is kept.
    kept: Option<Vec<Vec<D>>>,
    closed: bool,
}

impl<D> Clone for Queue<D> {
    fn clone(&self) -> Self {
        Queue { shared: Arc::clone(&self.shared) }
    }
}

impl<D> Queue<D> {
    /// An empty queue with this many partitions, one at least.
    pub fn new(partitions: u32) -> Self {
        let partitions = (0..partitions.max(1)).map(|_| VecDeque::new()).collect();
        Queue { shared: Arc::new(Mutex::new(Shared { partitions, kept: None, closed: false })) }
    }

    /// The same, but what a job takes is kept, so that a job with checkpoints which is started again
    /// in the same process finds it: for tests of what comes after a failure.
    pub fn keeping(partitions: u32) -> Self {
        let queue = Queue::new(partitions);
        lock(&queue.shared).kept = Some((0..partitions.max(1)).map(|_| Vec::new()).collect());
        queue
    }

    /// Pushes records to the first partition.
    pub fn push(&self, records: impl IntoIterator<Item = D>) {
        self.push_to(0, records);
    }

    /// Pushes records to a partition.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn push_to(&self, partition: u32, records: impl IntoIterator<Item = D>) {
        lock(&self.shared).partitions[partition as usize].extend(records);
    }

    /// Says that nothing more will be pushed: a job that reads only this ends when it has taken
    /// everything.
    pub fn close(&self) {
        lock(&self.shared).closed = true;
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        lock(&self.shared).partitions.iter().map(VecDeque::len).sum()
    }

    /// Whether no record waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<D: Record> Source for Queue<D> {
    type Item = D;

    fn name(&self) -> String {
        "queue".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        let partitions = 0..lock(&self.shared).partitions.len() as u32;
        Ok(partitions.map(|id| Partition { id, name: format!("queue-{id}") }).collect())
    }

    fn has_more(
        &mut self,
        _positions: &BTreeMap<u32, u64>,
        bounded: bool,
    ) -> Result<bool, SourceError> {
        let Shared { partitions, closed, .. } = &*lock(&self.shared);
        Ok(!(bounded || *closed) || partitions.iter().any(|queue| !queue.is_empty()))
    }

    fn rewinds(&self) -> bool {
        lock(&self.shared).kept.is_some()
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        let partitions = opening.begin(assigned);
        {
            // What was taken behind these offsets is taken again.
            let Shared { partitions: queues, kept, .. } = &mut *lock(&self.shared);
            for (id, offset) in &partitions {
                let Some(kept) = kept.as_mut().map(|kept| &mut kept[*id as usize]) else { break };
                for record in kept.drain((*offset as usize).min(kept.len())..).rev() {
                    queues[*id as usize].push_front(record);
                }
            }
        }
        let ends = opening.bounded;
        Ok(Box::new(QueueReader { queue: self.clone(), partitions, ends }))
    }
}

struct QueueReader<D> {
    queue: Queue<D>,
    /// Each partition with its next offset.
    partitions: Vec<(u32, u64)>,
    /// Whether to end with what is there.
    ends: bool,
}

impl<D: Record> Reader<D> for QueueReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, _wait: Duration) -> Result<Poll, SourceError> {
        let Shared { partitions, kept, closed } = &mut *lock(&self.queue.shared);
        let mut left = false;
        for (id, offset) in &mut self.partitions {
            let queue = &mut partitions[*id as usize];
            let room = intake.room_of(*id).unwrap_or(u64::MAX);
            let taken = (queue.len() as u64).min(room) as usize;
            for record in queue.drain(..taken) {
                if let Some(kept) = kept {
                    kept[*id as usize].push(record.clone());
                }
                intake.push(*id, *offset, record);
                *offset += 1;
            }
            intake.behind(*id, queue.len() as u64);
            left |= !queue.is_empty();
        }
        Ok(if (self.ends || *closed) && !left { Poll::End } else { Poll::Idle })
    }

    fn is_inline(&self) -> bool {
        true
    }
}
