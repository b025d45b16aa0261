//! Question: what does it cost that nothing is lost and nothing is written twice, and how long does
//! a restart take?
//!
//! Expectation: a windowed word count with checkpoints and exactly-once lines keeps 9/10 of its
//! throughput; at a steady load a batch waits for one more sync at most, and for the mark of its
//! sink; a checkpoint is as large as what has changed; ten million keys are back within five
//! seconds.
//!
//! Method: with and without by turns, in one process; syncs measured beside them on the same disk.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Settings;
use super::report::{BenchRow, Report};
use crate::batch::BatchId;
use crate::engine::control::lock;
use crate::metrics::{BatchRecord, Latency, Listener};
use crate::recovery::{Archive, Checkpoints, StateFile};
use crate::sink::{JsonLines, Null};
use crate::source::Generator;
use crate::source::generator::Random;
use crate::workloads::windowed_wordcount;
use crate::{Config, RunError, Summary, Trigger};

const BENCH: &str = "recovery";

/// Measures what recovery costs.
///
/// # Errors
///
/// If a job can't run, or the disk can't be written to.
pub fn recovery(
    settings: &Settings,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<Report, RunError> {
    let mut report = Report::default();
    if settings.wants(&[BENCH, "throughput"]) {
        throughput(settings, &mut report, progress)?;
    }
    if settings.wants(&[BENCH, "latency"]) {
        latency(settings, &mut report, progress)?;
    }
    if settings.wants(&[BENCH, "size"]) {
        size(settings, &mut report, progress)?;
    }
    if settings.wants(&[BENCH, "restart"]) {
        restart(settings, &mut report, progress)?;
    }
    Ok(report)
}

/// A directory of the disk that one is on, gone in the end: a file system in memory syncs for
/// nothing.
fn place() -> Result<tempfile::TempDir, RunError> {
    let made = tempfile::Builder::new().prefix("tidegate-bench-").tempdir_in(".");
    made.map_err(failed("make a directory"))
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> RunError {
    move |source| RunError::System { what: what.into(), source }
}

/// Turns with and without checkpoints, of which each has its median.
const TURNS: usize = 5;

fn throughput(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let records = if settings.quick { 200_000 } else { 2_000_000 };
    let run = |checkpoints: bool| -> Result<Summary, RunError> {
        let place = place()?;
        let (state, out) = (place.path().join("state"), place.path().join("out"));
        let mut config = Config::new(BENCH)
            .workers(2)
            .interval(Duration::from_secs(1))
            .trigger(Trigger::AvailableNow)
            .records_per_partition_max(20_000);
        if checkpoints {
            config = config.checkpoints(Checkpoints::at(state).every(Duration::from_secs(1)));
        }
        crate::run(config, move |ctx| {
            let lines = ctx.source(Generator::lines(1).rows_per_batch(1 << 40).records(records));
            let window = Duration::from_secs(10);
            let counts = windowed_wordcount(lines, window, Duration::from_secs(1));
            counts.changes().sink(JsonLines::new(&out));
        })
    };
    let mut rates = [Vec::new(), Vec::new()];
    for turn in 0..2 * TURNS {
        let summary = run(turn % 2 == 1)?;
        rates[turn % 2].push(summary.rows_in_per_s());
    }
    let [without, with] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    for (variant, rate) in [("without checkpoints", without), ("exactly once", with)] {
        let row = BenchRow {
            bench: format!("{BENCH}, throughput"),
            variant: variant.into(),
            dataset: "windowed word count".into(),
            workers: 2,
            records_per_s: rate,
            ratio_to_limit: Some(rate / without),
            ..BenchRow::default()
        };
        report.add(row, progress);
    }
    report.at_least(
        "throughput with checkpoints, exactly once, of without",
        Some(with / without),
        0.9,
    );
    Ok(())
}

#[derive(Default)]
struct Times(Mutex<Vec<Duration>>);

impl Listener for Times {
    fn batch_completed(&self, record: &BatchRecord) {
        lock(&self.0).push(Duration::from_secs_f64(record.processing_ms / 1e3));
    }
}

const INTERVAL: Duration = Duration::from_millis(20);

fn latency(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let batches = if settings.quick { 100 } else { 500 };
    let run = |checkpoints: bool, writes: bool| -> Result<Latency, RunError> {
        let place = place()?;
        let (state, out) = (place.path().join("state"), place.path().join("out"));
        let times = Arc::new(Times::default());
        let mut config =
            Config::new(BENCH).interval(INTERVAL).listener(Arc::clone(&times) as Arc<dyn Listener>);
        if checkpoints {
            config = config.checkpoints(Checkpoints::at(state).every(Duration::from_secs(1)));
        }
        crate::run(config, move |ctx| {
            let keys = Generator::uniform_keys(10_000, 1).rows_per_s(50_000.0);
            let records = 50_000 * batches * INTERVAL.as_millis() as u64 / 1_000;
            let counts = ctx.source(keys.records(records)).running().count_by_value().changes();
            match writes {
                true => counts.sink(JsonLines::new(&out)),
                false => counts.sink(Null::default()),
            }
        })?;
        // The first batches find a program that has just started.
        let times = lock(&times.0);
        Ok(Latency::of(times.iter().skip(times.len() / 10).copied()))
    };
    let sync = syncs(batches as usize)?;
    let cases = [
        ("no sink, without", false, false),
        ("no sink, checkpoints", true, false),
        ("lines, without", false, true),
        ("lines, exactly once", true, true),
    ];
    let mut found = Vec::new();
    for (variant, checkpoints, writes) in cases {
        let latency = run(checkpoints, writes)?;
        report.add(row("latency", variant, "50k/s, 20 ms", latency), progress);
        found.push(latency);
    }
    report.add(row("latency", "a sync of 300 bytes", "the disk", sync), progress);
    let more = |with: usize, without: usize| found[with].p99_ms - found[without].p99_ms;
    report.at_most(
        "p99 with checkpoints and no sink, over without, in p99 of a sync",
        Some(more(1, 0) / sync.p99_ms),
        1.0,
    );
    report.at_most(
        "p99 with exactly-once lines, over without, in p99 of a sync (plan and mark)",
        Some(more(3, 2) / sync.p99_ms),
        2.0,
    );
    Ok(())
}

fn row(what: &str, variant: &str, dataset: &str, latency: Latency) -> BenchRow {
    BenchRow {
        bench: format!("{BENCH}, {what}"),
        variant: variant.into(),
        dataset: dataset.into(),
        batch_ms_p50: latency.p50_ms,
        batch_ms_p99: latency.p99_ms,
        batch_ms_p999: latency.p999_ms,
        ..BenchRow::default()
    }
}

/// How long it takes to append a little, durably.
fn syncs(times: usize) -> Result<Latency, RunError> {
    let place = place()?;
    let mut file = File::create(place.path().join("log")).map_err(failed("make a file"))?;
    let mut taken = Vec::new();
    for _ in 0..times {
        let begun = Instant::now();
        file.write_all(&[7; 300]).and_then(|()| file.sync_data()).map_err(failed("sync a file"))?;
        taken.push(begun.elapsed());
        std::thread::sleep(INTERVAL / 4);
    }
    Ok(Latency::of(taken))
}

/// Keys from 0 on, each once; then the first of them again and again.
fn keys(distinct: u64, first: u64, records: u64) -> Generator<u64> {
    let key = move |_: &mut Random, n: u64| if n < distinct { n } else { (n - distinct) % first };
    Generator::new("keys", 1, key).rows_per_batch(1 << 40).records(records)
}

fn counts(
    config: Config,
    keys: impl Fn() -> Generator<u64> + Send + Sync + 'static,
) -> Result<Summary, RunError> {
    crate::run(config, move |ctx| {
        ctx.source(keys()).running().count_by_value().changes().sink(Null::default());
    })
}

fn size(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let distinct = if settings.quick { 100_000 } else { 1_000_000 };
    let changed = distinct / 100;
    let place = place()?;
    let state = place.path().join("state");
    // A batch of all keys, and then some of a hundredth of them, each a checkpoint.
    let config = |records| {
        Config::new(BENCH)
            .trigger(Trigger::AvailableNow)
            .records_per_partition_max(records)
            .checkpoints(Checkpoints::at(&state).every(Duration::ZERO).keep(100))
    };
    counts(config(distinct), move || keys(distinct, changed, distinct))?;
    counts(config(changed), move || keys(distinct, changed, distinct + 4 * changed))?;

    let archive = Archive::open(&state)?;
    let (base, next) = (archive.checkpoint(Some(1))?, archive.checkpoint(Some(2))?);
    let known: Vec<&StateFile> = base.operators.iter().flat_map(|o| &o.files).collect();
    let new = next.operators.iter().flat_map(|o| &o.files).filter(|file| !known.contains(file));
    let base_bytes: u64 = known.iter().map(|file| file.bytes).sum();
    let new_bytes: u64 = new.map(|file| file.bytes).sum();
    for (variant, rows, bytes) in
        [("all keys", distinct, base_bytes), ("1 % of them", changed, new_bytes)]
    {
        let row = BenchRow {
            bench: format!("{BENCH}, size"),
            variant: variant.into(),
            dataset: format!("{distinct} keys"),
            workers: 1,
            state_bytes_per_key: Some(bytes as f64 / rows as f64),
            ..BenchRow::default()
        };
        report.add(row, progress);
    }
    report.at_most(
        "bytes of a checkpoint after 1 % has changed, in percent of all",
        Some(100.0 * new_bytes as f64 / base_bytes as f64),
        3.0,
    );
    Ok(())
}

/// When the first batch behind one was through.
struct FirstBehind {
    batch: BatchId,
    at: Mutex<Option<Instant>>,
}

impl Listener for FirstBehind {
    fn batch_completed(&self, record: &BatchRecord) {
        if record.batch > self.batch {
            lock(&self.at).get_or_insert_with(Instant::now);
        }
    }
}

fn restart(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let distinct = if settings.quick { 1_000_000 } else { 10_000_000 };
    let place = place()?;
    let state = place.path().join("state");
    let config = |workers| {
        let checkpoints = Checkpoints::at(&state).every(Duration::from_secs(1));
        Config::new(BENCH)
            .workers(workers)
            .trigger(Trigger::AvailableNow)
            .records_per_partition_max(500_000)
            .checkpoints(checkpoints)
    };
    let last = counts(config(2), move || keys(distinct, 1_000, distinct))?.batches;
    for (turn, workers) in [2, 1, 2].into_iter().enumerate() {
        // Each turn has added a batch.
        let batch = last + turn as u64;
        let first = Arc::new(FirstBehind { batch, at: Mutex::default() });
        let begun = Instant::now();
        let config = config(workers).listener(Arc::clone(&first) as Arc<dyn Listener>);
        let records = distinct + 1_000 * (turn as u64 + 1);
        counts(config, move || keys(distinct, 1_000, records))?;
        let through = lock(&first.at).unwrap_or(begun);
        let took = through.duration_since(begun);
        let row = BenchRow {
            bench: format!("{BENCH}, restart"),
            variant: "start to first new output".into(),
            dataset: format!("{distinct} keys"),
            workers,
            records_per_s: distinct as f64 / took.as_secs_f64(),
            batch_ms_p50: took.as_secs_f64() * 1e3,
            ..BenchRow::default()
        };
        report.add(row, progress);
        let question = format!("from start to first new output, {workers} workers, in s");
        report.at_most(question, Some(took.as_secs_f64()), 5.0);
    }
    Ok(())
}
