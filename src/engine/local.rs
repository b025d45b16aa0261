//! A job that moves when it is told to.

use std::time::Duration;

use super::job::{Job, start};
use super::manual::ManualClock;
use crate::batch::BatchId;
use crate::config::{Config, Trigger};
use crate::context::Context;
use crate::error::RunError;
use crate::metrics::{BatchRecord, Summary};

/// A job under a manual clock: push records into its queues, tick, and read what came out.
///
/// For tests: no sleeping, no wall clock, and the same outputs on any number of workers.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::{Config, Local};
///
/// let words = Queue::<String>::new(2);
/// let counts = Memory::new();
/// let (input, output) = (words.clone(), counts.clone());
/// let mut local = Local::start(Config::new("count").workers(2), move |ctx| {
///     ctx.source(input.clone()).running().count_by_value().snapshots().sink(output.clone());
/// })?;
///
/// words.push_to(0, ["tide".to_string(), "gate".to_string()]);
/// words.push_to(1, ["tide".to_string()]);
/// let record = local.tick();
/// assert_eq!(record.rows_in(), 3);
/// assert_eq!(counts.rows_of(1), [("gate".to_string(), 1), ("tide".to_string(), 2)]);
/// local.stop()?;
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub struct Local {
    job: Option<Job>,
    clock: ManualClock,
}

/// No batch of a test takes so long.
const BATCH_TIMEOUT: Duration = Duration::from_secs(60);

impl Local {
    /// Starts a job whose clock is moved by [`Local::tick`], whatever trigger `config` has.
    ///
    /// # Errors
    ///
    /// If the job can't start.
    pub fn start(
        config: Config,
        program: impl Fn(Context<'_>) + Send + Sync + 'static,
    ) -> Result<Self, RunError> {
        let clock = ManualClock::new();
        let job = start(config.trigger(Trigger::Manual(clock.clone())), program)?;
        Ok(Local { job: Some(job), clock })
    }

    /// Cuts a batch of what is in the queues, and waits until all sinks have confirmed it.
    ///
    /// # Panics
    ///
    /// If the job has failed, or the batch takes more than a minute.
    pub fn tick(&mut self) -> BatchRecord {
        self.tick_skipping(0)
    }

    /// The same, after some ids that are no batches: as if the job had been overloaded.
    ///
    /// # Panics
    ///
    /// As [`Local::tick`].
    pub fn tick_skipping(&mut self, skipped: u64) -> BatchRecord {
        let batch = self.request(skipped);
        self.wait(batch)
    }

    /// Asks for a batch without waiting for it: several may then be in flight.
    pub fn request(&mut self, skipped: u64) -> BatchId {
        self.clock.request(skipped)
    }

    /// Waits until all sinks have confirmed a batch.
    ///
    /// # Panics
    ///
    /// As [`Local::tick`].
    pub fn wait(&mut self, batch: BatchId) -> BatchRecord {
        match self.clock.wait(batch, BATCH_TIMEOUT) {
            Some(record) => record,
            None => {
                let outcome = self.job.take().map(|job| {
                    job.stop();
                    job.join()
                });
                panic!("batch {batch} was not completed: the job came to {outcome:?}")
            }
        }
    }

    /// Tries the same without panicking: the error with which the job ended, if it did.
    ///
    /// # Errors
    ///
    /// The job's.
    pub fn try_tick(&mut self) -> Result<BatchRecord, RunError> {
        let batch = self.request(0);
        match self.clock.wait(batch, BATCH_TIMEOUT) {
            Some(record) => Ok(record),
            None => match self.job.take().map(Job::join) {
                Some(Err(error)) => Err(error),
                outcome => panic!("batch {batch} was not completed: the job came to {outcome:?}"),
            },
        }
    }

    /// Ends the job.
    ///
    /// # Errors
    ///
    /// If it did not end well.
    pub fn stop(mut self) -> Result<Summary, RunError> {
        match self.job.take() {
            Some(job) => {
                job.stop();
                job.join()
            }
            None => Ok(Summary::default()),
        }
    }
}
