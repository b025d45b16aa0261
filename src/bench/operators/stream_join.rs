//! Question: what does a join of two streams within a bound of event time cost, with the rows that
//! come out alone?
//!
//! Expectation: a quarter of a plain loop: a batch's rows are sorted by key, and each key is looked up
//! twice, once when it comes and once when it goes.
//!
//! Method: batches of 100,000 rows, every second one on the right, each side in the order of its
//! time; a right row follows a left row of its key by up to 64 units of time, the bound is 48, and
//! 6 units pass in a batch. The loop keeps what waits in a hash map and in a queue, and gives as many
//! rows: pairs, and left rows alone, when the watermark passes them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tidegate_operators::stable_hash;

use super::against::Family;
use crate::bench::Settings;
use crate::bench::report::{BenchRow, Report};
use crate::{Context, DStream, RunError};

const BATCH: usize = 100_000;
/// Rows on each side for one unit of time.
const PER_UNIT: u64 = 8_192;
/// A right row's time, less that of its left row, is below this; the bound is below it too.
const SPREAD: u64 = 64;
const BOUND: i64 = 48;

fn is_left(record: u64) -> bool {
    record >> 63 == 0
}

fn key(record: u64) -> u64 {
    record & 0xFFFF_FFFF
}

fn time_ms(record: u64) -> i64 {
    ((record >> 32) & 0x7FFF_FFFF) as i64
}

fn record(left: bool, time: u64, key: u64) -> u64 {
    (u64::from(!left) << 63) | (time << 32) | key
}

/// Left and right rows in turn; a right row has the key of a left one that came before it.
fn records(count: u64) -> Vec<u64> {
    let rows = (0..count).map(|number| {
        let (left, place) = (number % 2 == 0, number / 2);
        let time = place / PER_UNIT;
        if left {
            return record(true, time, place);
        }
        let back = (stable_hash(&number) % SPREAD) * PER_UNIT;
        record(false, time, place.saturating_sub(back))
    });
    rows.collect()
}

/// The join as a loop.
#[derive(Default)]
struct Waiting {
    /// Rows on both sides by key: their times, and whether a left one has met another.
    lefts: HashMap<u64, Vec<(i64, bool)>>,
    rights: HashMap<u64, Vec<i64>>,
    /// Keys in the order in which their rows go.
    due_lefts: VecDeque<(i64, u64)>,
    due_rights: VecDeque<(i64, u64)>,
    newest: [i64; 2],
    watermark: i64,
}

impl Waiting {
    /// The number of rows that a batch gives.
    fn join(&mut self, batch: &[u64]) -> u64 {
        let mut given = 0;
        for row in batch {
            let (key, time) = (key(*row), time_ms(*row));
            if time <= self.watermark {
                continue;
            }
            if is_left(*row) {
                let rights = self.rights.get(&key).into_iter().flatten();
                let met = rights.filter(|right| (0..=BOUND).contains(&(**right - time))).count();
                given += met as u64;
                self.lefts.entry(key).or_default().push((time, met > 0));
                self.due_lefts.push_back((time, key));
            } else {
                for (left, has_met) in self.lefts.get_mut(&key).into_iter().flatten() {
                    if (0..=BOUND).contains(&(time - *left)) {
                        *has_met = true;
                        given += 1;
                    }
                }
                self.rights.entry(key).or_default().push(time);
                self.due_rights.push_back((time, key));
            }
        }
        let watermark = self.watermark;
        while let Some((time, key)) = self.due_lefts.pop_front_if(|row| row.0 + BOUND < watermark) {
            let Some(rows) = self.lefts.get_mut(&key) else { continue };
            let Some(place) = rows.iter().position(|row| row.0 == time) else { continue };
            given += u64::from(!rows.swap_remove(place).1);
            if rows.is_empty() {
                self.lefts.remove(&key);
            }
        }
        while let Some((time, key)) = self.due_rights.pop_front_if(|row| row.0 < watermark) {
            let Some(rows) = self.rights.get_mut(&key) else { continue };
            rows.retain(|row| *row != time);
            if rows.is_empty() {
                self.rights.remove(&key);
            }
        }
        for row in batch {
            let newest = &mut self.newest[usize::from(is_left(*row))];
            *newest = time_ms(*row).max(*newest);
        }
        self.watermark = self.newest[0].min(self.newest[1]).max(self.watermark);
        given
    }
}

fn program(ctx: Context<'_>, records: DStream<'_, u64>, counter: &super::against::Counter) {
    let side = |left: bool| {
        let rows = records.clone().filter(move |row| is_left(*row) == left);
        rows.with_watermark(|row| time_ms(*row), 0).map(|row| (key(row), time_ms(row)))
    };
    let joined = side(true).pair_with(side(false)).within(0..=BOUND).left_outer_join();
    counter.count(ctx, joined.finals().into_rows());
}

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let batches = if settings.quick { 20 } else { 100 };
    let family = Family {
        bench: "stream join",
        dataset: format!("within {BOUND} of {SPREAD}"),
        batch: BATCH,
        records: Arc::new(records(batches * BATCH as u64)),
    };
    let begin = Waiting::default;
    let row = family.measure(settings, report, progress, begin, Waiting::join, program)?;
    if let Some(row) = row {
        report.at_least("stream join, of the limit", row.ratio_to_limit, 0.25);
    }
    Ok(())
}
