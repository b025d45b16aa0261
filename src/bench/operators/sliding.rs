//! Question: what does a sliding count per key cost, and does it cost more for a longer window?
//!
//! Expectation: 0.6 of a plain loop with a ring; a batch costs at most 1.5 times as much at 600
//! batches as at 60.
//!
//! Method: batches of 10,000 keys out of 10,000, slide 1, to differential output.

use std::sync::Arc;

use super::against::Counter;
use super::drive::{Subject, drive, median, plain};
use super::plain::SlidingCounts;
use crate::bench::Settings;
use crate::bench::data::Keys;
use crate::bench::report::{BenchRow, Report};
use crate::{RunError, Span, Strategy};

const BENCH: &str = "sliding count";
const BATCH: usize = 10_000;

/// The name, how state is kept, and on how many workers.
const VARIANTS: [(&str, Strategy, usize); 3] = [
    ("hash index", Strategy::HashIndex, 1),
    ("hash index", Strategy::HashIndex, 2),
    ("arrangement", Strategy::Arrangement, 1),
];

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let mut medians = Vec::new();
    for length in [60u64, 600] {
        let dataset = format!("window {length}");
        let variants =
            VARIANTS.into_iter().filter(|(name, ..)| settings.wants(&[BENCH, &dataset, name]));
        let variants: Vec<_> = variants.collect();
        if variants.is_empty() {
            continue;
        }
        // The window is full for most of the run.
        let batches = if settings.quick { length + 100 } else { 2 * length + 800 };
        let keys = Keys::uniform(10_000, batches * BATCH as u64);
        let mut expected = 0u64;
        let limit = median(settings, || {
            let (mut counts, mut changes) = (SlidingCounts::new(length as usize), Vec::new());
            expected = 0;
            Ok(plain((BENCH, &dataset), &keys.keys, BATCH, |batch| {
                counts.slide(batch, &mut changes);
                expected += changes.len() as u64;
            }))
        })?;
        let limit_rate = limit.records_per_s;
        report.add(limit, progress);
        for (variant, strategy, workers) in variants {
            let subject = Subject {
                bench: BENCH,
                variant: variant.into(),
                dataset: dataset.clone(),
                workers,
                strategy,
                batch: BATCH,
                records: Arc::clone(&keys.keys),
            };
            let mut row = median(settings, || {
                let counter = Counter::default();
                let seen = counter.clone();
                let row = drive(&subject, move |ctx, keys| {
                    let window = keys.window(Span::batches(length), Span::batches(1));
                    seen.count(ctx, window.count_by_value().into_collection().inner);
                })?;
                assert_eq!(counter.seen(), expected, "{variant} over {dataset} changes other rows");
                Ok(row)
            })?;
            row.ratio_to_limit = Some(row.records_per_s / limit_rate);
            if (variant, workers) == ("hash index", 1) {
                medians.push(row.batch_ms_p50);
                let question = format!("sliding count, {dataset}, of the limit");
                report.at_least(question, row.ratio_to_limit, 0.6);
            }
            report.add(row, progress);
        }
    }
    if let [short, long] = medians[..] {
        report.at_most("a batch at 600 batches, of one at 60", Some(long / short), 1.5);
    }
    Ok(())
}
