//! Joins against all rows that were in time, compared with each other.

use std::collections::BTreeMap;

use super::*;
use crate::Chunks;
use crate::Record;
use crate::event_time::{Emitted, Late, Paced, Watermark, micros};
use crate::keyed::Side;
use crate::keyed::oracle::Numbers;
use crate::local::Local;

type Row = (u64, Side<(i64, i64), (i64, i64)>);
type Table<X> = BTreeMap<(u64, (i64, X)), isize>;

/// A join in short: its options, and the bounds once more, as two numbers.
#[derive(Clone, Copy, Debug)]
struct Options {
    least_ms: Option<i64>,
    most_ms: Option<i64>,
    late: Late,
    with_conditions: bool,
}

impl Options {
    fn bounds(self) -> Bounds {
        match (self.least_ms, self.most_ms) {
            (Some(least), Some(most)) => Bounds::within(least..=most),
            (Some(least), None) => Bounds::within(least..),
            (None, Some(most)) => Bounds::within(..=most),
            (None, None) => Bounds::ANY,
        }
    }

    fn on(self) -> On<i64, i64> {
        let on = On::new();
        if !self.with_conditions {
            return on;
        }
        on.left(passes_left).right(passes_right).both(|left, right| (left + right) % 3 != 0)
    }

    fn meets(self, (key, left): (u64, (i64, i64)), (other, right): (u64, (i64, i64))) -> bool {
        let later = right.0 - left.0;
        key == other
            && self.least_ms.is_none_or(|least| later >= micros(least))
            && self.most_ms.is_none_or(|most| later <= micros(most))
            && (!self.with_conditions
                || passes_left(&left.1) && passes_right(&right.1) && (left.1 + right.1) % 3 != 0)
    }

    /// Whether a row that can meet others for so long is over.
    fn is_over(self, at_us: i64, reach_ms: Option<i64>, watermark: i64) -> bool {
        let hold_ms = if let Late::Hold { hold_ms } = self.late { hold_ms } else { 0 };
        reach_ms.is_some_and(|reach| at_us + micros(reach + hold_ms) < micros(watermark))
    }

    fn takes_ms(self) -> i64 {
        match self.late {
            Late::Drop | Late::SideOutput => 0,
            Late::Correct { keep_ms } => keep_ms,
            Late::Hold { hold_ms } => hold_ms,
        }
    }
}

fn passes_left(value: &i64) -> bool {
    value % 4 != 0
}

fn passes_right(value: &i64) -> bool {
    value % 5 != 0
}

/// What is open, and what is final, of all rows that were in time.
fn naive<X: Record>(
    options: Options,
    shape: &Shape<i64, i64, X>,
    rows: &[Row],
    watermark: i64,
) -> [Table<X>; 2] {
    let [mut open, mut done] = [Table::new(), Table::new()];
    let lefts: Vec<_> = rows.iter().filter_map(left_of).collect();
    let rights: Vec<_> = rows.iter().filter_map(right_of).collect();
    for (key, left) in &lefts {
        let met: Vec<_> =
            rights.iter().filter(|right| options.meets((*key, *left), **right)).collect();
        if let Some(pair) = shape.pair {
            for (_, right) in &met {
                *done.entry((*key, (left.0, pair(left.1, right.1)))).or_default() += 1;
            }
        }
        if let Some(first) = shape.first.filter(|_| !met.is_empty()) {
            *done.entry((*key, (left.0, first(left.1)))).or_default() += 1;
        }
        if let Some(alone) = shape.left_alone.filter(|_| met.is_empty()) {
            let fails = options.with_conditions && !passes_left(&left.1);
            let over = fails || options.is_over(left.0, options.most_ms, watermark);
            let table = if over { &mut done } else { &mut open };
            *table.entry((*key, (left.0, alone(left.1)))).or_default() += 1;
        }
    }
    for (key, right) in &rights {
        let is_met = lefts.iter().any(|left| options.meets(*left, (*key, *right)));
        if let Some(alone) = shape.right_alone.filter(|_| !is_met) {
            let fails = options.with_conditions && !passes_right(&right.1);
            let reach_ms = options.least_ms.map(|least| -least);
            let over = fails || options.is_over(right.0, reach_ms, watermark);
            let table = if over { &mut done } else { &mut open };
            *table.entry((*key, (right.0, alone(right.1)))).or_default() += 1;
        }
    }
    [open, done]
}

fn left_of((key, row): &Row) -> Option<(u64, (i64, i64))> {
    if let Side::Left(left) = row { Some((*key, *left)) } else { None }
}

fn right_of((key, row): &Row) -> Option<(u64, (i64, i64))> {
    if let Side::Right(right) = row { Some((*key, *right)) } else { None }
}

