//! What the batches of a mode take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tidegate_operators::Record;

use super::check::CompareError;
use super::drive::drive;
use super::input::Input;
use super::mode::Mode;
use crate::Strategy;
use crate::metrics::Latency;

/// How much of the input is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Worker threads.
    pub workers: usize,
    /// So many batches are not counted: until the window is full, or a table is loaded.
    pub settle: usize,
    /// After this time no more batches are run, if there are [`Limits::samples_min`].
    pub time_max: Duration,
    /// So many batches are measured in any case, if there are as many.
    pub samples_min: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { workers: 1, settle: 0, time_max: Duration::from_secs(10), samples_min: 3 }
    }
}

/// What a mode took for a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModeRow {
    /// The mode.
    pub mode: String,
    /// Worker threads; 0 for a plain loop.
    pub workers: usize,
    /// How many batches were measured.
    pub batches: usize,
    /// Rows that came in, a batch.
    pub rows_in: f64,
    /// Rows that went out, a batch: changes of an incremental mode, else the whole table.
    pub rows_out: f64,
    /// From the cut of a batch until its output was complete.
    pub batch: Latency,
    /// From when a batch was due until its output was complete, if one is due every
    /// `interval_ms`, and waits while the one before is not done.
    pub since_due: Latency,
    /// The interval of `since_due`, in milliseconds.
    pub interval_ms: f64,
    /// What all threads computed for a batch, in milliseconds.
    pub cpu_ms: f64,
    /// Rows that a batch went over: those that came in, and those of the state that it looked at.
    pub touched: f64,
    /// Bytes of state, the most after any batch.
    pub state_bytes: u64,
    /// The median time of a batch, of that of the first mode.
    pub ratio: Option<f64>,
    /// The median time of a batch, of that of a plain loop which does the same work.
    pub of_plain: Option<f64>,
    /// What is to be known about the figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The time of each batch, in milliseconds.
    pub samples_ms: Vec<f64>,
}

impl ModeRow {
    /// The row of a mode whose batches took these times.
    pub(super) fn of(mode: &str, workers: usize, samples: &[f64], interval_ms: f64) -> Self {
        let times = |times: &[f64]| {
            Latency::of(times.iter().map(|time| Duration::from_secs_f64(time / 1e3)))
        };
        ModeRow {
            mode: mode.to_owned(),
            workers,
            batches: samples.len(),
            batch: times(samples),
            since_due: times(&since_due(samples, interval_ms)),
            interval_ms,
            samples_ms: samples.to_vec(),
            ..ModeRow::default()
        }
    }

    /// The same with the batches of another run of the mode.
    pub(super) fn with(self, other: &ModeRow) -> Self {
        let samples = [&self.samples_ms[..], &other.samples_ms[..]].concat();
        let (own, theirs) = (self.batches as f64, other.batches as f64);
        let mean = |one: f64, two: f64| (one * own + two * theirs) / (own + theirs).max(1.0);
        ModeRow {
            rows_in: mean(self.rows_in, other.rows_in),
            rows_out: mean(self.rows_out, other.rows_out),
            cpu_ms: mean(self.cpu_ms, other.cpu_ms),
            touched: mean(self.touched, other.touched),
            state_bytes: self.state_bytes.max(other.state_bytes),
            note: self.note,
            ..ModeRow::of(&self.mode, self.workers, &samples, self.interval_ms)
        }
    }

    /// The median time of a batch, in milliseconds: of the times themselves, not of a histogram.
    pub fn median_ms(&self) -> f64 {
        median(&self.samples_ms)
    }
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => 0.0,
        (length, half) if length % 2 == 1 => sorted[half],
        (_, half) => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

/// From when each batch was due until it was done, if one is due every `interval_ms` and each
/// begins when it is due and the one before is done (D. Lindley, *The theory of queues with a single
/// server*, 1952): a batch that is late delays those behind it, and they are counted as late.
///
/// ```
/// use tidegate::compare::since_due;
///
/// assert_eq!(since_due(&[4.0, 25.0, 4.0, 4.0], 10.0), [4.0, 25.0, 19.0, 13.0]);
/// ```
pub fn since_due(took_ms: &[f64], interval_ms: f64) -> Vec<f64> {
    let mut late: f64 = 0.0;
    let latencies = took_ms.iter().map(|took| {
        let latency = late + took;
        late = (latency - interval_ms).max(0.0);
        latency
    });
    latencies.collect()
}

/// Takes the times of a mode, each batch on its own.
///
/// # Errors
///
/// If the mode does not run.
pub fn measure<D: Record, R: Record>(
    input: &Input<D>,
    mode: &Mode<D, R>,
    limits: &Limits,
) -> Result<ModeRow, CompareError> {
    let out = Arc::new(AtomicU64::new(0));
    let (counter, strategy) = (Arc::clone(&out), mode.strategy);
    let mut samples = Vec::new();
    let (mut rows_in, mut rows_out, mut touched, mut state_bytes) = (0, 0, 0, 0);
    let (mut cpu, mut begun, mut seen) = (Duration::ZERO, Instant::now(), 0);
    let end = move |table: crate::Table<'_, R>| table.counted(Arc::clone(&counter));
    drive(input, mode, limits.workers, end, |done| {
        let total = out.load(Ordering::Relaxed);
        let given = total - std::mem::replace(&mut seen, total);
        if done.number < limits.settle {
            begun = Instant::now();
            return true;
        }
        let state = &done.record.state;
        let came = done.record.rows_in();
        let kept: u64 = state.iter().map(|state| state.keys).sum();
        let taken =
            state.iter().flat_map(|state| &state.workers).map(|load| load.rows).sum::<u64>();
        samples.push(done.record.processing_ms);
        cpu += done.cpu;
        rows_in += came;
        rows_out += given;
        touched += match strategy {
            Strategy::HashIndex | Strategy::Arrangement => came + taken,
            Strategy::Partials => came + kept,
            // What came is among what is kept.
            Strategy::Recompute => kept,
        };
        state_bytes = state_bytes.max(state.iter().map(|state| state.bytes).sum());
        samples.len() < limits.samples_min || begun.elapsed() < limits.time_max
    })
    .map_err(|source| CompareError::Run { mode: mode.name.clone(), source: Box::new(source) })?;
    let batches = samples.len().max(1) as f64;
    let interval_ms = input.interval().as_secs_f64() * 1e3;
    Ok(ModeRow {
        rows_in: rows_in as f64 / batches,
        rows_out: rows_out as f64 / batches,
        cpu_ms: cpu.as_secs_f64() * 1e3 / batches,
        touched: touched as f64 / batches,
        state_bytes,
        ..ModeRow::of(&mode.name, limits.workers.max(1), &samples, interval_ms)
    })
}
