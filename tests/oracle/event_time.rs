//! Windows, sessions and duplicates by event time: rows that come early, late and too late, in
//! random batches.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::{DStream, EventStream, Late, Record, Strategy, Sum, TimeWindow, TimeWindows};

use super::check::{Expected, WORKERS, config, drive, expectations, same};
use super::input::{Batch, Input, Row};
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["oracle::event_time";
        windows_close_once_with_all_that_was_in_time,
        open_windows_are_those_that_the_watermark_has_not_passed,
        late_rows_are_dropped_and_counted_or_given_or_correct_or_are_waited_for,
        sessions_are_joined_and_close_once,
        duplicates_are_dropped_until_they_expire,
        windows_of_closed_windows_have_each_of_them,
        two_streams_share_the_lower_or_the_higher_watermark,
    ]
}

const DELAY_MS: i64 = 10;

/// Batches whose rows have event times as values: they advance, and some lie far behind.
pub fn input(seed: u64, partitions: usize) -> Input {
    let mut input = Input::random(seed, 24, partitions);
    let mut rng = Rng::new(seed);
    for (number, batch) in input.batches.iter_mut().enumerate() {
        for row in batch.partitions.iter_mut().flatten() {
            let back = if rng.below(5) == 0 { 60 } else { 15 };
            row.1 = number as i64 * 8 + 20 - rng.below(back) as i64;
        }
    }
    input
}

/// The watermark of each batch, and of one behind the last.
pub(super) fn watermarks(batches: &[Batch]) -> Vec<i64> {
    let mut watermarks = vec![0];
    for batch in batches {
        let newest = batch.rows().iter().map(|row| row.1 - DELAY_MS).max().unwrap_or(0);
        watermarks.push(newest.max(watermarks[watermarks.len() - 1]));
    }
    watermarks
}

