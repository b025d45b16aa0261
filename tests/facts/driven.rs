//! A job of one process or of several, all of them in this one: they talk over sockets of this
//! host, each with its own workers. It can be started again from its checkpoints.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegate::error::RecoveryError;
use tidegate::metrics::BatchRecord;
use tidegate::recovery::Checkpoints;
use tidegate::sink::Memory;
use tidegate::{Cluster, Config, Context, Job, ManualClock, Record, RunError, Secret, Trigger};

use super::case::{Case, Found};
use crate::support::{Unsaved, free_addresses};

type Program = Arc<dyn Fn(Context<'_>) + Send + Sync>;

/// A running job. Its clock is moved by hand, unless its batches are cut by their records.
pub struct Driven {
    case: Case,
    config: Config,
    program: Program,
    clock: ManualClock,
    /// Its processes.
    jobs: Vec<Job>,
    /// The steps so far.
    steps: u64,
    saved: Option<TempDir>,
    /// If the next start is to find plans alone.
    unsaved: Option<Unsaved>,
}

/// No batch of a fact takes so long.
const BATCH_TIMEOUT: Duration = Duration::from_secs(60);
/// A run that has failed leaves its checkpoints alone after this time.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

impl Driven {
    pub fn start(
        case: &Case,
        mut config: Config,
        program: impl Fn(Context<'_>) + Send + Sync + 'static,
    ) -> Result<Self, RunError> {
        let saved = case.found.map(|_| tempfile::tempdir().expect("a directory"));
        if let (Some(found), Some(directory)) = (case.found, &saved) {
            let every = match found {
                Found::Checkpoint => Duration::ZERO,
                Found::Plan | Found::PlanAnew => Duration::from_secs(3600),
            };
            config = config.checkpoints(Checkpoints::at(directory.path()).every(every));
        }
        let mut driven = Driven {
            case: case.clone(),
            config,
            program: Arc::new(program),
            clock: ManualClock::new(),
            jobs: Vec::new(),
            steps: 0,
            saved,
            unsaved: None,
        };
        driven.launch()?;
        Ok(driven)
    }

    fn launch(&mut self) -> Result<(), RunError> {
        self.case.note_start();
        self.unsaved = match (self.case.found, &self.saved) {
            (Some(Found::Plan | Found::PlanAnew), Some(saved)) => {
                Some(Unsaved::before(saved.path()))
            }
            _ => None,
        };
        self.clock = ManualClock::new();
        let processes = self.case.processes;
        let addresses = free_addresses(processes);
        let of_process = |process| {
            let config = match (&self.config.trigger, process) {
                (Trigger::Count { .. }, _) => self.config.clone(),
                (_, 0) => self.config.clone().trigger(Trigger::Manual(self.clock.clone())),
                _ => self.config.clone().trigger(Trigger::Manual(ManualClock::new())),
            };
            if processes == 1 {
                return config;
            }
            let (secret, addresses) = (Secret::new("facts"), addresses.clone());
            config.cluster(Cluster { process, addresses, secret, ..Cluster::default() })
        };
        // Each of them waits for the others.
        let starting: Vec<JoinHandle<Result<Job, RunError>>> = (0..processes)
            .map(|process| {
                let (config, program) = (of_process(process), Arc::clone(&self.program));
                std::thread::spawn(move || tidegate::start(config, move |ctx| program(ctx)))
            })
            .collect();
        let started: Vec<Result<Job, RunError>> =
            starting.into_iter().map(|job| job.join().expect("it does not panic")).collect();
        self.jobs = started.into_iter().collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Cuts a batch of what is in the queues, and waits until all sinks have confirmed it.
    pub fn tick(&mut self) -> BatchRecord {
        self.tick_skipping(0)
    }

    /// The same, after some ids that are no batches.
    pub fn tick_skipping(&mut self, skipped: u64) -> BatchRecord {
        let batch = self.clock.request(skipped);
        self.clock.wait(batch, BATCH_TIMEOUT).unwrap_or_else(|| {
            self.jobs.iter().for_each(Job::stop);
            let ends: Vec<_> = self.jobs.drain(..).map(Job::join).collect();
            panic!("batch {batch} was not completed: the job came to {ends:?}")
        })
    }

    /// Cuts a batch at which the job fails, and waits until it has.
    pub fn tick_and_fail(&mut self) -> RunError {
        self.clock.request(0);
        self.fail()
    }

    /// Waits until the job has failed.
    pub fn fail(&mut self) -> RunError {
        let ends: Vec<_> = self.jobs.drain(..).map(Job::join).collect();
        ends.into_iter().find_map(Result::err).expect("it fails")
    }

    /// A step is through: where the fact says so, the job is stopped and started again.
    pub fn step_over<E: Record>(&mut self, output: &Memory<E>) {
        self.steps += 1;
        if self.case.restarts_after(self.steps) {
            self.stop_and_start(output);
        }
    }

    /// Stops the job and starts it again.
    pub fn stop_and_start<E: Record>(&mut self, output: &Memory<E>) {
        self.end().expect("the job ends well");
        self.start_again(output);
    }

    /// Starts a job again that has ended.
    pub fn start_again<E: Record>(&mut self, output: &Memory<E>) {
        if self.case.found == Some(Found::PlanAnew) {
            output.clear();
        }
        let begun = Instant::now();
        loop {
            match self.launch() {
                // Threads of a run that has failed may still be at work.
                Err(RunError::Recovery(RecoveryError::InUse { .. }))
                    if begun.elapsed() < ENDS_WITHIN => {}
                started => return started.expect("it starts again"),
            }
        }
    }

    fn end(&mut self) -> Result<(), RunError> {
        self.jobs[0].stop();
        self.jobs.drain(..).try_for_each(|job| job.join().map(drop))?;
        self.unsaved.take().into_iter().for_each(Unsaved::pretend_killed);
        Ok(())
    }

    /// Ends all processes.
    pub fn stop(mut self) -> Result<(), RunError> {
        self.end()
    }
}
