//! Question: how long does a batch take at a steady load, and how long does a record wait?
//!
//! Expectation: at 200,000 records a second, a batch every 10 ms takes less than 3 ms from cut to
//! sink in 99 of 100 cases; with a batch every 2 ms a record is through less than 6 ms after it was
//! due in 99 of 100 cases.
//!
//! Method: open loop. Records carry the time at which they were *due*, whether or not the job was
//! ready for them, so that a stall shows in every record that it delayed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidegate_operators::Max;

use super::Settings;
use super::report::{BenchRow, Report};
use crate::engine::control::lock;
use crate::error::SourceError;
use crate::metrics::{BatchRecord, Latency, Listener};
use crate::source::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use crate::{Config, RunError};

const BENCH: &str = "latency";
const RATE: u64 = 200_000;
const KEYS: u64 = 10_000;

/// Keys with the nanoseconds at which they were due, since the load began.
#[derive(Clone)]
struct Load {
    begun: Instant,
    total: u64,
}

impl Source for Load {
    type Item = (u64, u64);

    fn name(&self) -> String {
        "load".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        Ok(vec![Partition { id: 0, name: "load-0".into() }])
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<(u64, u64)>>, SourceError> {
        let total = if assigned.is_empty() { 0 } else { self.total };
        Ok(Box::new(LoadReader { begun: self.begun, total, next: 0 }))
    }
}

struct LoadReader {
    begun: Instant,
    total: u64,
    next: u64,
}

impl Reader<(u64, u64)> for LoadReader {
    fn poll(&mut self, intake: &mut Intake<(u64, u64)>, _: Duration) -> Result<Poll, SourceError> {
        let elapsed = self.begun.elapsed().as_secs_f64();
        let due = ((elapsed * RATE as f64) as u64).min(self.total);
        while self.next < due {
            let key = self.next.wrapping_mul(0x9E37_79B9_7F4A_7C15) % KEYS;
            intake.push(0, self.next, (key, self.next * 1_000_000_000 / RATE));
            self.next += 1;
        }
        Ok(if self.next >= self.total { Poll::End } else { Poll::Idle })
    }

    fn is_inline(&self) -> bool {
        true
    }
}

#[derive(Default)]
struct Times(Mutex<Vec<Duration>>);

impl Listener for Times {
    fn batch_completed(&self, record: &BatchRecord) {
        lock(&self.0).push(Duration::from_secs_f64(record.processing_ms / 1e3));
    }
}

/// Measures latencies at a steady load.
///
/// # Errors
///
/// If a job can't run.
pub fn latency(
    settings: &Settings,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<Report, RunError> {
    let mut report = Report::default();
    let seconds = if settings.quick { 2 } else { 10 };
    for (interval_ms, workers) in [(10, 1), (10, 2), (2, 1)] {
        let dataset = format!("200k/s, {interval_ms} ms");
        if !settings.wants(&[BENCH, &dataset]) {
            continue;
        }
        let times = Arc::new(Times::default());
        let waits: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let config = Config::new(BENCH)
            .workers(workers)
            .interval(Duration::from_millis(interval_ms))
            .listener(Arc::clone(&times) as Arc<dyn Listener>);
        let load = Load { begun: Instant::now(), total: RATE * seconds };
        let (begun, seen) = (load.begun, Arc::clone(&waits));
        crate::run(config, move |ctx| {
            let records = ctx.source(load.clone());
            let seen = Arc::clone(&seen);
            // The record that was due first and last in each batch, by key; all of them would be
            // more work than what is measured.
            records
                .clone()
                .running()
                .aggregate_by_key(Max)
                .changes()
                .sink(crate::sink::Null::default());
            records.foreach_batch(move |_tick, rows: &[(u64, u64)]| {
                let now = begun.elapsed().as_nanos() as u64;
                let waited =
                    rows.iter().map(|(_, due)| Duration::from_nanos(now.saturating_sub(*due)));
                lock(&seen).extend(waited);
                Ok(())
            });
        })?;
        // The first batches find a program that has just started.
        let of = |times: &Mutex<Vec<Duration>>, skip: usize| {
            Latency::of(lock(times).iter().skip(skip).copied())
        };
        let batches = of(&times.0, 1000 / interval_ms as usize);
        let records = of(&waits, RATE as usize);
        for (variant, latency) in
            [("batch, cut to sink", batches), ("record, from when due", records)]
        {
            let row = BenchRow {
                bench: BENCH.into(),
                variant: variant.into(),
                dataset: dataset.clone(),
                workers,
                records_per_s: RATE as f64,
                batch_ms_p50: latency.p50_ms,
                batch_ms_p99: latency.p99_ms,
                batch_ms_p999: latency.p999_ms,
                ..BenchRow::default()
            };
            report.add(row, progress);
        }
        match (interval_ms, workers) {
            (10, 1) => report.at_most("batch p99 at 10 ms, in ms", Some(batches.p99_ms), 3.0),
            (2, 1) => report.at_most("record p99 at 2 ms, in ms", Some(records.p99_ms), 6.0),
            _ => {}
        }
    }
    Ok(report)
}
