//! Question: does state grow without stopping a batch, and how large is it?
//!
//! Expectation: ten million keys take at most 64 bytes each; while they grow from nothing, the
//! slowest batch in a thousand takes less than four times the median.
//!
//! Method: batches of 10,000 new keys each, until there are ten million, summed by key.

use std::sync::Arc;

use super::drive::{Subject, drive, median};
use crate::bench::Settings;
use crate::bench::report::{BenchRow, Report};
use crate::{RunError, Strategy, Sum};

const BENCH: &str = "growth";
const BATCH: usize = 10_000;

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let keys: u64 = if settings.quick { 1_000_000 } else { 10_000_000 };
    let dataset = format!("{}M keys", keys / 1_000_000);
    if !settings.wants(&[BENCH, &dataset]) {
        return Ok(());
    }
    // Each key once, in an order that has nothing to do with their values.
    let records: Vec<u64> = (0..keys).map(|key| key.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    let subject = Subject {
        bench: BENCH,
        variant: "hash index".into(),
        dataset,
        workers: 1,
        strategy: Strategy::HashIndex,
        batch: BATCH,
        records: Arc::new(records),
    };
    let row = median(settings, || {
        drive(&subject, |ctx, keys| {
            let sums = keys.map(|key| (key, 1i64)).running().aggregate_by_key(Sum);
            ctx.complete_with(sums.into_collection().inner);
        })
    })?;
    report.at_most("bytes a key", row.state_bytes_per_key, 64.0);
    let spread = row.batch_ms_p999 / row.batch_ms_p50;
    report.at_most("slowest batch in a thousand, of the median, while growing", Some(spread), 4.0);
    report.add(row, progress);
    Ok(())
}
