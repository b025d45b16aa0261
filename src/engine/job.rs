//! A running job.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::communication::{WorkerGuards, initialize_from};

use super::build::{Names, Outline};
use super::cluster::Agreement;
use super::control::Control;
use super::opening::{self, Opened};
use super::registry::Declared;
use super::signals::SignalListener;
use super::watchdog::{Patience, Pulse, Watchdog};
use super::worker::{self, Program, Shared};
use super::{cluster, dry, panic_text};
use crate::Trigger;
use crate::config::Config;
use crate::context::Context;
use crate::error::RunError;
use crate::metrics::Summary;
use crate::promise::{self, Promise};
use crate::recovery::Recovery;
use crate::sink::Delivery;

/// Runs a program until its input ends, it is stopped, or it fails.
///
/// The program builds the dataflow: it is called once to see what it declares, and once on each
/// worker.
///
/// # Errors
///
/// If the job can't start, or does not end well. A panic on any worker is an error within a
/// second.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Generator;
/// use tidegate::{Config, Trigger};
///
/// let counts = Memory::new();
/// let sink = counts.clone();
/// let config = Config::new("count").workers(2).trigger(Trigger::AvailableNow);
/// let summary = tidegate::run(config, move |ctx| {
///     let keys = ctx.source(Generator::zipf_keys(100, 1).records(10_000));
///     keys.running().count_by_value().snapshots().sink(sink.clone());
/// })?;
/// assert_eq!(summary.rows_in, 10_000);
/// let last = counts.rows().pop().unwrap_or_default();
/// assert_eq!(last.iter().map(|(_key, count)| count).sum::<i64>(), 10_000);
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn run(
    config: Config,
    program: impl Fn(Context<'_>) + Send + Sync + 'static,
) -> Result<Summary, RunError> {
    start(config, program)?.join()
}

/// Starts a program and returns, once all sources and sinks are open and the workers run.
///
/// # Errors
///
/// If the job can't start: nothing has been read or written then.
pub fn start(
    config: Config,
    program: impl Fn(Context<'_>) + Send + Sync + 'static,
) -> Result<Job, RunError> {
    start_program(config, Box::new(program))
}

/// The same for all programs: what follows is compiled once.
fn start_program(config: Config, program: Box<Program>) -> Result<Job, RunError> {
    config.check()?;
    let config = Arc::new(config);
    let control = Control::new();
    let signals = match config.stop_on_signals {
        true => Some(SignalListener::start(Arc::clone(&control))?),
        false => None,
    };
    if let Trigger::Manual(clock) = &config.trigger {
        let clock = clock.clone();
        control.on_failure(move || clock.over());
    }
    let Outline { names, declared, fingerprint } = dry::outline(&config, &*program)?;

    // Process 0 claims the generation; the others hear of it when they meet.
    let claimed = match &config.checkpoints {
        Some(checkpoints) if config.process() == 0 => {
            Some(Recovery::open(checkpoints, &config.name, config.peers())?)
        }
        _ => None,
    };
    let generation = claimed.as_ref().map_or(0, |recovery| recovery.generation);
    let met = cluster::meet(&config, Agreement { fingerprint, generation }, &control)?;
    let opened = match (claimed, &config.checkpoints) {
        (None, Some(checkpoints)) => Recovery::join(checkpoints, met.generation).map(Some),
        (claimed, _) => Ok(claimed),
    }
    .map_err(RunError::from)
    .and_then(|recovery| opening::open(&config, &control, declared, recovery));
    let Opened { declared, recovery, registry } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            met.leave();
            return Err(error);
        }
    };
    let cluster = met.join(&config)?;
    let local = config.local_workers();
    let promises = promised(&names, &declared, recovery.is_some());
    let pulses: Vec<Arc<Pulse>> = local.clone().map(|_| Arc::default()).collect();
    let shared = Arc::new(Shared {
        config: Arc::clone(&config),
        control: Arc::clone(&control),
        program,
        registry: Arc::new(Mutex::new(registry)),
        names,
        recovery,
        pulses: pulses.clone(),
    });
    let patience = Patience::up_to(config.stall_timeout);
    let watchdog = Watchdog::start(local.start, pulses, patience, Arc::clone(&control))?;
    let (ended, endings) = channel();
    let guards = initialize_from(cluster.allocators, cluster.guard, move |allocator| {
        let worker = allocator.index();
        let control = &shared.control;
        let outcome = catch_unwind(AssertUnwindSafe(|| worker::run(allocator, &shared)));
        let summary = match outcome {
            Ok(Ok(summary)) => summary,
            Ok(Err(error)) => {
                control.fail(error);
                None
            }
            Err(panic) => {
                let message = panic_text(&*panic);
                control.fail(RunError::WorkerPanicked { worker, message });
                None
            }
        };
        // Whoever started the job may have lost interest.
        let _ = ended.send(summary);
    })
    .map_err(|error| RunError::System {
        what: "start the worker threads".into(),
        source: std::io::Error::other(error),
    })?;
    if config.process() == 0 && !config.replays_only {
        promise::say(&promises);
    }
    Ok(Job {
        config,
        promises,
        control,
        guards: Some(guards),
        endings,
        links: cluster.links,
        _watchdog: watchdog,
        _signals: signals,
    })
}

