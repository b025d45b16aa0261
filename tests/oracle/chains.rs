//! Tables of tables: what comes in is retracted again.

use libtest_mimic::Trial;
use tidegate::{Aggregate, Count, Max, Mean, Min, OrderedFloat, Sum};

use super::check::{by_key, table};
use super::input::Row;
use super::streams::{by_group, groups, wrapping_sum};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::chains";
        a_table_of_counts_is_counted_again,
        counts_are_summed_under_another_key,
        means_of_counts_follow_their_retractions,
        the_largest_count_falls_when_its_key_goes,
        a_user_s_aggregate_follows_retractions,
        a_table_is_counted_and_reduced_as_a_whole,
        rows_that_are_filtered_and_mapped_cancel_where_they_meet,
        a_flat_mapped_table_has_rows_many_times,
        a_union_of_tables_has_the_rows_of_both,
        values_are_mapped_under_their_keys,
        an_aggregate_of_an_aggregate_of_an_aggregate,
    ]
}

/// How often each row occurs.
fn counts(rows: &[Row]) -> Vec<(Row, i64)> {
    let counts = groups(rows.iter().cloned().map(|row| (row, ())));
    counts.into_iter().map(|(row, times)| (row, times.len() as i64)).collect()
}

/// The number of occurrences of each of a key's values.
fn counts_by_key(rows: &[Row]) -> Vec<(String, i64)> {
    counts(rows).into_iter().map(|((key, _), count)| (key, count)).collect()
}

fn a_table_of_counts_is_counted_again() {
    table(
        500,
        by_key,
        |window| window.count_by_value().map(|(_, count)| count).count_by_value(),
        |rows| {
            let spread = groups(counts(rows).into_iter().map(|(_, count)| (count, ())));
            spread.into_iter().map(|(count, times)| (count, times.len() as i64)).collect()
        },
    );
}

fn counts_are_summed_under_another_key() {
    table(
        510,
        by_key,
        |window| {
            let counts = window.count_by_value().map(|((key, _), count)| (key, count));
            counts.aggregate_by_key(Sum)
        },
        |rows| by_group(counts_by_key(rows), wrapping_sum),
    );
    // Sums of both signs, which may come to 0 while there are rows.
    table(
        515,
        by_key,
        |window| {
            let sums = window.aggregate_by_key(Sum);
            sums.map(|(key, sum)| (key.len() as u64, sum)).aggregate_by_key(Sum)
        },
        |rows| {
            let sums = by_group(rows.to_vec(), wrapping_sum).into_iter();
            let by_length = groups(sums.map(|(key, sum)| (key.len() as u64, sum)));
            by_length.into_iter().map(|(length, sums)| (length, wrapping_sum(sums))).collect()
        },
    );
}

fn means_of_counts_follow_their_retractions() {
    table(
        520,
        by_key,
        |window| {
            let counts = window.count_by_value().map(|((key, _), count)| (key, count));
            counts.aggregate_by_key(Mean)
        },
        |rows| {
            by_group(counts_by_key(rows), |counts| {
                let number = counts.len() as f64;
                OrderedFloat(counts.into_iter().sum::<i64>() as f64 / number)
            })
        },
    );
}

fn the_largest_count_falls_when_its_key_goes() {
    table(
        530,
        by_key,
        |window| {
            let counts = window.count_by_value().map(|((key, _), count)| (key, count));
            counts.aggregate_by_key(Max)
        },
        |rows| by_group(counts_by_key(rows), |counts| *counts.iter().max().expect("one")),
    );
    table(
        535,
        by_key,
        |window| {
            let rows = window.table().key_by(|(_, value)| value % 2);
            rows.map_values(|(key, _)| key).aggregate_by_key(Min)
        },
        |rows| {
            let pairs = rows.iter().map(|(key, value)| (value % 2, key.clone()));
            let keys = groups(pairs).into_iter();
            keys.map(|(rest, keys)| (rest, keys.into_iter().min().expect("one"))).collect()
        },
    );
}

/// The distance between the smallest and the largest value, and the number of values.
#[derive(Clone)]
struct Spread;

impl Aggregate<i64> for Spread {
    type Acc = (i64, i64);
    type Out = (i64, i64);

    fn lift(&self, value: i64) -> (i64, i64) {
        (value, value)
    }

    fn merge(&self, acc: &mut (i64, i64), other: (i64, i64)) {
        *acc = (acc.0.min(other.0), acc.1.max(other.1));
    }

    fn finish(&self, records: i64, acc: &(i64, i64)) -> (i64, i64) {
        (acc.1.wrapping_sub(acc.0), records)
    }
}

