//! What the threads of a process share: whether to go on, and whom to wake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use crate::error::RunError;

/// The switchboard of one process: stop, failure, and the worker threads to wake for either.
#[derive(Default)]
pub(crate) struct Control {
    stopping: AtomicBool,
    failed: AtomicBool,
    failure: Mutex<Option<RunError>>,
    workers: Mutex<Vec<Thread>>,
    /// Called once, when the run fails.
    on_failure: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

/// Locks, whatever became of the thread that held the lock before: what is shared here is whole
/// at every moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Asks for a graceful stop: the open batch finishes.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether a graceful stop was asked for.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Ends the run with an error; the first error counts.
    pub(crate) fn fail(&self, error: RunError) {
        {
            let mut failure = lock(&self.failure);
            if failure.is_some() {
                log::debug!("a later failure: {error}");
                return;
            }
            *failure = Some(error);
        }
        self.failed.store(true, Ordering::SeqCst);
        for hook in lock(&self.on_failure).drain(..) {
            hook();
        }
        self.wake();
    }

    /// Calls `hook` when the run fails; at once, if it has.
    pub(crate) fn on_failure(&self, hook: impl Fn() + Send + 'static) {
        let mut hooks = lock(&self.on_failure);
        if self.has_failed() {
            hook();
        } else {
            hooks.push(Box::new(hook));
        }
    }

    /// Whether the run has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Takes the error that ended the run.
    pub(crate) fn take_failure(&self) -> Option<RunError> {
        lock(&self.failure).take()
    }

    /// Registers the calling thread as a worker, to be woken.
    pub(crate) fn register_worker(&self) {
        lock(&self.workers).push(std::thread::current());
    }

    /// Wakes all workers.
    pub(crate) fn wake(&self) {
        lock(&self.workers).iter().for_each(Thread::unpark);
    }
}
