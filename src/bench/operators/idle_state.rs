//! Question: what do keys cost a user's state in batches in which they have no record?
//!
//! Expectation: with a million idle keys a batch takes at most 1.2 times as long as with none.
//!
//! Method: `map_with_state` counts 100 keys in batches of 1,000 records, with and without a million
//! other keys in the state from the start; against a loop with a hash map. In larger batches of as
//! few keys it is the processor's caches that are measured: a record's look-up among a million keys
//! misses them more often than one among a hundred.

use std::collections::HashMap;

use super::against::Family;
use crate::bench::Settings;
use crate::bench::data::Keys;
use crate::bench::report::{BenchRow, Report};
use crate::{RunError, State, StateSpec};

const ACTIVE: u64 = 100;
const BATCH: usize = 1_000;

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let mut medians = Vec::new();
    let batches = if settings.quick { 500 } else { 5_000 };
    let keys = Keys::uniform(ACTIVE, batches * BATCH as u64);
    for idle in [0u64, 1_000_000] {
        let family = Family {
            bench: "user's state",
            dataset: format!("{idle} idle keys"),
            batch: BATCH,
            records: keys.keys.clone(),
        };
        let row = family.measure(
            settings,
            report,
            progress,
            HashMap::<u64, u64>::new,
            |counts, batch| {
                batch.iter().for_each(|key| *counts.entry(*key).or_default() += 1);
                batch.len() as u64
            },
            move |ctx, records, counter| {
                let spec = StateSpec::new().initial((ACTIVE..ACTIVE + idle).map(|key| (key, 0u64)));
                let counted = records.map(|key| (key, ())).map_with_state(
                    spec,
                    |visit, count: &mut State<u64>| {
                        let counted = count.get().unwrap_or(&0) + 1;
                        count.update(counted);
                        Some((*visit.key, counted))
                    },
                );
                counter.count(ctx, counted.emitted().into_rows());
            },
        )?;
        medians.extend(row.map(|row| row.batch_ms_p50));
    }
    if let [none, many] = medians[..] {
        report.at_most(
            "a batch with a million idle keys, of one with none",
            Some(many / none),
            1.2,
        );
    }
    Ok(())
}
