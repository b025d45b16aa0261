//! Question: what does a join of two streams batch by batch cost?
//!
//! Method: batches of 100,000 records out of two million different ones, odd ones on one side, even
//! ones on the other, joined by half their number; against a loop with a hash table for each batch.

use std::collections::HashMap;

use super::against::Family;
use crate::RunError;
use crate::bench::Settings;
use crate::bench::data::Keys;
use crate::bench::report::{BenchRow, Report};

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let keys = Keys::uniform(2_000_000, if settings.quick { 500_000 } else { 5_000_000 });
    let family =
        Family { bench: "batch join", dataset: keys.name, batch: 100_000, records: keys.keys };
    family.measure(
        settings,
        report,
        progress,
        HashMap::<u64, [u64; 2]>::new,
        |sides, batch| {
            sides.clear();
            for record in batch {
                sides.entry(record / 2).or_default()[(record % 2) as usize] += 1;
            }
            sides.values().map(|[left, right]| left * right).sum()
        },
        |ctx, records, counter| {
            let left = records.clone().filter(|record| record % 2 == 0);
            let right = records.filter(|record| record % 2 == 1);
            let half = |record: u64| (record / 2, record);
            counter.count(ctx, left.map(half).join(right.map(half)).into_rows());
        },
    )?;
    Ok(())
}