fn spread(values: Vec<i64>) -> (i64, i64) {
    let (least, most) = (values.iter().min().expect("one"), values.iter().max().expect("one"));
    (most.wrapping_sub(*least), values.len() as i64)
}

fn a_user_s_aggregate_follows_retractions() {
    table(
        540,
        by_key,
        |window| window.table().aggregate_by_key(Spread),
        |rows| by_group(rows.to_vec(), spread),
    );
    table(
        545,
        by_key,
        |window| window.table().reduce_by_key(|a, b| *a.max(b)),
        |rows| by_group(rows.to_vec(), |values| *values.iter().max().expect("one")),
    );
}

fn a_table_is_counted_and_reduced_as_a_whole() {
    table(
        550,
        Ord::cmp,
        |window| window.count_by_value().count(),
        |rows| Some(counts(rows).len() as i64).filter(|count| *count > 0).into_iter().collect(),
    );
    table(
        555,
        Ord::cmp,
        |window| window.table().reduce(|a, b| a.max(b).clone()),
        |rows| rows.iter().max().cloned().into_iter().collect(),
    );
}

fn rows_that_are_filtered_and_mapped_cancel_where_they_meet() {
    // A count that goes from 2 to 3 changes nothing once it is halved.
    table(
        560,
        Ord::cmp,
        |window| {
            let counts = window.count_by_value().filter(|(_, count)| *count != 1);
            counts.map(|((key, _), count)| (key, count / 2))
        },
        |rows| {
            let often = counts(rows).into_iter().filter(|(_, count)| *count != 1);
            often.map(|((key, _), count)| (key, count / 2)).collect()
        },
    );
}

fn a_flat_mapped_table_has_rows_many_times() {
    table(
        570,
        Ord::cmp,
        |window| {
            let sums = window.aggregate_by_key(Sum);
            sums.flat_map(|(key, sum)| vec![key; sum.rem_euclid(3) as usize])
        },
        |rows| {
            let sums = by_group(rows.to_vec(), wrapping_sum).into_iter();
            sums.flat_map(|(key, sum)| vec![key; sum.rem_euclid(3) as usize]).collect()
        },
    );
}

fn a_union_of_tables_has_the_rows_of_both() {
    table(
        580,
        by_key,
        |window| {
            let table = window.table();
            let zeroes = table.clone().map(|(key, _)| (key, 0));
            let union = table.clone().union(zeroes).union(table);
            union.aggregate_by_key(Count)
        },
        |rows| by_group(rows.to_vec(), |values| 3 * values.len() as i64),
    );
    table(
        585,
        Ord::cmp,
        |window| {
            let sums = window.aggregate_by_key(Sum);
            sums.clone().filter(|(_, sum)| *sum > 0).union(sums)
        },
        |rows| {
            let sums = by_group(rows.to_vec(), wrapping_sum);
            let positive = sums.clone().into_iter().filter(|(_, sum)| *sum > 0);
            positive.chain(sums.clone()).collect()
        },
    );
}

fn values_are_mapped_under_their_keys() {
    table(
        590,
        by_key,
        |window| {
            let signs = window.aggregate_by_key(Sum).map_values(i64::signum);
            signs.flat_map_values(|sign| vec![sign; 1 + sign.unsigned_abs() as usize])
        },
        |rows| {
            let sums = by_group(rows.to_vec(), wrapping_sum).into_iter();
            let times = |sign: i64| vec![sign; 1 + sign.unsigned_abs() as usize];
            let each = sums.map(|(key, sum)| (key, times(sum.signum())));
            each.flat_map(|(key, signs)| signs.into_iter().map(move |sign| (key.clone(), sign)))
                .collect()
        },
    );
}

fn an_aggregate_of_an_aggregate_of_an_aggregate() {
    table(
        595,
        by_key,
        |window| {
            let counts = window.count_by_value().map(|((key, _), count)| (key, count));
            let largest = counts.aggregate_by_key(Max);
            largest.map(|(_, count)| (count % 2, count)).aggregate_by_key(Min).map_values(|n| -n)
        },
        |rows| {
            let largest =
                by_group(counts_by_key(rows), |counts| *counts.iter().max().expect("one"));
            let by_rest = groups(largest.into_iter().map(|(_, count)| (count % 2, count)));
            let least = |counts: Vec<i64>| counts.into_iter().min().expect("one");
            by_rest.into_iter().map(|(rest, counts)| (rest, -least(counts))).collect()
        },
    );
}
