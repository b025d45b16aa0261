//! What a run came to.

use std::cmp::Reverse;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{BatchRecord, WorkerLoad, imbalance};

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Batches completed.
    pub batches: u64,
    /// Records read that could be decoded.
    pub rows_in: u64,
    /// Records read that could not.
    pub dead_letters: u64,
    /// Rows written by all sinks.
    pub rows_out: u64,
    /// How long the job ran, in seconds.
    pub seconds: f64,
    /// From the cut of a batch until all sinks had confirmed it.
    pub processing: Latency,
    /// From when a batch was due until all sinks had confirmed it.
    pub total: Latency,
    /// What each stateful operator took in on each worker, in the order of the program.
    pub load: Vec<OperatorLoad>,
}

/// What a stateful operator took in, over a whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperatorLoad {
    /// The operator.
    pub operator: String,
    /// The sums of each worker.
    pub workers: Vec<WorkerLoad>,
}

/// With fewer rows a batch than this, it does not matter where they are.
const LOAD_MIN: u64 = 100;

/// Above this share of the mean, a worker has too much.
const SKEWED: f64 = 2.0;

impl OperatorLoad {
    /// How much more than its share the busiest worker took in.
    pub fn imbalance(&self) -> f64 {
        imbalance(&self.workers)
    }

    /// The worker that took in most.
    pub fn busiest(&self) -> WorkerLoad {
        let busiest = self.workers.iter().max_by_key(|load| (load.rows, Reverse(load.worker)));
        busiest.copied().unwrap_or_default()
    }

    /// The rows that all workers took in.
    pub fn rows(&self) -> u64 {
        self.workers.iter().map(|load| load.rows).sum()
    }
}

impl Summary {
    /// Records read per second, over the whole run.
    ///
    /// ```
    /// let mut summary = tidegate::Summary::default();
    /// (summary.rows_in, summary.seconds) = (300, 2.0);
    /// assert_eq!(summary.rows_in_per_s(), 150.0);
    /// ```
    pub fn rows_in_per_s(&self) -> f64 {
        if self.seconds > 0.0 { self.rows_in as f64 / self.seconds } else { 0.0 }
    }

    /// The operators of which one worker took in more than twice its share, where there are rows
    /// enough for it to matter: a hot key, perhaps, that could be combined before it is shipped.
    ///
    /// ```
    /// use tidegate::metrics::{OperatorLoad, WorkerLoad};
    ///
    /// let load = |rows: [u64; 4]| OperatorLoad {
    ///     workers: rows.map(|rows| WorkerLoad { rows, ..Default::default() }).to_vec(),
    ///     ..Default::default()
    /// };
    /// let mut summary = tidegate::Summary::default();
    /// summary.batches = 10;
    /// summary.load = vec![load([500, 9_000, 500, 500]), load([30, 20, 25, 25]), load([0, 9, 0, 0])];
    /// let skewed: Vec<_> = summary.skewed().map(|load| load.busiest().rows).collect();
    /// assert_eq!(skewed, [9_000]);
    /// ```
    pub fn skewed(&self) -> impl Iterator<Item = &OperatorLoad> {
        let rows_min = LOAD_MIN * self.batches.max(1);
        self.load.iter().filter(move |load| load.rows() >= rows_min && load.imbalance() > SKEWED)
    }
}

/// A distribution of times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Latency {
    /// The median.
    pub p50_ms: f64,
    /// Nineteen in twenty are below.
    pub p95_ms: f64,
    /// Ninety-nine in a hundred are below.
    pub p99_ms: f64,
    /// Nine hundred and ninety-nine in a thousand are below.
    pub p999_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

impl Latency {
    /// Room for times from 100 ns to an hour, to three digits.
    pub(crate) fn histogram() -> Histogram<u64> {
        Histogram::new_with_bounds(100, 3_600_000_000_000, 3).expect("constant bounds are valid")
    }

    /// The distribution of some times.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut histogram = Latency::histogram();
        times.into_iter().for_each(|time| histogram.saturating_record(time.as_nanos() as u64));
        Self::from(&histogram)
    }
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Latency::default();
        }
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Latency {
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: histogram.max() as f64 / 1e6,
        }
    }
}

/// Adds records of batches up.
pub(crate) struct Totals {
    summary: Summary,
    processing: Histogram<u64>,
    total: Histogram<u64>,
}

impl Totals {
    pub(crate) fn new() -> Self {
        Totals {
            summary: Summary::default(),
            processing: Latency::histogram(),
            total: Latency::histogram(),
        }
    }

    pub(crate) fn add(&mut self, record: &BatchRecord) {
        self.summary.batches += 1;
        self.summary.rows_in += record.rows_in();
        self.summary.dead_letters += record.dead_letters();
        self.summary.rows_out += record.rows_out();
        for state in &record.state {
            self.add_load(&state.operator, &state.workers);
        }
        self.processing.saturating_record((record.processing_ms * 1e6) as u64);
        self.total.saturating_record((record.total_ms * 1e6) as u64);
    }

    fn add_load(&mut self, operator: &str, workers: &[WorkerLoad]) {
        let known = self.summary.load.iter_mut().find(|load| load.operator == operator);
        let Some(known) = known else {
            let (operator, workers) = (operator.to_owned(), workers.to_vec());
            self.summary.load.push(OperatorLoad { operator, workers });
            return;
        };
        for (sum, load) in known.workers.iter_mut().zip(workers) {
            sum.rows += load.rows;
            sum.busy_ms += load.busy_ms;
        }
    }

    pub(crate) fn finish(mut self, ran_for: Duration) -> Summary {
        self.summary.seconds = ran_for.as_secs_f64();
        self.summary.processing = Latency::from(&self.processing);
        self.summary.total = Latency::from(&self.total);
        self.summary
    }
}
