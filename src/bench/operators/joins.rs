//! Question: what does a join of two sliding windows cost?
//!
//! Expectation: a fifth of a plain loop with hash tables; an arrangement sorts what a loop appends.
//!
//! Method: batches of 10,000 rows of two kinds, 10,000 keys, windows of 10 batches that slide by
//! one; each batch changes some 100,000 pairs. All variants add up a hash of the pairs that are
//! there, and must agree.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_operators::stable_hash;
use timely::dataflow::operators::InspectCore;

use super::drive::{Subject, drive, median, plain};
use crate::bench::Settings;
use crate::bench::report::{BenchRow, Report};
use crate::{RunError, Span, Strategy};

const BENCH: &str = "windowed join";
const BATCH: usize = 10_000;
const KEYS: u64 = 10_000;
const WINDOW: u64 = 10;

/// The name, and on how many workers.
const VARIANTS: [(&str, usize); 2] = [("arrangement", 1), ("arrangement", 2)];

fn key(record: u64) -> u64 {
    record % KEYS
}

fn is_left(record: u64) -> bool {
    (record >> 20) & 1 == 0
}

fn value(record: u64) -> u64 {
    record >> 32
}

fn pair(key: u64, left: u64, right: u64) -> u64 {
    stable_hash(&(key, left, right))
}

/// The values of a key in the window, on both sides.
#[derive(Default)]
struct Values {
    sides: [VecDeque<u64>; 2],
}

/// The join as a loop: what leaves is taken from the sum, what comes is added to it.
#[derive(Default)]
struct Joined {
    values: HashMap<u64, Values>,
    batches: VecDeque<Vec<u64>>,
    sum: u64,
}

impl Joined {
    fn slide(&mut self, rows: &[u64]) {
        if self.batches.len() as u64 == WINDOW {
            for row in self.batches.pop_front().unwrap_or_default() {
                let key = key(row);
                let Some(values) = self.values.get_mut(&key) else { continue };
                // The oldest goes first, as it came.
                values.sides[usize::from(!is_left(row))].pop_front();
                let gone = Self::pairs(values, row);
                self.sum = self.sum.wrapping_sub(gone);
            }
        }
        for row in rows {
            let values = self.values.entry(key(*row)).or_default();
            self.sum = self.sum.wrapping_add(Self::pairs(values, *row));
            values.sides[usize::from(!is_left(*row))].push_back(value(*row));
        }
        self.batches.push_back(rows.to_vec());
    }

    /// A hash of a row's pairs with the other side.
    fn pairs(values: &Values, row: u64) -> u64 {
        let (key, own, left) = (key(row), value(row), is_left(row));
        values.sides[usize::from(left)].iter().fold(0u64, |sum, other| {
            let pair = if left { pair(key, own, *other) } else { pair(key, *other, own) };
            sum.wrapping_add(pair)
        })
    }
}

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let dataset = format!("window {WINDOW}");
    let wanted = VARIANTS.into_iter().filter(|(name, _)| settings.wants(&[BENCH, &dataset, name]));
    let variants: Vec<_> = wanted.collect();
    if variants.is_empty() {
        return Ok(());
    }
    let batches = if settings.quick { 2 * WINDOW } else { 10 * WINDOW };
    let records: Vec<u64> = (0..batches * BATCH as u64).map(|n| stable_hash(&n)).collect();
    let records = Arc::new(records);
    let mut expected = 0;
    let limit = median(settings, || {
        let mut joined = Joined::default();
        let row = plain((BENCH, &dataset), &records, BATCH, |batch| joined.slide(batch));
        expected = joined.sum;
        Ok(row)
    })?;
    let limit_rate = limit.records_per_s;
    report.add(limit, progress);
    for (variant, workers) in variants {
        let subject = Subject {
            bench: BENCH,
            variant: variant.into(),
            dataset: dataset.clone(),
            workers,
            strategy: Strategy::Arrangement,
            batch: BATCH,
            records: Arc::clone(&records),
        };
        let mut row = median(settings, || {
            let found = Arc::new(AtomicU64::new(0));
            let sum = Arc::clone(&found);
            let row = drive(&subject, move |ctx, rows| {
                let sum = Arc::clone(&sum);
                let side = |left: bool| {
                    let rows = rows.clone().filter(move |row| is_left(*row) == left);
                    let rows = rows.map(|row| (key(row), value(row)));
                    rows.window(Span::batches(WINDOW), Span::batches(1)).table()
                };
                let pairs = side(true).join(side(false)).into_collection().inner;
                ctx.complete_with(pairs.inspect_container(move |event| {
                    let Ok((_, rows)) = event else { return };
                    let change = rows.iter().fold(0u64, |sum, ((key, (left, right)), _, diff)| {
                        let pair = pair(*key, *left, *right);
                        sum.wrapping_add(pair.wrapping_mul(*diff as u64))
                    });
                    sum.fetch_add(change, Ordering::Relaxed);
                }));
            })?;
            let found = found.load(Ordering::Relaxed);
            assert_eq!(found, expected, "{variant} on {workers} workers joins other rows");
            Ok(row)
        })?;
        row.ratio_to_limit = Some(row.records_per_s / limit_rate);
        if workers == 1 {
            report.at_least("windowed join, of the limit", row.ratio_to_limit, 0.2);
        }
        report.add(row, progress);
    }
    Ok(())
}
