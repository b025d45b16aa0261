//! Handing a batch over to a thread of its own, and hearing when it is done with.
//!
//! A worker never blocks on a disk or a broker. What must (a sink, the plan) runs here, batch by
//! batch; the operator keeps the batch's capability until the thread has confirmed it, so that the
//! operator's output frontier says what is really done.

use std::any::Any;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use timely::scheduling::SyncActivator;

use super::control::{Control, lock};
use super::panic_text;
use crate::batch::BatchId;
use crate::error::RunError;

/// What a thread is given, of any type: channels are a lot of code, and this is one for all.
type Work = Box<dyn Any + Send>;

/// A thread that works off batches in order.
pub(crate) struct Handover<W, R = ()> {
    queue: Option<Sender<(BatchId, Work)>>,
    work: PhantomData<fn(W)>,
    done: Arc<Mutex<VecDeque<(BatchId, R)>>>,
    thread: Option<JoinHandle<()>>,
    control: Arc<Control>,
}

impl<W: Send + 'static, R: Send + 'static> Handover<W, R> {
    /// Starts the thread. `work` is called once for each batch; an error or a panic ends the run.
    /// `waker` activates the operator after each batch.
    pub(crate) fn start(
        name: &str,
        waker: SyncActivator,
        control: Arc<Control>,
        mut work: impl FnMut(W) -> Result<R, RunError> + Send + 'static,
    ) -> Result<Self, RunError> {
        let (queue, batches) = channel::<(BatchId, Work)>();
        let done = Arc::new(Mutex::new(VecDeque::new()));
        let (finished, owner) = (Arc::clone(&done), name.to_owned());
        let watched = Arc::clone(&control);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                for (batch, item) in batches {
                    if control.has_failed() {
                        return;
                    }
                    let item = *item.downcast::<W>().expect("only `send` fills the queue");
                    match catch_unwind(AssertUnwindSafe(|| work(item))) {
                        Ok(Ok(result)) => lock(&finished).push_back((batch, result)),
                        Ok(Err(error)) => return control.fail(error),
                        Err(panic) => {
                            let text = panic_text(&*panic);
                            let text = format!("it panicked: {text}");
                            return control.fail(RunError::Sink {
                                name: owner,
                                batch: Some(batch),
                                source: crate::error::SinkError::Invalid(text),
                            });
                        }
                    }
                    // A worker that is gone needs no waking.
                    let _ = waker.activate();
                }
            })
            .map_err(|source| RunError::System {
                what: format!("start thread `{name}`"),
                source,
            })?;
        Ok(Handover {
            queue: Some(queue),
            work: PhantomData,
            done,
            thread: Some(thread),
            control: watched,
        })
    }

    /// Hands a batch over.
    pub(crate) fn send(&mut self, batch: BatchId, work: W) {
        if let Some(queue) = &self.queue {
            // The thread is gone only if the run has failed.
            let _ = queue.send((batch, Box::new(work)));
        }
    }

    /// The batches done with since the last call.
    pub(crate) fn confirmed(&mut self) -> VecDeque<(BatchId, R)> {
        std::mem::take(&mut *lock(&self.done))
    }
}

/// Waits for the thread, which by then has no batch left: an operator goes only after its last one
/// is confirmed. If the run has failed, the thread may hang at a broker: nobody waits for it.
impl<W, R> Drop for Handover<W, R> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && !self.control.has_failed()
            && !std::thread::panicking()
        {
            // Its panic, if any, has been reported.
            let _ = thread.join();
        }
    }
}
