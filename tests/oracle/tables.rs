//! Aggregates over windows, sliding ones and running ones, as tables: snapshots and changes.

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::{Aggregate, Count, Departed, Max, Mean, Min, OrderedFloat, Reduce, Sum};

use super::check::{
    WINDOWS, WORKERS, by_key, config, drive, expectations, inside, same, slide, table, windowed,
};
use super::input::{Batch, Input, Row};
use super::streams::{by_group, groups, wrapping_sum};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::tables";
        a_window_is_a_table_of_its_rows,
        values_are_counted,
        sums_and_counts_by_key_follow_the_window,
        means_by_key_follow_the_window,
        smallest_and_largest_by_key_follow_the_window,
        a_reduction_by_key_follows_the_window,
        a_reduction_with_an_inverse_is_one_without,
        sums_of_floats_are_exact_whatever_left_the_window,
        an_aggregate_of_ones_own_that_subtracts,
        an_aggregate_of_ones_own_that_does_not_subtract,
        departed_keys_stay_if_told_to,
    ]
}

fn a_window_is_a_table_of_its_rows() {
    table(300, Ord::cmp, |window| window.table(), |rows| rows.to_vec());
}

fn values_are_counted() {
    table(
        310,
        by_key,
        |window| window.count_by_value(),
        |rows| {
            let values = groups(rows.iter().cloned().map(|row| (row, ())));
            values.into_iter().map(|(row, times)| (row, times.len() as i64)).collect()
        },
    );
}

fn sums_and_counts_by_key_follow_the_window() {
    // Values cancel: a sum of 0 is a row, and a key without records is none.
    table(
        320,
        by_key,
        |window| window.aggregate_by_key(Sum),
        |rows| by_group(rows.to_vec(), wrapping_sum),
    );
    table(
        330,
        by_key,
        |window| window.aggregate_by_key(Count),
        |rows| by_group(rows.to_vec(), |values| values.len() as i64),
    );
}

fn means_by_key_follow_the_window() {
    table(
        340,
        by_key,
        |window| window.aggregate_by_key(Mean),
        |rows| {
            by_group(rows.to_vec(), |values| {
                let count = values.len() as f64;
                OrderedFloat(wrapping_sum(values) as f64 / count)
            })
        },
    );
}

fn smallest_and_largest_by_key_follow_the_window() {
    table(
        350,
        by_key,
        |window| window.aggregate_by_key(Min),
        |rows| by_group(rows.to_vec(), |values| *values.iter().min().expect("one value")),
    );
    table(
        360,
        by_key,
        |window| window.aggregate_by_key(Max),
        |rows| by_group(rows.to_vec(), |values| *values.iter().max().expect("one value")),
    );
}

fn a_reduction_by_key_follows_the_window() {
    table(
        370,
        by_key,
        |window| window.reduce_by_key(|a, b| a.wrapping_add(*b)),
        |rows| by_group(rows.to_vec(), wrapping_sum),
    );
}

fn a_reduction_with_an_inverse_is_one_without() {
    table(
        380,
        by_key,
        |window| {
            let sum = Reduce::new(|a: &i64, b: &i64| a.wrapping_add(*b));
            window.aggregate_by_key(sum.with_inverse(|a, b| a.wrapping_sub(*b)))
        },
        |rows| by_group(rows.to_vec(), wrapping_sum),
    );
}

/// Floats of very different size, each a whole number of eighths.
fn eighths(value: i64) -> i128 {
    match value.rem_euclid(4) {
        0 => 1,
        1 => -7,
        2 => 1 << 70,
        _ => -(1 << 66),
    }
}

fn sums_of_floats_are_exact_whatever_left_the_window() {
    fn floats(input: &Input, window: super::check::Window, workers: usize) {
        let expected = expectations(input, |batches| {
            let rows = inside(batches, window).flat_map(Batch::rows);
            let sums = by_group(rows, |values| {
                let sum: i128 = values.into_iter().map(eighths).sum();
                // Rounded once, at the end.
                OrderedFloat(sum as f64 / 8.0)
            });
            batches.last().expect("a batch").has_output(slide(window)).then_some(sums)
        });
        for strategy in super::check::STRATEGIES {
            let output = Memory::new();
            let sink = output.clone();
            drive(input, config(workers, strategy), move |rows| {
                let floats = rows.map_values(|value| OrderedFloat(eighths(value) as f64 / 8.0));
                let floats = match window {
                    None => floats.running(),
                    Some((length, slide)) => floats
                        .window(tidegate::Span::batches(length), tidegate::Span::batches(slide)),
                };
                floats.aggregate_by_key(Sum).snapshots().sink(sink.clone());
            });
            let what = format!("{strategy}, {workers} workers, window {window:?}");
            same(input, &what, &output.batches(), &expected);
        }
    }
    for (number, window) in WINDOWS.into_iter().enumerate() {
        let input = Input::random(390 + number as u64, 16, 2);
        floats(&input, window, WORKERS[number % WORKERS.len()]);
    }
}