pub(super) fn events(rows: DStream<'_, Row>) -> EventStream<'_, Row> {
    rows.with_watermark(|row| row.1, DELAY_MS)
}

/// Runs a program on 1, 2 and 4 workers, from 1 and from 3 partitions, incrementally and recomputed.
fn check<E: Record>(
    seed: u64,
    program: impl for<'s> Fn(DStream<'s, Row>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
    model: impl Fn(&[Batch]) -> Vec<E>,
) {
    for partitions in [1, 3] {
        let input = input(seed + partitions as u64, partitions);
        let expected: Expected<E> = expectations(&input, |batches| Some(model(batches)));
        assert!(expected.iter().any(|(_, rows)| !rows.is_empty()), "nothing is expected");
        for (workers, strategy) in WORKERS.into_iter().flat_map(|workers| {
            [Strategy::HashIndex, Strategy::Recompute].map(|how| (workers, how))
        }) {
            let output = Memory::new();
            let (sink, program) = (output.clone(), program.clone());
            drive(&input, config(workers, strategy), move |rows| {
                program(rows).sink(sink.clone());
            });
            let what = format!("{strategy}, {workers} workers, {partitions} partitions");
            same(&input, &what, &output.batches(), &expected);
        }
    }
}

type Sums = BTreeMap<(TimeWindow, String), i64>;

/// The sums of what came in time through the last batch, by window and key.
fn sums(batches: &[Batch], windows: TimeWindows, late: Late) -> Sums {
    let watermarks = watermarks(batches);
    let mut sums = Sums::new();
    for (batch, watermark) in batches.iter().zip(watermarks) {
        for (key, at) in batch.rows() {
            let mark = tidegate::operators::event_time::Watermark::at(watermark);
            for window in windows.of(at).filter(|window| !late.is_late(window.end_ms, mark)) {
                *sums.entry((window, key.clone())).or_default() += at;
            }
        }
    }
    sums
}

/// The watermark of the batch before the last one, and that of the last one.
fn passed(batches: &[Batch]) -> (i64, i64) {
    let watermarks = watermarks(batches);
    let now = watermarks[batches.len() - 1];
    (if batches.len() > 1 { watermarks[batches.len() - 2] } else { i64::MIN }, now)
}

fn rules() -> [TimeWindows; 3] {
    [TimeWindows::tumbling(10), TimeWindows::sliding(20, 10), TimeWindows::sliding(12, 5)]
}

fn windows_close_once_with_all_that_was_in_time() {
    for (rule, seed) in rules().into_iter().zip((700..).step_by(10)) {
        check(
            seed,
            move |rows| events(rows).window(rule).aggregate_by_key(Sum).finals(),
            move |batches| {
                let (before, now) = passed(batches);
                let closing = |window: &TimeWindow| before < window.end_ms && window.end_ms <= now;
                let all = sums(batches, rule, Late::Drop).into_iter();
                all.filter(|((window, _), _)| closing(window)).collect()
            },
        );
    }
}

fn open_windows_are_those_that_the_watermark_has_not_passed() {
    for (rule, seed) in rules().into_iter().zip((730..).step_by(10)) {
        check(
            seed,
            move |rows| events(rows).window(rule).aggregate_by_key(Sum).snapshots(),
            move |batches| {
                let (_, now) = passed(batches);
                let all = sums(batches, rule, Late::Drop).into_iter();
                all.filter(|((window, _), _)| window.end_ms > now).collect()
            },
        );
    }
}

/// One input, four policies: each record is in a result or counted as late.
fn late_rows_are_dropped_and_counted_or_given_or_correct_or_are_waited_for() {
    let rule = TimeWindows::tumbling(10);
    let policies =
        [Late::Drop, Late::SideOutput, Late::Correct { keep_ms: 25 }, Late::Hold { hold_ms: 25 }];
    use Strategy::{HashIndex, Recompute};
    for (workers, partitions, strategy) in [
        (1, 1, HashIndex),
        (2, 3, HashIndex),
        (4, 3, HashIndex),
        (1, 3, Recompute),
        (2, 3, Recompute),
    ] {
        let input = input(760 + partitions as u64, partitions);
        let total: i64 = input.batches.iter().map(|batch| batch.rows().len() as i64).sum();
        let mut late_by_policy = Vec::new();
        for late in policies {
            let (closed, open) = (Memory::new(), Memory::new());
            let (counts, side) = (Memory::<i64>::new(), Memory::new());
            let sinks = (closed.clone(), open.clone(), counts.clone(), side.clone());
            drive(&input, config(workers, strategy), move |rows| {
                let windows = events(rows).window(rule).late(late);
                if late == Late::SideOutput {
                    windows.late_rows().sink(sinks.3.clone());
                }
                let table = windows.count();
                table.clone().revisions().sink(sinks.0.clone());
                table.clone().snapshots().sink(sinks.1.clone());
                table.late_count().sink(sinks.2.clone());
            });
            let closed = closed.rows().concat();
            let mut results: BTreeMap<TimeWindow, i64> = BTreeMap::new();
            for change in &closed {
                *results.entry(change.row.0).or_default() += change.row.1 * change.diff as i64;
            }
            let open = open.rows().pop().unwrap_or_default();
            assert!(open.iter().all(|(window, _)| !results.contains_key(window)), "{late:?}");
            let in_results = results.values().sum::<i64>();
            let in_open = open.iter().map(|(_, count)| count).sum::<i64>();
            let too_late = counts.rows().concat().iter().sum::<i64>();
            assert_eq!(in_results + in_open + too_late, total, "{late:?}, {workers} workers");
            assert!(in_results > 0 && too_late > 0, "{late:?} is not tested");

            let is_corrected = closed.iter().any(|change| change.diff < 0);
            assert_eq!(is_corrected, matches!(late, Late::Correct { .. }), "{late:?}");
            if late == Late::SideOutput {
                let mut given = side.rows().concat();
                let mut expected: Vec<Row> = Vec::new();
                for (batch, mark) in input.batches.iter().zip(watermarks(&input.batches)) {
                    let rows = batch.rows().into_iter();
                    expected.extend(rows.filter(|row| (row.1.div_euclid(10) + 1) * 10 <= mark));
                }
                given.sort();
                expected.sort();
                assert_eq!(given, expected);
                assert_eq!(given.len() as i64, too_late);
            }
            let all = sums(&input.batches, rule, late);
            let windows: BTreeSet<TimeWindow> = all.keys().map(|(window, _)| *window).collect();
            let found = results.into_keys().chain(open.into_iter().map(|(window, _)| window));
            assert_eq!(found.collect::<BTreeSet<_>>(), windows, "{late:?}");
            late_by_policy.push(too_late);
        }
        let [drop, side, correct, hold] = late_by_policy[..] else { panic!("four policies") };
        assert!(drop == side && correct == hold && correct < drop, "{late_by_policy:?}");
    }
}

/// The gap of a row: now and then none at all.
fn gap(at: i64) -> i64 {
    at.rem_euclid(7) * 2 - 1
}

/// The sessions of each key that close in the last batch, with the number of their rows.
fn closing_sessions(batches: &[Batch]) -> Vec<(String, (TimeWindow, i64))> {
    let mut open: Vec<(String, (TimeWindow, i64))> = Vec::new();
    let mut closing = Vec::new();
    for (batch, watermark) in batches.iter().zip(watermarks(batches)) {
        for (key, at) in batch.rows() {
            let mut window = TimeWindow { start_ms: at, end_ms: at + gap(at) };
            if gap(at) <= 0 || window.end_ms <= watermark {
                continue;
            }
            let mut count = 1;
            open.retain(|(other, (span, rows))| {
                let touches = *other == key
                    && span.start_ms <= window.end_ms
                    && window.start_ms <= span.end_ms;
                if touches {
                    window.start_ms = window.start_ms.min(span.start_ms);
                    window.end_ms = window.end_ms.max(span.end_ms);
                    count += rows;
                }
                !touches
            });
            open.push((key, (window, count)));
        }
        let is_closed = |row: &(String, (TimeWindow, i64))| row.1.0.end_ms <= watermark;
        closing = open.iter().filter(|row| is_closed(row)).cloned().collect();
        open.retain(|row| !is_closed(row));
    }
    closing.sort();
    closing
}

fn sessions_are_joined_and_close_once() {
    check(
        780,
        |rows| events(rows).sessions(|_, at| gap(*at)).count_by_key().finals(),
        closing_sessions,
    );
}

/// Rows with their event times, in order.
fn with_times(rows: Vec<Row>) -> Vec<(i64, Row)> {
    let mut rows: Vec<(i64, Row)> = rows.into_iter().map(|row| (row.1 * 1000, row)).collect();
    rows.sort();
    rows
}

fn duplicates_are_dropped_until_they_expire() {
    check(
        790,
        |rows| {
            let firsts = events(rows).drop_duplicates_within_watermark(|row| row.0.clone());
            firsts.with_times()
        },
        |batches| {
            let mut seen: BTreeMap<String, i64> = BTreeMap::new();
            let mut firsts = Vec::new();
            for (batch, watermark) in batches.iter().zip(watermarks(batches)) {
                firsts.clear();
                for (key, at) in batch.rows() {
                    if at > watermark && !seen.contains_key(&key) {
                        seen.insert(key.clone(), at + DELAY_MS);
                        firsts.push((key, at));
                    }
                }
                seen.retain(|_, expires| *expires > watermark);
            }
            with_times(firsts)
        },
    );
    check(
        795,
        |rows| events(rows).drop_duplicates().with_times(),
        |batches| {
            let mut seen: BTreeSet<Row> = BTreeSet::new();
            let mut firsts = Vec::new();
            for (batch, watermark) in batches.iter().zip(watermarks(batches)) {
                let rows = batch.rows().into_iter();
                firsts = rows.filter(|row| row.1 > watermark && seen.insert(row.clone())).collect();
            }
            with_times(firsts)
        },
    );
}

fn windows_of_closed_windows_have_each_of_them() {
    check(
        800,
        |rows| {
            let sums = events(rows).window(TimeWindows::tumbling(5)).aggregate_by_key(Sum);
            let sums = sums.closed().map(|((_, key), sum)| (key, sum));
            sums.window(TimeWindows::tumbling(10)).aggregate_by_key(Sum).finals()
        },
        |batches| {
            let (before, now) = passed(batches);
            let mut outer = Sums::new();
            for ((window, key), sum) in sums(batches, TimeWindows::tumbling(5), Late::Drop) {
                let outside = TimeWindows::tumbling(10).of(window.start_ms);
                outside.for_each(|outside| {
                    *outer.entry((outside, key.clone())).or_default() += sum;
                });
            }
            let closing = |window: &TimeWindow| before < window.end_ms && window.end_ms <= now;
            outer.into_iter().filter(|((window, _), _)| closing(window)).collect()
        },
    );
}

fn two_streams_share_the_lower_or_the_higher_watermark() {
    use tidegate::WatermarkPolicy;
    for policy in [WatermarkPolicy::Min, WatermarkPolicy::Max] {
        let is_left = |row: &Row| row.0.len() < 2;
        check(
            810,
            move |rows| {
                let left = rows.clone().filter(is_left).with_watermark(|row| row.1, 10);
                let right = rows.filter(move |row| !is_left(row)).with_watermark(|row| row.1, 15);
                let (left, right) = left.share_watermark(right, policy);
                left.union(right).watermark().map(|reading| reading.now_ms)
            },
            move |batches| {
                let newest = |of_left: bool, delay: i64| {
                    let before = batches[..batches.len() - 1].iter().flat_map(Batch::rows);
                    let mine = before.filter(|row| is_left(row) == of_left);
                    mine.map(|row| row.1 - delay).fold(0, i64::max)
                };
                let both = [newest(true, 10), newest(false, 15)];
                let chosen = match policy {
                    WatermarkPolicy::Min => both.into_iter().min(),
                    WatermarkPolicy::Max => both.into_iter().max(),
                };
                chosen.into_iter().collect()
            },
        );
    }
}
