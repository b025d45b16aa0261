//! How a job runs: workers, clock, limits.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_operators::codec::Codecs;
use tidegate_operators::ship::KEY_GROUPS;

use crate::engine::ManualClock;
use crate::error::ConfigError;
use crate::metrics::Listener;
use crate::plan::PlanLog;
use crate::rate::RateControl;
use crate::recovery::Checkpoints;

/// When batches are cut.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// At every batch interval by the wall clock. Where the job can't keep up, intervals are
    /// skipped and batches grow.
    Interval,
    /// As soon as the one before allows.
    Continuous,
    /// When every partition has this many records, or has ended. Where one batch ends and the
    /// next begins then depends on the input alone.
    Count {
        /// Records per source partition and batch.
        records: u64,
    },
    /// What is there when the job starts, and no more: batches of at most
    /// [`Config::records_per_partition_max`] records per source partition, then the job ends.
    /// Where batches end depends on the input alone.
    AvailableNow,
    /// When the holder of the clock says so: for tests.
    Manual(ManualClock),
}

/// How a stateful operator keeps its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// A hash index: the fastest for aggregates by key.
    #[default]
    HashIndex,
    /// A differential arrangement: a sorted, shared, multi-version index.
    Arrangement,
    /// No incremental state at all: windows keep raw rows, and each batch is computed from all of
    /// them, as a batch engine would. The measure against which the others are held.
    Recompute,
    /// Partial aggregates by key and batch, of which a window is put together anew whenever it
    /// slides: what Spark does without an inverse function. Only aggregates of windows have
    /// partial results; everything else is kept as with [`Strategy::Recompute`].
    Partials,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Strategy; 4] =
        [Strategy::HashIndex, Strategy::Arrangement, Strategy::Recompute, Strategy::Partials];

    /// Whether tables are full contents at each batch, computed anew, and not differences.
    ///
    /// ```
    /// use tidegate::Strategy;
    ///
    /// let anew = Strategy::ALL.into_iter().filter(|strategy| strategy.computes_anew());
    /// assert_eq!(anew.collect::<Vec<_>>(), [Strategy::Recompute, Strategy::Partials]);
    /// ```
    pub fn computes_anew(self) -> bool {
        matches!(self, Strategy::Recompute | Strategy::Partials)
    }

    /// Its name: `hash-index`, `arrangement`, `recompute` or `partials`.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::HashIndex => "hash-index",
            Strategy::Arrangement => "arrangement",
            Strategy::Recompute => "recompute",
            Strategy::Partials => "partials",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the processes of a job find each other.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// This process's index, from 0.
    pub process: usize,
    /// One `HOST:PORT` for each process, in the order of their indices.
    pub addresses: Vec<String>,
    /// What every process must know to be let in; empty for none, on a host that nobody else can
    /// reach.
    pub secret: Secret,
    /// TLS between the processes, in which both sides show a certificate (feature `tls`).
    pub tls: Option<Tls>,
    /// For how long to wait for the other processes at the start.
    pub join_timeout: Option<Duration>,
}

/// The files for TLS between the processes of a job, all in PEM.
///
/// A process believes another if its certificate is signed by the authority and, where it was called,
/// names the host of its address.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whose certificates are believed: certificates of one or more authorities.
    pub authority: PathBuf,
    /// This process's certificate, and those between it and the authority if there are any.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// Bytes that are never shown.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The environment variable with a cluster's secret.
    pub const VARIABLE: &str = "TIDEGATE_SECRET";

    /// A secret; surrounding white space is not part of it, since files end in newlines.
    pub fn new(text: &str) -> Self {
        Secret(text.trim().as_bytes().to_vec())
    }

    /// That of the environment, `TIDEGATE_SECRET`; none, if it is not set.
    ///
    /// # Errors
    ///
    /// `ConfigError::Variable`, if it is no text.
    pub fn from_env() -> Result<Self, ConfigError> {
        Secret::of_variable(std::env::var_os(Secret::VARIABLE)).map(Option::unwrap_or_default)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Secret(none)" } else { "Secret(hidden)" })
    }
}

