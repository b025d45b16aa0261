//! A run of a cell: its batches.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::child::{self, Ended};
use super::latency::{of_batches, of_records};
use super::{Cell, Grid, GridError};
use crate::metrics::{BatchRecord, Latency, WorkerLoad};

/// A batch of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u64, f64, f64, f64, u64, u64)", into = "(u64, f64, f64, f64, u64, u64)")]
pub struct Sample {
    /// Its number.
    pub batch: u64,
    /// When it was due, in milliseconds since the beginning.
    pub due_ms: f64,
    /// From then until it was cut.
    pub delay_ms: f64,
    /// From then until all sinks had confirmed it.
    pub processing_ms: f64,
    /// The first of its records, by number; record `n` is due at `(n + 1) / rate`.
    pub from: u64,
    /// The one behind its last.
    pub to: u64,
}

impl Sample {
    /// From when it was due until all sinks had confirmed it, in milliseconds.
    pub fn total_ms(&self) -> f64 {
        self.delay_ms + self.processing_ms
    }

    fn of(record: &BatchRecord, interval_ms: f64) -> Self {
        let partitions = || record.sources.iter().flat_map(|source| &source.partitions);
        Sample {
            batch: record.batch,
            due_ms: record.batch as f64 * interval_ms,
            delay_ms: record.scheduling_delay_ms,
            processing_ms: record.processing_ms,
            from: partitions().map(|partition| partition.from).sum(),
            to: partitions().map(|partition| partition.to).sum(),
        }
    }
}

// Thousands of them are written: as lists, to thousandths of a millisecond.
impl From<Sample> for (u64, f64, f64, f64, u64, u64) {
    fn from(sample: Sample) -> Self {
        let Sample { batch, due_ms, delay_ms, processing_ms, from, to } = sample;
        let short = |ms: f64| (ms * 1e3).round() / 1e3;
        (batch, short(due_ms), short(delay_ms), short(processing_ms), from, to)
    }
}

impl From<(u64, f64, f64, f64, u64, u64)> for Sample {
    fn from(
        (batch, due_ms, delay_ms, processing_ms, from, to): (u64, f64, f64, f64, u64, u64),
    ) -> Self {
        Sample { batch, due_ms, delay_ms, processing_ms, from, to }
    }
}

/// A run of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What was run.
    pub cell: Cell,
    /// Which repetition this is, from 0.
    pub repeat: usize,
    /// What it was run by.
    pub command: String,
    /// The batches that count: those that were due in the time measured, and later ones with records
    /// that were.
    pub samples: Vec<Sample>,
    /// What the stateful operators of each worker took in, of those batches.
    pub workers: Vec<WorkerLoad>,
    /// Messages of workers about their progress, of those batches.
    #[serde(default)]
    pub progress: u64,
    /// Records that were due in the time measured and are not in any batch: the job was behind by so
    /// much when it ended.
    pub missing: u64,
    /// What all threads computed, starts and ends included, in seconds.
    pub cpu_s: Option<f64>,
    /// From start to end, in seconds.
    pub wall_s: f64,
}

impl Run {
    /// Runs a cell.
    ///
    /// # Errors
    ///
    /// If the run fails, or no batch of it can be counted.
    pub(super) fn measure(
        program: &Path,
        cell: &Cell,
        grid: &Grid,
        repeat: usize,
    ) -> Result<Self, GridError> {
        Self::of(child::run(program, cell, grid)?, cell, grid, repeat)
    }

    fn of(ended: Ended, cell: &Cell, grid: &Grid, repeat: usize) -> Result<Self, GridError> {
        let Ended { command, records, cpu_s, wall_s } = ended;
        let warm_up_ms = grid.warm_up_ms as f64;
        let mut loads: BTreeMap<u32, WorkerLoad> = BTreeMap::new();
        let (mut samples, mut progress) = (Vec::new(), 0);
        for record in &records {
            let sample = Sample::of(record, cell.interval_ms as f64);
            if sample.due_ms <= warm_up_ms {
                continue;
            }
            samples.push(sample);
            progress += record.progress.map_or(0, |said| said.messages);
            for load in record.state.iter().flat_map(|state| &state.workers) {
                let sum = loads.entry(load.worker).or_default();
                sum.worker = load.worker;
                sum.rows += load.rows;
                sum.busy_ms += load.busy_ms;
            }
        }
        let Some(last) = samples.last() else {
            let why = format!(
                "it had {} batches, all of them within the {warm_up_ms} ms of its start",
                records.len()
            );
            return Err(GridError::Nothing { command, why });
        };
        let due = (grid.warm_up_ms + grid.measured_ms) as f64 / 1e3 * cell.rate;
        let missing = (due as u64).saturating_sub(last.to);
        let (cell, workers) = (cell.clone(), loads.into_values().collect());
        Ok(Run { cell, repeat, command, samples, workers, progress, missing, cpu_s, wall_s })
    }

    /// The latencies of its batches, from when each was due.
    pub fn batches(&self) -> Latency {
        Latency::from(&of_batches(&self.samples))
    }

    /// The latencies of its records, from when each was due.
    pub fn records(&self) -> Latency {
        Latency::from(&of_records(&self.samples, self.cell.rate))
    }

    /// Records that came through, a second.
    pub fn rate(&self) -> f64 {
        match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => {
                let ms =
                    last.due_ms + last.total_ms() - (first.due_ms - self.cell.interval_ms as f64);
                (last.to - first.from) as f64 / ms * 1e3
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::metrics::Listener;
    use crate::source::Generator;
    use crate::{Config, Trigger};

    #[derive(Default)]
    struct Records(Mutex<Vec<BatchRecord>>);

    impl Listener for Records {
        fn batch_completed(&self, record: &BatchRecord) {
            self.0.lock().unwrap().push(record.clone());
        }
    }

    /// A real job, whose sink stands still for `stall_ms` once.
    fn run(stall_ms: u64) -> Run {
        let records = Arc::new(Records::default());
        let config = Config::new("stall")
            .interval(Duration::from_millis(10))
            .trigger(Trigger::Interval)
            .listener(Arc::clone(&records) as Arc<dyn Listener>);
        crate::run(config, move |ctx| {
            let numbers = Generator::new("numbers", 1, |_, n| n).rows_per_s(10_000.0);
            ctx.source(numbers.records(12_000)).foreach_batch(move |_tick, rows: &[u64]| {
                if rows.contains(&6_000) {
                    std::thread::sleep(Duration::from_millis(stall_ms));
                }
                Ok(())
            });
        })
        .unwrap();
        let records = std::mem::take(&mut *records.0.lock().unwrap());
        let cell =
            Cell { workers: 1, processes: 1, interval_ms: 10, rate: 10_000.0, ..Cell::default() };
        let grid = Grid { warm_up_ms: 100, measured_ms: 1_100, ..Grid::quick() };
        let ended = Ended { command: "stall".into(), records, cpu_s: None, wall_s: 1.2 };
        Run::of(ended, &cell, &grid, 0).unwrap()
    }

    #[test]
    fn a_sink_that_stands_still_shows_in_every_record_that_waited() {
        let run = run(500);
        assert_eq!(run.samples.last().unwrap().to, 12_000);
        let records = run.records();
        // Half a second of records waited, the first of them for all of it: of 11,000 that were
        // measured a half, and so a quarter for more than 250 ms.
        assert!((500.0..1_500.0).contains(&records.max_ms), "{records:?}");
        assert!(records.p95_ms > 350.0, "{records:?}");
        let waited = run.samples.iter().filter(|sample| sample.total_ms() > 250.0).count();
        assert!(waited < 10, "few batches: {waited}");
    }
}
