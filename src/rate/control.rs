//! The limits themselves: a rate, dealt out to partitions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Pid, PidEstimator, RateEstimator};
use crate::error::ConfigError;

type MakeEstimator = dyn Fn() -> Box<dyn RateEstimator> + Send + Sync;

/// How fast sources are read: the settings `spark.streaming.backpressure.*` and
/// `spark.streaming.kafka.*RatePerPartition`. By default there is no limit.
///
/// For batches that are cut by time: where a batch ends by its number of records, there is nothing
/// left to control.
///
/// ```
/// use std::time::Duration;
/// use tidegate::rate::{Backlog, Pid, RateControl};
///
/// let control = RateControl::new().max_rate_per_partition(100.0);
/// let behind = |partition, records| Backlog { partition, records };
/// let batch = Duration::from_millis(500);
///
/// // No estimate: each partition up to its maximum.
/// let partitions = [behind("clicks-0", 900), behind("clicks-1", 100)];
/// assert_eq!(control.records(&partitions, None, batch), Some(vec![50, 50]));
/// // 100 records a second, by how far each partition is behind.
/// assert_eq!(control.records(&partitions, Some(100.0), batch), Some(vec![45, 5]));
///
/// let config = tidegate::Config::new("clicks").rate_control(control.backpressure(Pid::default()));
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RateControl {
    /// The estimator's parameters; `None`, if there is none, or one of the user's own.
    pub pid: Option<Pid>,
    /// Records a second and source until there is an estimate, if there is an estimator.
    pub initial_rate: Option<f64>,
    /// Records a second and partition, at most.
    pub max_rate_per_partition: Option<f64>,
    /// The same for partitions by name (`clicks-3`).
    pub max_rate_by_partition: BTreeMap<String, f64>,
    /// Records of each partition that a batch may always take.
    pub min_records_per_partition: u64,
    estimator: Option<Arc<MakeEstimator>>,
}

/// How far a partition is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog<'a> {
    /// Its name.
    pub partition: &'a str,
    /// Its records that no batch has taken yet.
    pub records: u64,
}

impl Default for RateControl {
    fn default() -> Self {
        RateControl {
            pid: None,
            initial_rate: None,
            max_rate_per_partition: None,
            max_rate_by_partition: BTreeMap::new(),
            min_records_per_partition: 1,
            estimator: None,
        }
    }
}

impl RateControl {
    /// No limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adapts the rate to what the job can bear, by Spark's estimator.
    pub fn backpressure(mut self, pid: Pid) -> Self {
        self.pid = Some(pid);
        self.estimator = None;
        self
    }

    /// Adapts the rate by an estimator of one's own: `make` makes one for each source.
    pub fn estimator<E: RateEstimator + 'static>(
        mut self,
        make: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.pid = None;
        self.estimator = Some(Arc::new(move || Box::new(make())));
        self
    }

    /// Sets the rate of each source until there is an estimate, in records a second.
    pub fn initial_rate(mut self, rate: f64) -> Self {
        self.initial_rate = Some(rate);
        self
    }

    /// Sets how many records a second a partition gives at most.
    pub fn max_rate_per_partition(mut self, rate: f64) -> Self {
        self.max_rate_per_partition = Some(rate);
        self
    }

    /// Sets the same for one partition, by its name: `clicks-3`.
    pub fn max_rate_of(mut self, partition: impl Into<String>, rate: f64) -> Self {
        self.max_rate_by_partition.insert(partition.into(), rate);
        self
    }

    /// Sets how many records of each partition a batch may take whatever the estimate is.
    pub fn min_records_per_partition(mut self, records: u64) -> Self {
        self.min_records_per_partition = records;
        self
    }

    /// Whether there is a limit of any kind.
    pub fn is_active(&self) -> bool {
        self.is_adaptive()
            || self.max_rate_per_partition.is_some()
            || !self.max_rate_by_partition.is_empty()
    }

    /// Whether rates are estimated.
    pub fn is_adaptive(&self) -> bool {
        self.pid.is_some() || self.estimator.is_some()
    }

    /// An estimator for one source, if rates are estimated.
    pub(super) fn make_estimator(&self, interval: Duration) -> Option<Box<dyn RateEstimator>> {
        match (&self.estimator, self.pid) {
            (Some(make), _) => Some(make()),
            (None, Some(pid)) => {
                let estimator = PidEstimator::new(interval.as_secs_f64() * 1e3, pid);
                Some(Box::new(estimator.expect("the configuration has been checked")))
            }
            (None, None) => None,
        }
    }

    /// How many records a batch of this length takes of each partition of a source at most:
    /// `rate` records a second in all, dealt out by backlog, no more than the partition's maximum
    /// and no less than the minimum. `None` is no limit, as where no partition is behind.
    pub fn records(
        &self,
        partitions: &[Backlog<'_>],
        rate: Option<f64>,
        length: Duration,
    ) -> Option<Vec<u64>> {
        let behind: u64 = partitions.iter().map(|partition| partition.records).sum();
        let rates: Vec<Option<f64>> = partitions
            .iter()
            .map(|partition| {
                let most = self.max_rate_by_partition.get(partition.partition).copied();
                let most = most.or(self.max_rate_per_partition);
                let share = rate
                    .filter(|rate| *rate > 0.0 && behind > 0)
                    .map(|rate| partition.records as f64 / behind as f64 * rate);
                match (share, most) {
                    (Some(share), Some(most)) => Some(share.min(most)),
                    (share, most) => share.or(most),
                }
            })
            .collect();
        // As in Spark: an estimate says nothing where there is nothing to deal out.
        if rate.is_some_and(|rate| rate > 0.0) && behind == 0 {
            return None;
        }
        let is_limited = rates.iter().flatten().sum::<f64>() > 0.0;
        is_limited.then(|| {
            let records = rates.iter().map(|rate| match rate {
                Some(rate) => {
                    // A rate that is a whole number of records but for rounding is that number.
                    let records = (rate * length.as_secs_f64() + 1e-9) as u64;
                    records.max(self.min_records_per_partition)
                }
                None => u64::MAX,
            });
            records.collect()
        })
    }

    /// Finds settings that can't be.
    ///
    /// # Errors
    ///
    /// The first one found.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(pid) = &self.pid {
            pid.check()?;
        }
        let rates = [
            ("initial_rate", self.initial_rate),
            ("max_rate_per_partition", self.max_rate_per_partition),
        ];
        let rates = rates.into_iter().filter_map(|(setting, rate)| Some((setting, rate?)));
        let by_partition = self.max_rate_by_partition.values();
        let by_partition = by_partition.map(|rate| ("max_rate_by_partition", *rate));
        rates.chain(by_partition).try_for_each(|(setting, rate)| check_positive(setting, rate))
    }
}

pub(super) fn check_positive(setting: &'static str, value: f64) -> Result<(), ConfigError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(ConfigError::Rate { setting, value, least: "more than 0" })
}

impl fmt::Debug for RateControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateControl")
            .field("pid", &self.pid)
            .field("initial_rate", &self.initial_rate)
            .field("max_rate_per_partition", &self.max_rate_per_partition)
            .field("max_rate_by_partition", &self.max_rate_by_partition)
            .field("min_records_per_partition", &self.min_records_per_partition)
            .finish_non_exhaustive()
    }
}