/// How a job runs. Every setting has a default; change what you need.
///
/// ```
/// use std::time::Duration;
/// use tidegate::Config;
///
/// let config = Config::new("clicks").workers(2).interval(Duration::from_millis(500));
/// assert_eq!(config.in_flight_max, 2);
/// assert!(config.check().is_ok());
/// assert!(config.interval(Duration::ZERO).check().is_err());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The job's name: part of its fingerprint, and of what it writes about itself.
    pub name: String,
    /// Worker threads in this process; each process of a cluster has as many.
    pub workers: usize,
    /// The other processes, if there are any.
    pub cluster: Option<Cluster>,
    /// The batch interval: the unit of windows, and with [`Trigger::Interval`] the time between
    /// two cuts. 1 ms to 1 h.
    pub interval: Duration,
    /// When batches are cut.
    pub trigger: Trigger,
    /// How many batches may be cut but not yet confirmed by all sinks.
    pub in_flight_max: usize,
    /// How many records of a source partition a batch takes at most.
    pub records_per_partition_max: Option<u64>,
    /// The same for the first batch alone: a job that was away does not begin with all that has
    /// piled up.
    pub first_batch_records_max: Option<u64>,
    /// How fast sources are read.
    pub rate_control: RateControl,
    /// How many bytes of records a source may hold ready per worker before it is paused.
    pub queue_bytes_max: usize,
    /// How stateful operators keep their state, unless told otherwise one by one.
    pub strategy: Strategy,
    /// The batch time of the first interval's start, in milliseconds since 1970, if it is not to
    /// be taken from the wall clock. Batch `n` then has the time `origin + n * interval`.
    pub batch_time_origin_ms: Option<i64>,
    /// Stop with an error when a source or sink can't be reached, instead of trying again.
    pub fail_fast: bool,
    /// Bind each worker to a core of its own, as far as there are cores.
    pub pin_workers: bool,
    /// Stop at SIGINT and SIGTERM, finishing the open batch.
    pub stop_on_signals: bool,
    /// How long one call of an operator may take, user code included, before its worker counts as
    /// stuck and the run ends with [`RunError::WorkerStalled`](crate::RunError::WorkerStalled).
    /// Between two calls it is 5 s, if this is not shorter. Waiting for a sink or a broker is no
    /// stall, however long it takes.
    pub stall_timeout: Duration,
    /// How rows are written between processes.
    pub codecs: Codecs,
    /// Who is told about batches.
    pub listeners: Vec<Arc<dyn Listener>>,
    /// Where the plan of each batch is written before any sink commits it; nowhere, if `None`.
    pub plan_log: Option<Arc<dyn PlanLog>>,
    /// Where the job's checkpoints lie, from which it goes on when it is started again; without
    /// them it begins anew.
    pub checkpoints: Option<Checkpoints>,
    /// Whether records of batches say what workers told each other of their progress. It costs a little.
    pub counts_progress: bool,
    /// Whether the job only runs again what was planned, without writing anything, and ends.
    pub(crate) replays_only: bool,
    /// Whether records go on only once the plan of their batch is durable.
    pub(crate) plan_first: bool,
}

impl Config {
    /// The defaults: one worker, a batch a second, the hash index.
    pub fn new(name: impl Into<String>) -> Self {
        Config {
            name: name.into(),
            workers: 1,
            cluster: None,
            interval: Duration::from_secs(1),
            trigger: Trigger::Interval,
            in_flight_max: 2,
            records_per_partition_max: None,
            first_batch_records_max: None,
            rate_control: RateControl::new(),
            queue_bytes_max: 64 << 20,
            strategy: Strategy::default(),
            batch_time_origin_ms: None,
            fail_fast: false,
            pin_workers: false,
            stop_on_signals: false,
            stall_timeout: Duration::from_secs(30),
            codecs: Codecs::default(),
            listeners: Vec::new(),
            plan_log: None,
            checkpoints: None,
            counts_progress: false,
            replays_only: false,
            plan_first: false,
        }
    }

    /// Sets the number of worker threads in this process.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Makes this process one of a cluster.
    pub fn cluster(mut self, cluster: Cluster) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Sets the batch interval.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets when batches are cut.
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// Sets how many batches may be cut but not yet confirmed.
    pub fn in_flight_max(mut self, batches: usize) -> Self {
        self.in_flight_max = batches;
        self
    }

    /// Sets how many records of a source partition a batch takes at most.
    pub fn records_per_partition_max(mut self, records: u64) -> Self {
        self.records_per_partition_max = Some(records);
        self
    }

    /// Sets how many records of a source partition the first batch takes at most.
    pub fn first_batch_records_max(mut self, records: u64) -> Self {
        self.first_batch_records_max = Some(records);
        self
    }

    /// Sets how fast sources are read.
    pub fn rate_control(mut self, control: RateControl) -> Self {
        self.rate_control = control;
        self
    }

    /// Sets how many bytes a source may hold ready per worker.
    pub fn queue_bytes_max(mut self, bytes: usize) -> Self {
        self.queue_bytes_max = bytes;
        self
    }

    /// Sets how stateful operators keep their state.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Counts batch times from `origin_ms` instead of the wall clock.
    pub fn batch_time_origin_ms(mut self, origin_ms: i64) -> Self {
        self.batch_time_origin_ms = Some(origin_ms);
        self
    }

