//! Who is told about batches.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{BatchRecord, BatchStart};
use crate::error::RunError;

/// Is told about batches, on a thread of its own: it may take its time, and delays no batch.
///
/// In a cluster, process 0 tells its listeners about the batches of all processes.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tidegate::metrics::{BatchRecord, Listener};
///
/// #[derive(Default)]
/// struct CountRows(AtomicU64);
/// impl Listener for CountRows {
///     fn batch_completed(&self, record: &BatchRecord) {
///         self.0.fetch_add(record.rows_in(), Ordering::Relaxed);
///     }
/// }
///
/// let counter = CountRows::default();
/// counter.batch_completed(&BatchRecord::default());
/// assert_eq!(counter.0.load(Ordering::Relaxed), 0);
/// ```
pub trait Listener: Send + Sync {
    /// A batch was cut; how many records it has is known, how long it takes is not.
    fn batch_submitted(&self, batch: &BatchStart) {
        let _ = batch;
    }

    /// A batch is being processed.
    fn batch_started(&self, batch: &BatchStart) {
        let _ = batch;
    }

    /// A batch is done: all sinks have confirmed it.
    fn batch_completed(&self, record: &BatchRecord) {
        let _ = record;
    }
}

enum Event {
    Started(BatchStart),
    Completed(BatchRecord),
}

impl Event {
    fn tell(&self, listener: &dyn Listener) {
        match self {
            Event::Started(batch) => {
                listener.batch_submitted(batch);
                listener.batch_started(batch);
            }
            Event::Completed(record) => listener.batch_completed(record),
        }
    }
}

/// After each round the reporter rests, so that a worker with a thousand batches a second need not
/// wake it twice for each of them.
const REST: Duration = Duration::from_millis(2);

/// Hands events to the listeners, on its own thread.
pub(crate) struct Reporter {
    events: Option<Sender<Event>>,
    thread: Option<JoinHandle<()>>,
}

impl Reporter {
    /// A reporter; without listeners it does nothing.
    pub(crate) fn start(listeners: Vec<Arc<dyn Listener>>) -> Result<Self, RunError> {
        if listeners.is_empty() {
            return Ok(Reporter { events: None, thread: None });
        }
        let (events, received) = channel::<Event>();
        let thread = std::thread::Builder::new()
            .name("reporter".into())
            .spawn(move || {
                while let Ok(first) = received.recv() {
                    for event in std::iter::once(first).chain(received.try_iter()) {
                        listeners.iter().for_each(|listener| event.tell(&**listener));
                    }
                    std::thread::sleep(REST);
                }
            })
            .map_err(|source| RunError::System { what: "start the reporter".into(), source })?;
        Ok(Reporter { events: Some(events), thread: Some(thread) })
    }

    pub(crate) fn started(&self, batch: impl FnOnce() -> BatchStart) {
        if let Some(events) = &self.events {
            // A listener that panicked hears nothing more.
            let _ = events.send(Event::Started(batch()));
        }
    }

    pub(crate) fn completed(&self, record: impl FnOnce() -> BatchRecord) {
        if let Some(events) = &self.events {
            let _ = events.send(Event::Completed(record()));
        }
    }
}

/// Waits until the listeners have heard everything.
impl Drop for Reporter {
    fn drop(&mut self) {
        self.events = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("a listener panicked; it has not heard of all batches");
        }
    }
}
