//! Streams: what is computed batch by batch.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::{Count, Max, Mean, Min, OrderedFloat, Record, Sum};

use super::check::stream;
use super::input::{Batch, Row};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::streams";
        rows_keep_the_order_of_partitions_and_offsets,
        a_count_is_one_row_for_every_batch,
        a_reduction_of_an_empty_batch_is_nothing,
        records_are_counted_by_value,
        aggregates_by_key_are_those_of_the_batch,
        a_group_has_its_values_in_the_order_of_the_stream,
        an_ordered_reduction_takes_values_in_the_order_of_the_stream,
        map_partitions_sees_every_partition_once,
        keyed_results_have_an_order_for_what_follows,
        windows_of_records_are_the_same_however_batches_are_cut,
        a_union_has_the_first_stream_first,
        what_has_joined_a_union_is_reduced_with_it,
    ]
}

fn last(batches: &[Batch]) -> &Batch {
    batches.last().expect("a batch")
}

/// The values of each key of some rows, in their order.
pub fn groups<K: Ord, V>(rows: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, Vec<V>> {
    let mut groups: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for (key, value) in rows {
        groups.entry(key).or_default().push(value);
    }
    groups
}

/// A row for each key of some rows.
pub fn by_group<V, E: Record>(
    rows: impl IntoIterator<Item = (String, V)>,
    of: impl Fn(Vec<V>) -> E,
) -> Vec<(String, E)> {
    groups(rows).into_iter().map(|(key, values)| (key, of(values))).collect()
}

pub fn wrapping_sum(values: impl IntoIterator<Item = i64>) -> i64 {
    values.into_iter().fold(0, i64::wrapping_add)
}

fn rows_keep_the_order_of_partitions_and_offsets() {
    let odd = |(_, value): &Row| value % 2 != 0;
    let twice = |(key, value): Row| [(value, key.clone()), (value, format!("{key}!"))];
    stream(
        10,
        move |rows| rows.filter(odd).flat_map(twice).map(|(value, key)| (key, value)),
        |batches| {
            let rows = last(batches).rows().into_iter().filter(odd);
            Some(rows.flat_map(twice).map(|(value, key)| (key, value)).collect())
        },
    );
}

fn a_count_is_one_row_for_every_batch() {
    stream(20, |rows| rows.count(), |batches| Some(vec![last(batches).rows().len() as i64]));
}

fn a_reduction_of_an_empty_batch_is_nothing() {
    stream(
        30,
        |rows| rows.map(|(_, value)| value).reduce(|a, b| a.wrapping_add(*b)),
        |batches| {
            let values = last(batches).rows().into_iter().map(|(_, value)| value);
            Some(values.reduce(i64::wrapping_add).into_iter().collect())
        },
    );
    stream(
        31,
        |rows| rows.aggregate(Max),
        |batches| Some(last(batches).rows().into_iter().max().into_iter().collect()),
    );
}

fn records_are_counted_by_value() {
    stream(
        40,
        |rows| rows.count_by_value(),
        |batches| {
            let rows = last(batches).rows().into_iter().map(|row| (row, ()));
            Some(groups(rows).into_iter().map(|(row, times)| (row, times.len() as i64)).collect())
        },
    );
}

fn aggregates_by_key_are_those_of_the_batch() {
    stream(
        50,
        |rows| rows.aggregate_by_key(Sum),
        |batches| Some(by_group(last(batches).rows(), wrapping_sum)),
    );
    stream(
        51,
        |rows| rows.aggregate_by_key(Count),
        |batches| Some(by_group(last(batches).rows(), |values| values.len() as i64)),
    );
    stream(
        52,
        |rows| rows.aggregate_by_key(Min),
        |batches| Some(by_group(last(batches).rows(), |values| *values.iter().min().expect("one"))),
    );
    stream(
        53,
        |rows| rows.reduce_by_key(|a, b| *a.max(b)),
        |batches| Some(by_group(last(batches).rows(), |values| *values.iter().max().expect("one"))),
    );
    stream(
        54,
        |rows| rows.aggregate_by_key(Mean),
        |batches| {
            Some(by_group(last(batches).rows(), |values| {
                let count = values.len() as f64;
                OrderedFloat(wrapping_sum(values) as f64 / count)
            }))
        },
    );
}

fn a_group_has_its_values_in_the_order_of_the_stream() {
    stream(
        60,
        |rows| rows.group_by_key(),
        |batches| Some(groups(last(batches).rows()).into_iter().collect()),
    );
}

fn an_ordered_reduction_takes_values_in_the_order_of_the_stream() {
    stream(
        70,
        |rows| {
            let texts = rows.map_values(|value| value.to_string());
            texts.in_order().reduce_by_key(|a, b| format!("{a} {b}"))
        },
        |batches| {
            Some(by_group(last(batches).rows(), |values| {
                values.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
            }))
        },
    );
}

fn windows_of_records_are_the_same_however_batches_are_cut() {
    for (length, slide) in [(1, 1), (2, 2), (3, 2), (2, 5)] {
        stream(
            75,
            move |rows| rows.count_window_by_key(length, slide),
            move |batches| {
                let before: usize =
                    batches[..batches.len() - 1].iter().map(|b| b.rows().len()).sum();
                let rows = batches.iter().flat_map(Batch::rows).enumerate();
                let mut windows = Vec::new();
                for (key, values) in groups(rows.map(|(at, (key, value))| (key, (at, value)))) {
                    for (at, (place, _)) in values.iter().enumerate() {
                        if (at + 1).is_multiple_of(slide as usize) && *place >= before {
                            let from = (at + 1).saturating_sub(length);
                            let window = values[from..=at].iter().map(|(_, value)| *value);
                            windows.push((key.clone(), window.collect::<Vec<_>>()));
                        }
                    }
                }
                windows.sort();
                Some(windows)
            },
        );
    }
}

fn map_partitions_sees_every_partition_once() {
    stream(
        80,
        |rows| rows.map_partitions(|rows: Vec<Row>| [(rows.len() as i64, rows)]),
        |batches| {
            let partitions = last(batches).partitions.iter();
            Some(partitions.map(|rows| (rows.len() as i64, rows.clone())).collect())
        },
    );
}

fn keyed_results_have_an_order_for_what_follows() {
    // Rows that have an order by themselves lose it where they become others: then the order is
    // that of key groups, the same on any number of workers; as a multiset it must be right.
    stream(
        90,
        |rows| {
            let shouted = rows.count_by_value().map(|((key, value), n)| (key, (value, n)));
            shouted.group_by_key().map_values(|mut values| {
                values.sort();
                values
            })
        },
        |batches| {
            let rows = last(batches).rows().into_iter().map(|row| (row, ()));
            let counts = groups(rows).into_iter();
            let pairs = counts.map(|((key, value), times)| (key, (value, times.len() as i64)));
            Some(by_group(pairs, |values| values))
        },
    );
}

fn a_union_has_the_first_stream_first() {
    let other = |(key, value): Row| (format!("{key}'"), value);
    stream(
        100,
        move |rows| {
            let negative = rows.clone().filter(|(_, value)| *value < 0);
            rows.clone().map(other).union(rows).union(negative)
        },
        |batches| {
            let rows = last(batches).rows();
            let negative = rows.clone().into_iter().filter(|(_, value)| *value < 0);
            let others = rows.clone().into_iter().map(other);
            Some(others.chain(rows).chain(negative).collect())
        },
    );
}

fn what_has_joined_a_union_is_reduced_with_it() {
    stream(
        110,
        |rows| {
            let counts = rows.clone().count_by_value().map(|((key, _), n)| (key, n));
            rows.union(counts).aggregate_by_key(Sum)
        },
        |batches| {
            let rows = last(batches).rows();
            let counted = groups(rows.iter().cloned().map(|row| (row, ()))).into_iter();
            let counts = counted.map(|((key, _), times)| (key, times.len() as i64));
            Some(by_group(rows.clone().into_iter().chain(counts), wrapping_sum))
        },
    );
}