fn run<X: Record>(options: Options, shape: fn() -> Shape<i64, i64, X>, seed: u64) {
    let mut numbers = Numbers::new(seed << 32);
    let new = || {
        let spec = JoinSpec::new(options.bounds(), shape()).on(options.on()).late(options.late);
        EventJoin::<u64, i64, i64, X>::new(spec)
    };
    let mut local = Local::new(new());
    let (mut watermark, mut newest, mut late, mut late_found) = (0, 0, 0, 0);
    let mut rows: Vec<Row> = Vec::new();
    let [mut open, mut done] = [Table::new(), Table::new()];
    for batch in 0..50 {
        let what = format!("{options:?}, seed {seed}, batch {batch}");
        let more: Vec<Row> = (0..numbers.below(9))
            .map(|_| {
                let at_us = micros(newest + 4 - numbers.below(24) as i64);
                let timed = (at_us + numbers.below(2) as i64 * 500, numbers.below(20) as i64);
                let left = numbers.below(2) == 0;
                (numbers.below(3), if left { Side::Left(timed) } else { Side::Right(timed) })
            })
            .collect();
        for row in &more {
            let ((_, Side::Left((at_us, _))) | (_, Side::Right((at_us, _)))) = row;
            if *at_us + micros(options.takes_ms()) <= micros(watermark) {
                late += 1;
            } else {
                rows.push(*row);
            }
        }
        let newest_now = more.iter().map(|(_, row)| match row {
            Side::Left((at_us, _)) | Side::Right((at_us, _)) => at_us.div_euclid(1000),
        });
        let newest_now = newest_now.fold(newest, i64::max);
        let input =
            vec![Paced::Rows(Chunks::loose(more)), Paced::Watermark(Watermark::at(watermark))];
        for event in local.close(input).into_iter().flat_map(Chunks::into_rows) {
            let (table, row, diff) = match event {
                Emitted::Open(row, diff) => (&mut open, row, diff),
                Emitted::Revised(row, diff) => (&mut done, row, diff),
                Emitted::Settled(row) => (&mut done, row, 1),
                Emitted::Closed(row) => {
                    *open.entry(row.clone()).or_default() -= 1;
                    (&mut done, row, 1)
                }
                Emitted::Late(rows) => {
                    late_found += rows;
                    continue;
                }
            };
            *table.entry(row).or_default() += diff;
        }
        open.retain(|_, times| *times != 0);
        done.retain(|_, times| *times != 0);
        let [expected_open, expected_done] = naive(options, &shape(), &rows, watermark);
        assert_eq!(open, expected_open, "open, {what}");
        assert_eq!(done, expected_done, "done, {what}");
        assert_eq!(late_found, late, "late, {what}");

        let goes = |at_us: i64, reach_ms: Option<i64>| {
            reach_ms
                .is_some_and(|reach| at_us + micros(reach + options.takes_ms()) < micros(watermark))
        };
        let kept = rows.iter().filter(|(_, row)| match row {
            Side::Left((at_us, value)) => {
                !goes(*at_us, options.most_ms) && (!options.with_conditions || passes_left(value))
            }
            Side::Right((at_us, value)) => {
                let reach_ms = options.least_ms.map(|least| -least);
                !goes(*at_us, reach_ms) && (!options.with_conditions || passes_right(value))
            }
        });
        let kept = kept.count() as u64;
        let keys = local.size().keys;
        if shape().ends_at_first() {
            assert!(keys <= kept, "kept {keys} rows of {kept}, {what}");
        } else {
            assert_eq!(keys, kept, "kept, {what}");
        }
        if numbers.below(5) == 0 {
            local = local.restart(new());
            assert_eq!(local.size().keys, keys, "restarted, {what}");
            let contents = local.contents().into_iter().flat_map(Chunks::into_rows);
            let mut shown = Table::new();
            for event in contents {
                match event {
                    Emitted::Open(row, diff) => *shown.entry(row).or_default() += diff,
                    other => panic!("{other:?} is no content"),
                }
            }
            assert_eq!(shown, open, "restarted, {what}");
        }
        newest = newest_now + numbers.below(4) as i64;
        watermark = watermark.max(newest_now - 8);
    }
    let is_bounded = options.least_ms.is_some() && options.most_ms.is_some();
    let has_results = !done.is_empty() || !is_bounded;
    assert!(late > 0 && has_results, "{options:?}, seed {seed} tests nothing");
    // Once the watermark is far ahead, nothing is kept of a side that is bounded.
    if is_bounded {
        local.close(vec![Paced::Watermark(Watermark::at(100_000))]);
        assert_eq!(local.size().keys, 0, "{options:?}, seed {seed}");
        let saved = local.saved().iter();
        let mut left: BTreeMap<_, isize> = BTreeMap::new();
        for row in saved {
            if let SavedJoin::Row(key, row, diff) = row {
                *left.entry((key, row)).or_default() += diff;
            }
        }
        left.retain(|_, times| *times != 0);
        assert!(left.is_empty(), "saved, and not gone: {left:?}");
    }
}

fn every_shape(options: Options, seed: u64) {
    run(options, Shape::inner, seed);
    run(options, Shape::left_outer, seed + 1);
    run(options, Shape::right_outer, seed + 2);
    run(options, Shape::full_outer, seed + 3);
    run(options, Shape::left_semi, seed + 4);
    run(options, Shape::left_anti, seed + 5);
}

