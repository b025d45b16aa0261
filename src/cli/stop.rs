//! Stopping a job after a time.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use tidegate::{Job, RunError, Summary};

/// Waits for a job to end, and asks it to when its time is over.
pub fn join_within(job: Job, run_for: Option<Duration>) -> Result<Summary, RunError> {
    let Some(time) = run_for else { return job.join() };
    let stopper = job.stopper();
    let (ended, end) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if end.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                stopper.stop();
            }
        });
        let outcome = job.join();
        drop(ended);
        outcome
    })
}
