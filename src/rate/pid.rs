//! Spark's estimate of the rate that a job can bear: a PID controller on the processing rate.

use crate::error::ConfigError;

/// What is known of a batch that is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchTiming {
    /// When it was done, in milliseconds since any fixed time.
    pub time_ms: f64,
    /// The records that it took.
    pub records: i64,
    /// How long it was processed, in milliseconds.
    pub processing_ms: f64,
    /// How long it waited before, in milliseconds.
    pub scheduling_ms: f64,
}

/// Estimates, batch after batch, how many records a second a source should give.
pub trait RateEstimator: Send {
    /// The rate for the next batch, in records a second, knowing the last one; `None`, if nothing
    /// can be learned from it.
    fn estimate(&mut self, batch: BatchTiming) -> Option<f64>;
}

/// The parameters of a [`PidEstimator`], by default those of Spark.
///
/// ```
/// use tidegate::rate::Pid;
///
/// let pid = Pid::default();
/// assert_eq!((pid.proportional, pid.integral, pid.derivative), (1.0, 0.2, 0.0));
/// assert!(pid.check().is_ok());
/// assert!(Pid { rate_min: 0.0, ..pid }.check().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pid {
    /// How strongly the difference between rate and processing rate counts.
    pub proportional: f64,
    /// How strongly the records count that have waited because of earlier errors.
    pub integral: f64,
    /// How strongly it counts that the difference changes.
    pub derivative: f64,
    /// The lowest rate, in records a second.
    pub rate_min: f64,
}

impl Default for Pid {
    fn default() -> Self {
        Pid { proportional: 1.0, integral: 0.2, derivative: 0.0, rate_min: 100.0 }
    }
}

impl Pid {
    /// Finds parameters that can't be.
    ///
    /// # Errors
    ///
    /// The first one found.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (setting, value) in [
            ("proportional", self.proportional),
            ("integral", self.integral),
            ("derivative", self.derivative),
        ] {
            if !value.is_finite() || value < 0.0 {
                return Err(ConfigError::Rate { setting, value, least: "0 or more" });
            }
        }
        super::control::check_positive("rate_min", self.rate_min)
    }
}

/// Spark's estimator: the last rate, corrected by how far the processing rate was from it (P), by
/// what has piled up meanwhile (I), and by the trend (D). The first batch gives no estimate.
///
/// ```
/// use tidegate::rate::{BatchTiming, Pid, PidEstimator, RateEstimator};
///
/// let pid = Pid { integral: 0.0, rate_min: 10.0, ..Pid::default() };
/// let mut estimator = PidEstimator::new(20.0, pid)?;
/// // Ten records took 10 ms: that is 1000 a second.
/// let batch = |time_ms| {
///     BatchTiming { time_ms, records: 10, processing_ms: 10.0, scheduling_ms: 0.0 }
/// };
/// assert_eq!(estimator.estimate(batch(0.0)), None);
/// assert_eq!(estimator.estimate(batch(10.0)), Some(1000.0));
/// # Ok::<(), tidegate::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PidEstimator {
    pid: Pid,
    batch_interval_ms: f64,
    latest: Option<Latest>,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    time_ms: f64,
    rate: f64,
    error: f64,
}

impl PidEstimator {
    /// An estimator for batches of this interval.
    ///
    /// # Errors
    ///
    /// If a parameter is out of its range.
    pub fn new(batch_interval_ms: f64, pid: Pid) -> Result<Self, ConfigError> {
        super::control::check_positive("batch_interval_ms", batch_interval_ms)?;
        pid.check()?;
        Ok(PidEstimator { pid, batch_interval_ms, latest: None })
    }
}

impl RateEstimator for PidEstimator {
    fn estimate(&mut self, batch: BatchTiming) -> Option<f64> {
        let BatchTiming { time_ms, records, processing_ms, scheduling_ms } = batch;
        let is_later = self.latest.is_none_or(|latest| time_ms > latest.time_ms);
        // Spark's delays are whole milliseconds, and 0 teaches it nothing: here any time counts.
        if !is_later || records <= 0 || processing_ms <= 0.0 {
            return None;
        }
        let processing_rate = records as f64 / processing_ms * 1000.0;
        let Some(latest) = self.latest else {
            self.latest = Some(Latest { time_ms, rate: processing_rate, error: 0.0 });
            return None;
        };
        let since_update_s = (time_ms - latest.time_ms) / 1000.0;
        let error = latest.rate - processing_rate;
        // What waited, as a rate: as if it were all to be caught up with in one interval.
        let historical_error = scheduling_ms * processing_rate / self.batch_interval_ms;
        let trend = (error - latest.error) / since_update_s;
        let Pid { proportional, integral, derivative, rate_min } = self.pid;
        let correction = proportional * error + integral * historical_error + derivative * trend;
        let rate = (latest.rate - correction).max(rate_min);
        self.latest = Some(Latest { time_ms, rate, error });
        Some(rate)
    }
}