/// The number of values and the sum of their squares.
#[derive(Clone)]
struct Squares;

impl Aggregate<i64> for Squares {
    type Acc = i64;
    type Out = (i64, i64);
    const SUBTRACTS: bool = true;

    fn lift(&self, value: i64) -> i64 {
        value.wrapping_mul(value)
    }

    fn merge(&self, acc: &mut i64, other: i64) {
        *acc = acc.wrapping_add(other);
    }

    fn unmerge(&self, acc: &mut i64, other: i64) {
        *acc = acc.wrapping_sub(other);
    }

    fn finish(&self, records: i64, acc: &i64) -> (i64, i64) {
        (records, *acc)
    }
}

fn an_aggregate_of_ones_own_that_subtracts() {
    table(
        400,
        by_key,
        |window| window.aggregate_by_key(Squares),
        |rows| {
            by_group(rows.to_vec(), |values| {
                let squares = values.iter().map(|value| value.wrapping_mul(*value));
                (values.len() as i64, wrapping_sum(squares))
            })
        },
    );
}

/// Smallest and largest value, and how many there are.
#[derive(Clone)]
struct Spread;

impl Aggregate<i64> for Spread {
    type Acc = (i64, i64);
    type Out = (i64, i64, i64);

    fn lift(&self, value: i64) -> (i64, i64) {
        (value, value)
    }

    fn merge(&self, acc: &mut (i64, i64), other: (i64, i64)) {
        *acc = (acc.0.min(other.0), acc.1.max(other.1));
    }

    fn finish(&self, records: i64, acc: &(i64, i64)) -> (i64, i64, i64) {
        (acc.0, acc.1, records)
    }
}

fn an_aggregate_of_ones_own_that_does_not_subtract() {
    table(
        410,
        by_key,
        |window| window.aggregate_by_key(Spread),
        |rows| {
            by_group(rows.to_vec(), |values| {
                let (least, most) = (values.iter().min(), values.iter().max());
                (*least.expect("one value"), *most.expect("one value"), values.len() as i64)
            })
        },
    );
}

fn departed_keys_stay_if_told_to() {
    // Spark's inverse window: once seen, a key stays, with what the inverse function leaves.
    for (number, window) in WINDOWS.into_iter().enumerate() {
        let input = Input::random(420 + number as u64, 16, 2);
        let expected = expectations(&input, |batches| {
            let now = batches.last().expect("a batch");
            let values = |rows: Vec<Row>| groups(rows);
            let current = values(inside(batches, window).flat_map(Batch::rows).collect());
            // Whoever was in the window at any output is still there.
            let seen = (1..=batches.len()).flat_map(|count| {
                inside(&batches[..count], window).flat_map(Batch::rows).collect::<Vec<_>>()
            });
            let rows = values(seen.collect()).into_keys().map(|key| {
                let sum = wrapping_sum(current.get(&key).cloned().unwrap_or_default());
                (key, sum)
            });
            now.has_output(slide(window)).then(|| rows.collect())
        });
        for workers in WORKERS {
            let output = Memory::new();
            let sink = output.clone();
            drive(&input, config(workers, tidegate::Strategy::HashIndex), move |rows| {
                let window = windowed(rows, window).departed(Departed::Keep);
                let sum = Reduce::new(|a: &i64, b: &i64| a.wrapping_add(*b));
                let sums = window.aggregate_by_key(sum.with_inverse(|a, b| a.wrapping_sub(*b)));
                sums.snapshots().sink(sink.clone());
            });
            let what = format!("departed keys, {workers} workers, window {window:?}");
            same(&input, &what, &output.batches(), &expected);
        }
    }
}
