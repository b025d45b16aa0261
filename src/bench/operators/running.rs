//! Question: what does a running count per key cost, against a plain loop with a hash map?
//!
//! Expectation: the hash index reaches 0.6 of the loop on skewed keys and 0.4 on uniform ones, to
//! differential output (the old and the new row of every changed key), and 0.4 and 0.28 with the
//! rows in the order of the table at the sink; the arrangement reaches 0.12 on skewed keys. Two
//! workers reach 1.5 times one where two cores are free, and 0.6 times one where another program
//! keeps one of them busy.
//!
//! Method: ten million keys from memory, in batches of 100,000, as fast as they go, through the
//! whole engine. Each variant's number of changes must be the loop's. What two cores of this machine
//! give at all is shown by two plain loops side by side, each on its own half of the keys: where
//! they are not twice as fast as one, two workers can't be.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Instant;

use tidegate_operators::stable_hash;

use super::against::Counter;
use super::drive::{Subject, drive, median, plain};
use super::plain::Counts;
use crate::bench::data::Keys;
use crate::bench::report::{BenchRow, Report};
use crate::bench::{PARENT_VARIABLE, Settings};
use crate::sink::Null;
use crate::{RunError, Strategy};

const BENCH: &str = "running count";
const BATCH: usize = 100_000;

/// The name, how state is kept, on how many workers, and whether rows leave in table order.
const VARIANTS: [(&str, Strategy, usize, bool); 7] = [
    ("hash index", Strategy::HashIndex, 1, false),
    ("hash index", Strategy::HashIndex, 2, false),
    ("hash index, table order", Strategy::HashIndex, 1, true),
    ("hash index, table order", Strategy::HashIndex, 2, true),
    ("arrangement", Strategy::Arrangement, 1, false),
    ("arrangement", Strategy::Arrangement, 2, false),
    ("arrangement, table order", Strategy::Arrangement, 1, true),
];
const RECOMPUTE: &str = "recompute";
const SHARED: &str = "hash index, one core busy";

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let records = if settings.quick { 1_000_000 } else { 10_000_000 };
    for make in [
        || (100_000u64, Keys::zipf as fn(u64, u64) -> Keys),
        || (1_000_000, Keys::uniform as fn(u64, u64) -> Keys),
    ] {
        let (distinct, make) = make();
        let name = make(distinct, 0).name;
        let variants = VARIANTS.iter().map(|(variant, ..)| *variant).chain([RECOMPUTE, SHARED]);
        if settings.wants(&[BENCH, &name].into_iter().chain(variants).collect::<Vec<_>>()) {
            let keys = make(distinct, records);
            dataset(settings, &keys, report, progress)?;
        }
    }
    verdicts(report);
    Ok(())
}

