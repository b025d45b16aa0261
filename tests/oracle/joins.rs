//! Joins of tables against nested loops over the rows.

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::{Span, Sum, Table};

use super::check::{STRATEGIES, WORKERS, by_key, config, drive, expectations, inside, same, table};
use super::input::{Batch, Input, Row};
use super::streams::{by_group, wrapping_sum};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::joins";
        pairs_of_all_values_under_a_key,
        rows_without_a_partner_stand_alone_on_the_left,
        rows_without_a_partner_stand_alone_on_the_right,
        rows_without_a_partner_stand_alone_on_both_sides,
        rows_whose_key_is_there,
        rows_whose_key_is_not_there,
        a_table_joins_itself,
        joins_follow_one_another,
        pairs_within_an_interval,
        each_row_with_the_latest_of_the_other_side,
        windows_of_different_lengths_meet,
        a_shared_index_is_built_once,
    ]
}

/// The even values, each key's on the left; the odd ones, to whatever was the sign, on the right.
fn left(row: &Row) -> bool {
    row.1 % 2 == 0
}

fn sides<'s>(rows: Table<'s, Row>) -> (Table<'s, Row>, Table<'s, Row>) {
    (rows.clone().filter(left), rows.filter(|row| !left(row)))
}

fn halves(rows: &[Row]) -> (Vec<Row>, Vec<Row>) {
    rows.iter().cloned().partition(left)
}

type Pair = (String, (Option<i64>, Option<i64>));

/// The pairs of the nested loop, and the rows of either side that are in none.
fn nested_loop(lefts: &[Row], rights: &[Row]) -> (Vec<Pair>, Vec<Pair>, Vec<Pair>) {
    let mut pairs = Vec::new();
    for (key, value) in lefts {
        for (_, other) in rights.iter().filter(|(other, _)| other == key) {
            pairs.push((key.clone(), (Some(*value), Some(*other))));
        }
    }
    let without = |rows: &[Row], others: &[Row]| {
        let keys: BTreeSet<&String> = others.iter().map(|(key, _)| key).collect();
        rows.iter().filter(|(key, _)| !keys.contains(key)).cloned().collect::<Vec<_>>()
    };
    let lefts_alone = without(lefts, rights).into_iter().map(|(key, v)| (key, (Some(v), None)));
    let rights_alone = without(rights, lefts).into_iter().map(|(key, v)| (key, (None, Some(v))));
    (pairs, lefts_alone.collect(), rights_alone.collect())
}

fn both((key, (left, right)): Pair) -> (String, (i64, i64)) {
    (key, (left.expect("a left value"), right.expect("a right value")))
}

fn pairs_of_all_values_under_a_key() {
    table(
        800,
        by_key,
        |window| {
            let (lefts, rights) = sides(window.table());
            lefts.join(rights)
        },
        |rows| {
            let (lefts, rights) = halves(rows);
            nested_loop(&lefts, &rights).0.into_iter().map(both).collect()
        },
    );
}

fn rows_without_a_partner_stand_alone_on_the_left() {
    table(
        810,
        by_key,
        |window| {
            let (lefts, rights) = sides(window.table());
            lefts.left_outer_join(rights)
        },
        |rows| {
            let (lefts, rights) = halves(rows);
            let (pairs, alone, _) = nested_loop(&lefts, &rights);
            let rows = pairs.into_iter().chain(alone);
            rows.map(|(key, (left, right))| (key, (left.expect("a left value"), right))).collect()
        },
    );
}

fn rows_without_a_partner_stand_alone_on_the_right() {
    table(
        820,
        by_key,
        |window| {
            let (lefts, rights) = sides(window.table());
            lefts.right_outer_join(rights)
        },
        |rows| {
            let (lefts, rights) = halves(rows);
            let (pairs, _, alone) = nested_loop(&lefts, &rights);
            let rows = pairs.into_iter().chain(alone);
            rows.map(|(key, (left, right))| (key, (left, right.expect("a right value")))).collect()
        },
    );
}

fn rows_without_a_partner_stand_alone_on_both_sides() {
    table(
        830,
        by_key,
        |window| {
            let (lefts, rights) = sides(window.table());
            lefts.full_outer_join(rights)
        },
        |rows| {
            let (lefts, rights) = halves(rows);
            let (pairs, lefts, rights) = nested_loop(&lefts, &rights);
            [pairs, lefts, rights].concat()
        },
    );
}

fn rows_whose_key_is_there() {
    table(
        840,
        by_key,
        |window| {
            let (lefts, rights) = sides(window.table());
            lefts.semi_join(rights)
        },
        |rows| {
            let (mut lefts, rights) = halves(rows);
            lefts.retain(|(key, _)| rights.iter().any(|(other, _)| other == key));
            lefts
        },
    );
}

fn rows_whose_key_is_not_there() {
    table(
        850,
        by_key,
        |window| {
            let (lefts, rights) = sides(window.table());
            lefts.anti_join(rights)
        },
        |rows| {
            let (mut lefts, rights) = halves(rows);
            lefts.retain(|(key, _)| rights.iter().all(|(other, _)| other != key));
            lefts
        },
    );
}

fn a_table_joins_itself() {
    table(
        860,
        by_key,
        |window| {
            let rows = window.table().arranged_by_key();
            rows.join(&rows)
        },
        |rows| nested_loop(rows, rows).0.into_iter().map(both).collect(),
    );
}