/// What can be said of each sink now that it is open.
fn promised(names: &Names, declared: &Declared, is_saved: bool) -> Vec<Promise> {
    let sources = names.sources.iter().zip(&declared.sources).map(|(name, source)| {
        // What such a source sends while nobody writes it down is lost.
        let is_journaled = is_saved && !source.rewinds();
        let shown = if is_journaled { format!("{name} as written down") } else { name.clone() };
        (shown, source.reads_again())
    });
    let sources: Vec<(String, bool)> = sources.collect();
    let sinks = declared.sinks.iter().map(|sink| sink.delivery());
    let sinks: Vec<(String, Delivery)> = names.sinks.iter().cloned().zip(sinks).collect();
    promise::of(&sources, &sinks, is_saved)
}

/// A running job. Dropping it stops it, without waiting.
pub struct Job {
    config: Arc<Config>,
    promises: Vec<Promise>,
    control: Arc<Control>,
    guards: Option<WorkerGuards<()>>,
    endings: Receiver<Option<Summary>>,
    links: cluster::Links,
    _watchdog: Watchdog,
    _signals: Option<SignalListener>,
}

/// Asks a job to stop.
#[derive(Clone)]
pub struct Stopper {
    control: Arc<Control>,
}

impl Stopper {
    /// As [`Job::stop`].
    pub fn stop(&self) {
        self.control.stop();
    }
}

/// How long workers are waited for once the run has failed.
const GRACE: Duration = Duration::from_millis(500);

impl Job {
    /// Asks the job to stop: the open batch is finished, and no other begun. Use
    /// [`Job::join`] to wait for it.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// What is promised of each sink, if the job is killed and started again.
    pub fn promises(&self) -> &[Promise] {
        &self.promises
    }

    /// Something that can ask the job to stop while another thread waits for it.
    pub fn stopper(&self) -> Stopper {
        Stopper { control: Arc::clone(&self.control) }
    }

    /// Waits until the job has ended. In a cluster, process 0 has the summary of all; those of the
    /// others are empty.
    ///
    /// # Errors
    ///
    /// If it did not end well.
    pub fn join(mut self) -> Result<Summary, RunError> {
        let mut summary = Summary::default();
        let mut left = self.config.workers;
        while left > 0 && !self.control.has_failed() {
            match self.endings.recv_timeout(Duration::from_millis(50)) {
                Ok(ended) => {
                    left -= 1;
                    summary = ended.unwrap_or(summary);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !self.control.has_failed() {
            // All workers are through; so are, or soon will be, the threads behind the sockets.
            if let Some(guards) = self.guards.take() {
                guards.join();
            }
        }
        self.over();
        match self.control.take_failure() {
            Some(error) => Err(error),
            None => Ok(summary),
        }
    }

    /// Leaves a failed run behind: its workers have been woken, and end by themselves unless they
    /// hang, in which case nobody waits for them.
    fn over(&mut self) {
        if let Some(guards) = self.guards.take() {
            let deadline = std::time::Instant::now() + GRACE;
            let ended = || guards.guards().iter().all(std::thread::JoinHandle::is_finished);
            while !ended() && std::time::Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            self.links.cut();
            std::mem::forget(guards);
        }
        if let Trigger::Manual(clock) = &self.config.trigger {
            clock.over();
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.control.stop();
        if let Some(guards) = self.guards.take() {
            // Dropping the guards would wait.
            std::mem::forget(guards);
        }
    }
}