fn dataset(
    settings: &Settings,
    keys: &Keys,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let mut by_batch = Vec::new();
    let limit = median(settings, || {
        let (mut counts, mut changes, mut expected) = (Counts::default(), Vec::new(), 0u64);
        by_batch.clear();
        Ok(plain((BENCH, &keys.name), &keys.keys, BATCH, |batch| {
            counts.running(batch, &mut changes);
            expected += changes.len() as u64;
            by_batch.push(expected);
        }))
    })?;
    let limit_rate = limit.records_per_s;
    report.add(limit, progress);
    let mut both = median(settings, || Ok(side_by_side(keys)))?;
    both.ratio_to_limit = Some(both.records_per_s / limit_rate);
    report.add(both, progress);

    let measure_once = |variant: &str, strategy, workers, records: Arc<Vec<u64>>, ordered: bool| {
        let subject = Subject {
            bench: BENCH,
            variant: variant.into(),
            dataset: keys.name.clone(),
            workers,
            strategy,
            batch: BATCH,
            records: Arc::clone(&records),
        };
        let batches = records.len().div_ceil(BATCH);
        let counter = Counter::default();
        let (null, seen) = (Null::default(), counter.clone());
        let sink = null.clone();
        let mut row = drive(&subject, move |ctx, keys| {
            let table = keys.running().count_by_value();
            if ordered {
                table.changes().sink(sink.clone());
            } else {
                seen.count(ctx, table.into_collection().inner);
            }
        })?;
        let rows = if ordered { null.rows() } else { counter.seen() };
        assert_eq!(rows, by_batch[batches - 1], "{variant} on {} changes other rows", keys.name);
        row.ratio_to_limit = Some(row.records_per_s / limit_rate);
        Ok(row)
    };
    let measure = |variant: &str, strategy, workers, records: Arc<Vec<u64>>, ordered: bool| {
        median(settings, || measure_once(variant, strategy, workers, Arc::clone(&records), ordered))
    };

    let all = || Arc::clone(&keys.keys);
    for (variant, strategy, workers, ordered) in VARIANTS {
        if settings.wants(&[BENCH, &keys.name, variant]) {
            report.add(measure(variant, strategy, workers, all(), ordered)?, progress);
        }
    }
    if settings.wants(&[BENCH, &keys.name, RECOMPUTE]) {
        // Everything anew in each batch: the cost grows with the square of the input, so a tenth.
        let few = Arc::new(keys.keys[..keys.keys.len() / 10].to_vec());
        let mut row = measure(RECOMPUTE, Strategy::Recompute, 1, few, false)?;
        row.note = Some("a tenth of the records".into());
        report.add(row, progress);
    }
    if settings.wants(&[BENCH, &keys.name, SHARED])
        && let Some(busy) = settings.program.as_ref().and_then(Busy::start)
    {
        let mut row = measure(SHARED, Strategy::HashIndex, 2, all(), false)?;
        row.note = Some("another program keeps one core busy".into());
        report.add(row, progress);
        drop(busy);
    }
    Ok(())
}

/// Two plain loops at once, each with the keys of a half: no exchange, nothing shared.
fn side_by_side(keys: &Keys) -> BenchRow {
    let halves: [Vec<u64>; 2] = [0, 1].map(|half| {
        let own = keys.keys.iter().filter(|key| stable_hash(key) >> 63 == half);
        own.copied().collect()
    });
    let begun = Instant::now();
    let rows = std::thread::scope(|scope| {
        let loops = halves.each_ref().map(|half| {
            scope.spawn(|| {
                let (mut counts, mut changes) = (Counts::default(), Vec::new());
                plain((BENCH, &keys.name), half, BATCH / 2, |batch| {
                    counts.running(batch, &mut changes);
                })
            })
        });
        loops.map(|thread| thread.join().expect("a plain loop ends"))
    });
    let elapsed = begun.elapsed().as_secs_f64();
    let [first, _] = rows;
    BenchRow { workers: 2, records_per_s: keys.keys.len() as f64 / elapsed, ..first }
}

/// Another program that does nothing, all the time.
struct Busy(Child);

impl Busy {
    fn start(program: &std::path::PathBuf) -> Option<Busy> {
        let mut command = Command::new(program);
        command.args(["bench", "spin"]).env(PARENT_VARIABLE, std::process::id().to_string());
        command.spawn().ok().map(Busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn verdicts(report: &mut Report) {
    let ratio = |report: &Report, variant: &str, dataset: &str| {
        report.find((BENCH, variant, dataset), 1).and_then(|row| row.ratio_to_limit)
    };
    for (variant, zipf, uniform) in [
        ("hash index", Some(0.6), Some(0.4)),
        ("hash index, table order", Some(0.4), Some(0.28)),
        ("arrangement", Some(0.12), None),
    ] {
        for (dataset, wanted) in [("zipf-100k", zipf), ("uniform-1M", uniform)] {
            if let Some(wanted) = wanted {
                let found = ratio(report, variant, dataset);
                report.at_least(format!("{variant} on {dataset}, of the limit"), found, wanted);
            }
        }
    }
    for dataset in ["zipf-100k", "uniform-1M"] {
        let rate = |variant: &str, workers| {
            report.find((BENCH, variant, dataset), workers).map(|row| row.records_per_s)
        };
        let (one, two) = (rate("hash index", 1), rate("hash index", 2));
        let busy = rate(SHARED, 2);
        let (free, shared) =
            (one.zip(two).map(|(one, two)| two / one), one.zip(busy).map(|(one, two)| two / one));
        report.at_least(format!("two workers on {dataset}, of one"), free, 1.5);
        report.at_least(format!("two workers on {dataset} with a busy core, of one"), shared, 0.6);
    }
}