fn joins_follow_one_another() {
    // The odd values whose key has an even one, with the sum of those, if it is not negative.
    table(
        870,
        by_key,
        |window| {
            let (lefts, rights) = sides(window.table());
            let sums = lefts.clone().aggregate_by_key(Sum).filter(|(_, sum)| *sum >= 0);
            rights.semi_join(lefts).left_outer_join(sums)
        },
        |rows| {
            let (lefts, rights) = halves(rows);
            let sums = by_group(lefts, wrapping_sum);
            let sum = |key: &str| sums.iter().find(|(other, _)| other == key).map(|(_, sum)| *sum);
            let rows = rights.into_iter().filter_map(|(key, value)| {
                let sum = sum(&key)?;
                Some((key, (value, Some(sum).filter(|sum| *sum >= 0))))
            });
            rows.collect()
        },
    );
}

fn pairs_within_an_interval() {
    for (number, bounds) in [0..=0, -1..=2, 3..=4, i64::MIN..=0].into_iter().enumerate() {
        let (least, most) = (i128::from(*bounds.start()), i128::from(*bounds.end()));
        table(
            880 + 10 * number as u64,
            by_key,
            move |window| {
                let timed = window.table().map_values(|value| (value, value % 2));
                timed.clone().interval_join(timed, bounds.clone())
            },
            move |rows| {
                let pairs = nested_loop(rows, rows).0.into_iter().map(both);
                let timed = |value: i64| (value, value % 2);
                let pairs = pairs.filter(|(_, (from, to))| {
                    (least..=most).contains(&(i128::from(*to) - i128::from(*from)))
                });
                pairs.map(|(key, (from, to))| (key, (timed(from), timed(to)))).collect()
            },
        );
    }
}

fn each_row_with_the_latest_of_the_other_side() {
    // A value is its own time, or stands for the time beside it.
    let timed = |row: &Row| (row.1.div_euclid(2), row.1);
    table(
        925,
        by_key,
        move |window| {
            let (lefts, rights) = sides(window.table());
            let lefts = lefts.map(move |row| (row.0.clone(), timed(&row)));
            lefts.as_of_join(rights.map(move |row| (row.0.clone(), timed(&row))))
        },
        move |rows| {
            let (lefts, rights) = halves(rows);
            let latest = |key: &str, time: i64| {
                let rights = rights.iter().filter(|(other, _)| other == key).map(timed);
                rights.filter(|(other, _)| *other <= time).max()
            };
            let lefts = lefts.iter().map(|row| (row.0.clone(), timed(row)));
            lefts.map(|(key, left)| (key.clone(), (left, latest(&key, left.0)))).collect()
        },
    );
}

fn windows_of_different_lengths_meet() {
    // Each row of the last two batches with the sum of its key over the last five, and over all.
    let input = Input::random(930, 14, 3);
    let expected = expectations(&input, |batches| {
        let rows = |window| inside(batches, window).flat_map(Batch::rows).collect::<Vec<Row>>();
        let (five, all) = (rows(Some((5, 1))), rows(None));
        let sum = |rows: &[Row], key: &str| {
            wrapping_sum(rows.iter().filter(|(other, _)| other == key).map(|(_, value)| *value))
        };
        let mut joined: Vec<(String, ((i64, i64), Option<i64>))> = rows(Some((2, 1)))
            .into_iter()
            .map(|(key, value)| {
                let sums = (sum(&five, &key), sum(&all, &key));
                (key, ((value, sums.0), Some(sums.1)))
            })
            .collect();
        joined.sort();
        Some(joined)
    });
    for strategy in STRATEGIES {
        for workers in WORKERS {
            let output = Memory::new();
            let sink = output.clone();
            drive(&input, config(workers, strategy), move |rows| {
                let span = Span::batches;
                let two = rows.clone().window(span(2), span(1)).table();
                let five = rows.clone().window(span(5), span(1)).aggregate_by_key(Sum);
                let all = rows.running().aggregate_by_key(Sum);
                two.join(five).left_outer_join(all).snapshots().sink(sink.clone());
            });
            same(&input, &format!("{strategy}, {workers} workers"), &output.batches(), &expected);
        }
    }
}

fn a_shared_index_is_built_once() {
    let indexes = |shared: bool| {
        let input = Input::random(940, 4, 1);
        let records = drive(&input, config(2, tidegate::Strategy::HashIndex), move |rows| {
            let (lefts, rights) = sides(rows.running().table());
            let (pairs, others) = if shared {
                let (lefts, rights) = (lefts.arranged_by_key(), rights.arranged_by_key());
                (lefts.join(&rights), lefts.left_outer_join(&rights))
            } else {
                (lefts.clone().join(rights.clone()), lefts.left_outer_join(rights))
            };
            pairs.changes().sink(Memory::new());
            others.changes().sink(Memory::new());
        });
        let last = records.last().expect("a batch");
        let of = |kind: &str| {
            let of_kind = last.state.iter().filter(|state| state.operator.starts_with(kind));
            of_kind.map(|state| state.keys).collect::<Vec<u64>>()
        };
        let rows: usize = input.batches.iter().map(|batch| batch.rows().len()).sum();
        (of("arrangement"), of("keys").len(), rows as u64)
    };
    let (shared, keys, rows) = indexes(true);
    assert_eq!((shared.len(), keys), (2, 1));
    assert!((1..=rows).contains(&shared.iter().sum::<u64>()), "{shared:?} of {rows}");
    assert_eq!(indexes(false).0.len(), 4);
}