    /// Stops with an error where the job would wait for a source or sink to come back.
    pub fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }

    /// Binds workers to cores.
    pub fn pin_workers(mut self, pin: bool) -> Self {
        self.pin_workers = pin;
        self
    }

    /// Stops at SIGINT and SIGTERM.
    pub fn stop_on_signals(mut self, stop: bool) -> Self {
        self.stop_on_signals = stop;
        self
    }

    /// Sets how long one call of an operator may take before its worker counts as stuck.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// Sets how rows are written between processes.
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// Adds somebody who is told about batches.
    pub fn listener(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Sets where the plan of each batch is written.
    pub fn plan_log(mut self, log: Arc<dyn PlanLog>) -> Self {
        self.plan_log = Some(log);
        self
    }

    /// Has the records of batches say what workers told each other of their progress.
    ///
    /// ```
    /// use tidegate::sink::Memory;
    /// use tidegate::source::Queue;
    /// use tidegate::{Config, Local};
    ///
    /// for workers in [1, 2] {
    ///     let config = Config::new("numbers").workers(workers).count_progress();
    ///     let numbers = Queue::<u64>::new(1);
    ///     let mut local = Local::start(config, move |ctx| {
    ///         ctx.source(numbers.clone()).sink(Memory::new());
    ///     })?;
    ///     let said = local.tick().progress.unwrap();
    ///     assert_eq!(said.messages > 0, workers > 1, "{said:?}");
    ///     local.stop()?;
    /// }
    /// # Ok::<(), tidegate::RunError>(())
    /// ```
    pub fn count_progress(mut self) -> Self {
        self.counts_progress = true;
        self
    }

    /// Hands a batch's records on only once its plan is durable: each batch waits for a sync, and one that
    /// the job can't get through is known when it fails. For starts after failures; see
    /// [`rehearse`](crate::rehearse).
    pub fn plan_first(mut self) -> Self {
        self.plan_first = true;
        self
    }

    /// Saves the job, so that it goes on where it was when it is started again.
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// The number of processes.
    pub fn processes(&self) -> usize {
        self.cluster.as_ref().map_or(1, |cluster| cluster.addresses.len())
    }

    /// The number of workers in all processes.
    pub fn peers(&self) -> usize {
        self.workers.saturating_mul(self.processes())
    }

    /// The indices of this process's workers.
    pub(crate) fn local_workers(&self) -> std::ops::Range<usize> {
        let first = self.process() * self.workers;
        first..first + self.workers
    }

    /// The index of this process.
    pub fn process(&self) -> usize {
        self.cluster.as_ref().map_or(0, |cluster| cluster.process)
    }

    /// The most records of a partition that a batch may take, by its number among the job's
    /// batches, from 1.
    pub(crate) fn records_max(&self, previous: u64) -> Option<u64> {
        let limit = match &self.trigger {
            Trigger::Count { records } => Some(*records),
            Trigger::AvailableNow => {
                Some(self.records_per_partition_max.unwrap_or(Self::AVAILABLE_NOW_RECORDS))
            }
            _ => self.records_per_partition_max,
        };
        match (previous, limit, self.first_batch_records_max) {
            (0, Some(limit), Some(first)) => Some(limit.min(first)),
            (0, None, first) => first,
            (_, limit, _) => limit,
        }
    }

    /// Records per partition and batch of [`Trigger::AvailableNow`], if nothing else is set.
    pub const AVAILABLE_NOW_RECORDS: u64 = 100_000;

    /// Whether a batch waits for its records: until every partition has as many as a batch takes,
    /// or has ended.
    pub(crate) fn fills_batches(&self) -> bool {
        matches!(self.trigger, Trigger::Count { .. } | Trigger::AvailableNow)
    }

    /// Finds contradictions.
    ///
    /// # Errors
    ///
    /// The first one found.
    pub fn check(&self) -> Result<(), ConfigError> {
        let zero = |setting| Err(ConfigError::Zero { setting });
        if self.interval < Duration::from_millis(1) || self.interval > Duration::from_secs(3600) {
            return Err(ConfigError::Interval(self.interval));
        }
        if self.workers == 0 {
            return zero("workers");
        }
        let (workers, most) = (self.peers(), KEY_GROUPS as usize);
        if workers > most {
            return Err(ConfigError::Workers { workers, most });
        }
        if self.in_flight_max == 0 {
            return zero("in_flight_max");
        }
        if self.queue_bytes_max == 0 {
            return zero("queue_bytes_max");
        }
        if self.stall_timeout.is_zero() {
            return zero("stall_timeout");
        }
        if self.records_per_partition_max == Some(0) {
            return zero("records_per_partition_max");
        }
        if self.first_batch_records_max == Some(0) {
            return zero("first_batch_records_max");
        }
        if matches!(self.trigger, Trigger::Count { records: 0 }) {
            return zero("trigger count");
        }
        self.rate_control.check()?;
        if self.rate_control.is_active() && self.fills_batches() {
            return Err(ConfigError::RateTrigger);
        }
        if let Some(cluster) = &self.cluster {
            let processes = cluster.addresses.len();
            if processes == 0 {
                return Err(ConfigError::Addresses { addresses: 0, processes: 1 });
            }
            if cluster.process >= processes {
                return Err(ConfigError::Process { process: cluster.process, processes });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .field("cluster", &self.cluster)
            .field("interval", &self.interval)
            .field("trigger", &self.trigger)
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}