#[test]
fn every_join_agrees_with_comparing_all_rows_through_restarts() {
    let bounds = [
        (Some(-3), Some(5)),
        (Some(2), Some(6)),
        (Some(-9), Some(-4)),
        (Some(0), Some(0)),
        (Some(1), None),
        (None, Some(-1)),
        (None, None),
    ];
    let late = [Late::Drop, Late::Correct { keep_ms: 7 }, Late::Hold { hold_ms: 7 }];
    let mut seed = 0;
    for (least_ms, most_ms) in bounds {
        for late in late {
            for with_conditions in [false, true] {
                let options = Options { least_ms, most_ms, late, with_conditions };
                every_shape(options, seed);
                seed += 10;
            }
        }
    }
}

#[test]
fn a_row_of_the_same_time_is_over_when_the_watermark_reaches_it() {
    let of = |bounds: Bounds, watermark| {
        let spec = JoinSpec::new(bounds, Shape::left_outer());
        let mut local = Local::new(EventJoin::<char, i64, i64, _>::new(spec));
        let rows = Paced::Rows(Chunks::loose(vec![('a', Side::Left((5_000, 1)))]));
        local.close(vec![rows, Paced::Watermark(Watermark::at(0))]);
        let closed = local.close(vec![Paced::Watermark(Watermark::at(watermark))]);
        (closed.len(), local.size().keys)
    };
    assert_eq!(of(Bounds::SAME_TIME, 4), (0, 1));
    assert_eq!(of(Bounds::SAME_TIME, 5), (1, 0));
    assert_eq!(of(Bounds::within(0..=0), 5), (0, 1));
    assert_eq!(of(Bounds::within(0..=0), 6), (1, 0));
}

#[test]
fn where_the_first_other_counts_a_row_that_finds_it_there_is_not_kept() {
    let spec = JoinSpec::new(Bounds::within(-5..=5), Shape::left_semi());
    let mut local = Local::new(EventJoin::<char, i64, i64, _>::new(spec));
    let mut close = |rows: Vec<(char, Side<(i64, i64), (i64, i64)>)>| {
        let rows = Paced::Rows(Chunks::loose(rows));
        let given = local.close(vec![rows, Paced::Watermark(Watermark::at(0))]);
        (given.into_iter().flat_map(Chunks::into_rows).count(), local.size().keys)
    };
    let (left, right) = (Side::Left((5_000, 1)), Side::Right((5_000, 2)));
    assert_eq!(close(vec![('a', right), ('a', left)]), (1, 2));
    assert_eq!(close(vec![('a', left)]), (1, 2));
    assert_eq!(close(vec![('a', right)]), (0, 3));
}

#[test]
fn a_side_without_a_watermark_is_never_late_and_the_other_one_waits_for_it() {
    let spec = JoinSpec::new(Bounds::within(0..=5), Shape::inner()).marked(true, false);
    let mut local = Local::new(EventJoin::<char, i64, i64, _>::new(spec));
    let mut close = |rows: Vec<(char, Side<(i64, i64), (i64, i64)>)>, watermark| {
        let rows = Paced::Rows(Chunks::loose(rows));
        let given = local.close(vec![rows, Paced::Watermark(Watermark::at(watermark))]);
        (given.into_iter().flat_map(Chunks::into_rows).collect::<Vec<_>>(), local.size().keys)
    };
    assert_eq!(close(vec![('a', Side::Left((5_000, 1)))], 0), (vec![], 1));
    // The right row is before the watermark: no left row can come that it meets.
    let pair = Emitted::Settled(('a', (5_000, (1, 2))));
    assert_eq!(close(vec![('a', Side::Right((7_000, 2)))], 90), (vec![pair], 1));
    assert_eq!(close(vec![('a', Side::Left((9_000, 3)))], 90), (vec![Emitted::Late(1)], 1));
}

#[test]
fn the_watermark_of_one_side_ends_both_where_the_time_is_part_of_the_key() {
    let spec = JoinSpec::new(Bounds::SAME_TIME, Shape::inner()).marked(true, false);
    let mut local = Local::new(EventJoin::<char, i64, i64, _>::new(spec));
    let mut close = |row: Side<(i64, i64), (i64, i64)>, watermark| {
        let rows = Paced::Rows(Chunks::loose(vec![('a', row)]));
        let given = local.close(vec![rows, Paced::Watermark(Watermark::at(watermark))]);
        (given.into_iter().flat_map(Chunks::into_rows).collect::<Vec<_>>(), local.size().keys)
    };
    let (left, right) = (Side::Left((5_000, 1)), Side::Right((5_000, 2)));
    assert_eq!(close(left, 4), (vec![], 1));
    assert_eq!(close(right, 4), (vec![Emitted::Settled(('a', (5_000, (1, 2))))], 2));
    // It is not late, but it can meet nothing any more.
    assert_eq!(close(right, 5), (vec![Emitted::Settled(('a', (5_000, (1, 2))))], 0));
    assert_eq!(close(right, 5), (vec![], 0));
    assert_eq!(close(left, 5), (vec![Emitted::Late(1)], 0));
}
