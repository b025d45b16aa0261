//! Running a program over slices, and taking its times.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::bench::Settings;
use crate::bench::report::BenchRow;
use crate::bench::source::Slices;
use crate::engine::control::lock;
use crate::metrics::{BatchRecord, Latency, Listener};
use crate::{Config, Context, DStream, RunError, Strategy, Trigger};

/// What is measured, and under which names.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) bench: &'static str,
    pub(super) variant: String,
    pub(super) dataset: String,
    pub(super) workers: usize,
    pub(super) strategy: Strategy,
    pub(super) batch: usize,
    pub(super) records: Arc<Vec<u64>>,
}

/// When each batch was cut and done.
#[derive(Default)]
struct Times {
    batches: Mutex<Vec<(Duration, BatchRecord)>>,
}

impl Listener for Times {
    fn batch_completed(&self, record: &BatchRecord) {
        let took = Duration::from_secs_f64(record.processing_ms / 1e3);
        lock(&self.batches).push((took, record.clone()));
    }
}

/// How often a figure is taken, and after how long no more.
const REPEATS: usize = 3;
const LONG: Duration = Duration::from_secs(5);

/// The median, by records a second, of a few measurements: other programs' moments of need must
/// not decide. What takes long is its own average.
pub(super) fn median(
    settings: &Settings,
    mut measure: impl FnMut() -> Result<BenchRow, RunError>,
) -> Result<BenchRow, RunError> {
    let begun = Instant::now();
    let mut rows = vec![measure()?];
    while !settings.quick && rows.len() < REPEATS && begun.elapsed() < LONG {
        rows.push(measure()?);
    }
    rows.sort_by(|a, b| a.records_per_s.total_cmp(&b.records_per_s));
    Ok(rows.swap_remove(rows.len() / 2))
}

/// Runs a program over the records, as fast as it can.
pub(super) fn drive(
    subject: &Subject,
    program: impl Fn(Context<'_>, DStream<'_, u64>) + Send + Sync + 'static,
) -> Result<BenchRow, RunError> {
    let times = Arc::new(Times::default());
    let config = Config::new(subject.bench)
        .workers(subject.workers)
        .strategy(subject.strategy)
        .trigger(Trigger::Continuous)
        .listener(Arc::clone(&times) as Arc<dyn Listener>);
    let slices = Slices {
        records: Arc::clone(&subject.records),
        batch: subject.batch,
        workers: subject.workers,
    };
    let job = crate::start(config, move |ctx| program(ctx, ctx.source(slices.clone())))?;
    let begun = Instant::now();
    job.join()?;
    let elapsed = begun.elapsed().as_secs_f64();
    let batches = lock(&times.batches);
    let latency = Latency::of(batches.iter().map(|(took, _)| *took));
    let state = batches.last().map(|(_, record)| {
        let keys: u64 = record.state.iter().map(|state| state.keys).sum();
        let bytes: u64 = record.state.iter().map(|state| state.bytes).sum();
        bytes as f64 / keys.max(1) as f64
    });
    Ok(BenchRow {
        bench: subject.bench.into(),
        variant: subject.variant.clone(),
        dataset: subject.dataset.clone(),
        workers: subject.workers,
        records_per_s: subject.records.len() as f64 / elapsed,
        batch_ms_p50: latency.p50_ms,
        batch_ms_p99: latency.p99_ms,
        batch_ms_p999: latency.p999_ms,
        state_bytes_per_key: state,
        ..BenchRow::default()
    })
}

/// The name of the limit.
pub(super) const PLAIN: &str = "plain loop";

/// Times a plain loop: `step` is called with each batch.
pub(super) fn plain(
    (bench, dataset): (&str, &str),
    records: &[u64],
    batch: usize,
    mut step: impl FnMut(&[u64]),
) -> BenchRow {
    let begun = Instant::now();
    let mut times = Vec::with_capacity(records.len() / batch + 1);
    for slice in records.chunks(batch) {
        let from = Instant::now();
        step(slice);
        times.push(from.elapsed());
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let latency = Latency::of(times);
    BenchRow {
        bench: bench.into(),
        variant: PLAIN.into(),
        dataset: dataset.into(),
        workers: 0,
        records_per_s: records.len() as f64 / elapsed,
        ratio_to_limit: Some(1.0),
        batch_ms_p50: latency.p50_ms,
        batch_ms_p99: latency.p99_ms,
        batch_ms_p999: latency.p999_ms,
        ..BenchRow::default()
    }
}
