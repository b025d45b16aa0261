//! Two streams joined batch by batch, a stream beside a table, and partitions dealt anew.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::source::Queue;
use tidegate::{Accumulator, Broadcast, DStream, Local, Record, Strategy, Sum};

use super::check::{config, stream};
use super::input::{Batch, Input, Row};
use super::streams::groups;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::batch_joins";
        values_are_grouped_by_stream_and_key,
        joins_pair_all_values_of_a_key_in_a_batch,
        what_was_joined_is_joined_again,
        records_are_beside_the_table_as_of_their_batch,
        records_are_beside_what_a_window_holds,
        values_are_combined_by_partition_and_then_in_order,
        records_are_dealt_to_partitions_in_turn,
        a_broadcast_value_is_the_same_on_all_workers,
        an_accumulator_has_the_same_total_on_any_number_of_workers,
    ]
}

/// The last batch of a run.
fn last(batches: &[Batch]) -> &Batch {
    batches.last().expect("a batch")
}

fn left(rows: DStream<'_, Row>) -> DStream<'_, Row> {
    rows.filter(|(_, value)| *value >= 0)
}

fn right(rows: DStream<'_, Row>) -> DStream<'_, (String, String)> {
    rows.filter(|(_, value)| *value <= 0).map_values(|value| format!("{value}!"))
}

type Both = BTreeMap<String, (Vec<i64>, Vec<String>)>;

/// The values of both streams by key, in their order.
fn both(batch: &Batch) -> Both {
    let mut both = Both::new();
    for (key, value) in batch.rows() {
        if value >= 0 {
            both.entry(key.clone()).or_default().0.push(value);
        }
        if value <= 0 {
            both.entry(key).or_default().1.push(format!("{value}!"));
        }
    }
    both
}

fn values_are_grouped_by_stream_and_key() {
    stream(
        1010,
        |rows| left(rows.clone()).cogroup(right(rows)),
        |batches| Some(both(last(batches)).into_iter().collect()),
    );
}

/// A join of the last batch: `ours` and `theirs` say whether a value without a partner stays.
fn joined(
    batches: &[Batch],
    ours: bool,
    theirs: bool,
) -> Vec<(String, (Option<i64>, Option<String>))> {
    let mut rows = Vec::new();
    for (key, (left, right)) in both(last(batches)) {
        for value in &left {
            rows.extend(
                right.iter().map(|other| (key.clone(), (Some(*value), Some(other.clone())))),
            );
            if right.is_empty() && ours {
                rows.push((key.clone(), (Some(*value), None)));
            }
        }
        if left.is_empty() && theirs {
            rows.extend(right.into_iter().map(|other| (key.clone(), (None, Some(other)))));
        }
    }
    rows.sort();
    rows
}

/// Rows of other types, which are sorted as they are, not as their model is.
fn as_model<A: Record, B: Record>(
    rows: Vec<(String, (Option<i64>, Option<String>))>,
    of: impl Fn(Option<i64>, Option<String>) -> (A, B),
) -> Option<Vec<(String, (A, B))>> {
    let mut rows: Vec<_> =
        rows.into_iter().map(|(key, (value, other))| (key, of(value, other))).collect();
    rows.sort();
    Some(rows)
}

fn joins_pair_all_values_of_a_key_in_a_batch() {
    stream(
        1020,
        |rows| left(rows.clone()).join(right(rows)),
        |batches| as_model(joined(batches, false, false), |a, b| (a.unwrap(), b.unwrap())),
    );
    stream(
        1021,
        |rows| left(rows.clone()).left_outer_join(right(rows)),
        |batches| as_model(joined(batches, true, false), |a, b| (a.unwrap(), b)),
    );
    stream(
        1022,
        |rows| left(rows.clone()).right_outer_join(right(rows)),
        |batches| as_model(joined(batches, false, true), |a, b| (a, b.unwrap())),
    );
    stream(
        1023,
        |rows| left(rows.clone()).full_outer_join(right(rows)),
        |batches| as_model(joined(batches, true, true), |a, b| (a, b)),
    );
}

fn what_was_joined_is_joined_again() {
    stream(
        1030,
        |rows| {
            let counts = rows.clone().keys().count_by_value();
            left(rows.clone()).join(right(rows)).map_values(|(value, _)| value).join(counts)
        },
        |batches| {
            let counts = groups(last(batches).rows());
            let rows = joined(batches, false, false).into_iter().map(|(key, (value, _))| {
                let count = counts[&key].len() as i64;
                (key, (value.unwrap(), count))
            });
            let mut rows: Vec<_> = rows.collect();
            rows.sort();
            Some(rows)
        },
    );
}

fn records_are_beside_the_table_as_of_their_batch() {
    stream(
        1040,
        |rows| {
            let largest = rows.clone().running().aggregate_by_key(tidegate::Max);
            rows.enrich(largest)
        },
        |batches| {
            let so_far = groups(batches.iter().flat_map(Batch::rows));
            let rows = last(batches).rows().into_iter();
            let mut rows: Vec<_> = rows
                .map(|(key, value)| {
                    let largest = so_far[&key].iter().max().copied();
                    (key, (value, largest.into_iter().collect::<Vec<_>>()))
                })
                .collect();
            rows.sort();
            Some(rows)
        },
    );
}

fn records_are_beside_what_a_window_holds() {
    // Rows come and go, and a key may have several, or none.
    let window = Some((3, 1));
    stream(
        1050,
        move |rows| {
            let held = super::check::windowed(rows.clone().filter(|(_, v)| v % 2 == 0), window);
            rows.enrich(held.table())
        },
        move |batches| {
            let inside = super::check::inside(batches, window).flat_map(Batch::rows);
            let held = groups(inside.filter(|(_, value)| value % 2 == 0));
            let rows = last(batches).rows().into_iter();
            let mut rows: Vec<_> = rows
                .map(|(key, value)| {
                    let mut values = held.get(&key).cloned().unwrap_or_default();
                    values.sort_unstable();
                    (key, (value, values))
                })
                .collect();
            rows.sort();
            Some(rows)
        },
    );
}

fn values_are_combined_by_partition_and_then_in_order() {
    stream(
        1060,
        |rows| {
            rows.combine_by_key(
                |value| vec![vec![value]],
                |lists, value| lists[0].push(value),
                Vec::append,
            )
        },
        |batches| {
            let partitions = last(batches).partitions.iter();
            let lists = partitions.flat_map(|rows| groups(rows.iter().cloned()));
            Some(groups(lists).into_iter().collect())
        },
    );
}

fn a_broadcast_value_is_the_same_on_all_workers() {
    for workers in [1, 2, 4] {
        let input = Input::random(1080, 14, 3);
        let (value, output) = (Broadcast::new(0), Memory::new());
        let (given, sink) = (value.clone(), output.clone());
        let rows = Queue::<Row>::new(3);
        let source = rows.clone();
        let config = config(workers, Strategy::HashIndex);
        let mut local = Local::start(config, move |ctx| {
            let rows = ctx.source(source.clone());
            rows.map_with(&given, |row, value| (row, *value)).sink(sink.clone());
        })
        .expect("the program can run");
        let mut expected = Vec::new();
        for (number, batch) in (0i64..).zip(&input.batches) {
            // Set twice before a batch, or not at all.
            (0..number % 3).for_each(|more| value.set(10 * number + more));
            let now = value_at(number);
            for (partition, part) in batch.partitions.iter().enumerate() {
                rows.push_to(partition as u32, part.iter().cloned());
            }
            local.tick();
            expected.push(batch.rows().into_iter().map(|row| (row, now)).collect::<Vec<_>>());
        }
        local.stop().expect("the job ends well");
        assert_eq!(output.rows(), expected, "{workers} workers, seed {}", input.seed);
    }
}

/// What was set last before a batch.
fn value_at(number: i64) -> i64 {
    let set = (0..=number).rev().find(|number| number % 3 > 0);
    set.map_or(0, |number| 10 * number + number % 3 - 1)
}

fn an_accumulator_has_the_same_total_on_any_number_of_workers() {
    for workers in [1, 2, 4, 8] {
        let (input, total) = (Input::random(1090, 14, 3), Accumulator::new());
        let sum = total.clone();
        assert_eq!(total.value(), None);
        super::check::drive(&input, config(workers, Strategy::HashIndex), move |rows| {
            rows.values().map(|value| value % 100).accumulate(Sum, &sum);
        });
        let values = input.batches.iter().flat_map(Batch::rows).map(|(_, value)| value % 100);
        assert_eq!(total.value(), Some(values.sum()), "{workers} workers");
    }
}

fn records_are_dealt_to_partitions_in_turn() {
    for partitions in [1u32, 2, 5] {
        stream(
            1070,
            move |rows| rows.repartition(partitions).glom(),
            move |batches| {
                let mut dealt = vec![Vec::new(); partitions as usize];
                for (number, rows) in last(batches).partitions.iter().enumerate() {
                    for (position, row) in rows.iter().enumerate() {
                        dealt[(number + position) % partitions as usize].push(row.clone());
                    }
                }
                Some(dealt)
            },
        );
    }
}
