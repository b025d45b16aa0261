//! What workers tell each other of how far they are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use timely::logging::{TimelyProgressEvent, TimelyProgressEventBuilder};
use timely::worker::Worker;

use super::ProgressRecord;
use crate::batch::BatchId;

/// Counts, on one worker, what all of them broadcast about the progress of batches. What is said inside
/// of iterations, in times of their own, is not counted.
#[derive(Clone, Default)]
pub(crate) struct ProgressCounter(Rc<RefCell<BTreeMap<BatchId, ProgressRecord>>>);

impl ProgressCounter {
    /// Listens to a worker, from before it builds its dataflow.
    pub(crate) fn listen(worker: &Worker) -> Self {
        let counter = ProgressCounter::default();
        let (heard, others) = (counter.clone(), worker.peers() as u64 - 1);
        if let Some(mut logs) = worker.log_register() {
            let stream = format!("timely/progress/{}", std::any::type_name::<BatchId>());
            logs.insert::<TimelyProgressEventBuilder<BatchId>, _>(&stream, move |_, events| {
                for (_, event) in events.iter().flatten().filter(|(_, event)| !event.is_send) {
                    heard.add(event, others);
                }
            });
        }
        counter
    }

    /// A broadcast: a message to each of the others.
    fn add(&self, event: &TimelyProgressEvent<BatchId>, others: u64) {
        let updates = || event.messages.iter().chain(&event.internal);
        // It counts for the oldest batch that it is about.
        let Some(batch) = updates().map(|(_, _, batch, _)| *batch).min() else { return };
        let mut batches = self.0.borrow_mut();
        let record = batches.entry(batch).or_default();
        record.messages += others;
        record.updates += others * updates().count() as u64;
    }

    /// What was said about batches through this one, and was not taken before.
    pub(crate) fn through(&self, batch: BatchId) -> ProgressRecord {
        let mut batches = self.0.borrow_mut();
        let later = batches.split_off(&(batch + 1));
        let said = std::mem::replace(&mut *batches, later);
        said.into_values().fold(ProgressRecord::default(), |sum, record| ProgressRecord {
            messages: sum.messages + record.messages,
            updates: sum.updates + record.updates,
        })
    }
}
