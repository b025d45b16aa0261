//! Tables that are read from outside, at each batch that is kept, and followed.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::{DStream, Queryable, Span, Strategy, Table};

use super::check::{Expected, STRATEGIES, WORKERS, Window, config, drive, inside, windowed};
use super::input::{Batch, Input, Row};
use super::streams::groups;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::queryable";
        a_table_is_read_at_each_batch_that_is_kept,
        a_table_with_equal_rows_and_a_slide_is_read_in_between,
        a_reader_is_refused_what_is_gone_and_what_is_still_to_come,
    ]
}

const KEPT: u64 = 5;

/// Reads a table at all of its last batches, and follows it from several of them.
fn check<V: tidegate::Record + Sync>(
    seed: u64,
    slide: u64,
    program: impl for<'s> Fn(DStream<'s, Row>) -> Table<'s, (String, V)> + Copy + Send + Sync + 'static,
    model: impl Fn(&[Batch]) -> Vec<(String, V)>,
) {
    let input = Input::random(seed, 16, 3);
    let expected: Expected<(String, V)> = super::check::expectations(&input, |batches| {
        let mut rows = model(batches);
        rows.sort();
        Some(rows)
    });
    for strategy in STRATEGIES {
        for workers in WORKERS {
            let (few, all) = (Queryable::of_last(KEPT as usize), Queryable::of_last(100));
            let tables = (few.clone(), all.clone());
            let mut follower = all.changes_after(0);
            drive(&input, config(workers, strategy), move |rows| {
                let table = program(rows);
                table.clone().queryable(&tables.0);
                table.queryable(&tables.1);
            });
            let what = format!("{strategy}, {workers} workers, seed {seed}");
            let outputs: Vec<u64> = input
                .batches
                .iter()
                .filter(|batch| batch.has_output(slide))
                .map(|batch| batch.id)
                .collect();
            let (first, last) = (outputs[0], outputs[outputs.len() - 1]);
            let oldest = outputs[outputs.len() - KEPT as usize];
            assert_eq!(few.readable(), Some(oldest..=last), "{what}");
            assert_eq!(all.readable(), Some(first..=last), "{what}");
            for (batch, rows) in expected.iter().filter(|(id, _)| *id <= last) {
                for (table, from) in [(&few, oldest), (&all, first)] {
                    let what = format!("batch {batch}, {what}");
                    if *batch < from {
                        assert!(table.rows(*batch).is_err(), "{what}");
                        continue;
                    }
                    assert_eq!(table.rows(*batch).as_ref(), Ok(rows), "{what}");
                    for key in ["", "a", "tide", "nobody"].map(str::to_owned) {
                        let values = rows.iter().filter(|row| row.0 == key);
                        let values: Vec<V> = values.map(|row| row.1.clone()).collect();
                        assert_eq!(table.get(&key, *batch), Ok(values), "{key}, {what}");
                    }
                }
            }
            // The job is over: the follower ends, and has seen each batch once.
            let mut held: BTreeMap<(String, V), isize> = BTreeMap::new();
            let mut followed = Vec::new();
            for batch in follower.by_ref() {
                let batch = batch.expect("all of them are kept");
                followed.push(batch.tick.id);
                for change in batch.changes.iter() {
                    *held.entry(change.row.clone()).or_default() += change.diff;
                }
                held.retain(|_, times| *times != 0);
                let rows = held.iter().flat_map(|(row, times)| vec![row.clone(); *times as usize]);
                assert_eq!(Ok(rows.collect()), all.rows(batch.tick.id), "{what}");
            }
            assert_eq!(followed, outputs, "{what}");
            assert_eq!(follower.next(), None);
            let rest = few.changes_after(oldest).map(|batch| batch.expect("kept").tick.id);
            assert_eq!(rest.collect::<Vec<_>>(), outputs[outputs.len() - KEPT as usize + 1..]);
        }
    }
}

fn a_table_is_read_at_each_batch_that_is_kept() {
    check(
        1200,
        1,
        |rows| rows.running().aggregate_by_key(tidegate::Max),
        |batches| {
            let all = groups(batches.iter().flat_map(Batch::rows)).into_iter();
            all.map(|(key, values)| (key, values.into_iter().max().expect("one"))).collect()
        },
    );
}

fn a_table_with_equal_rows_and_a_slide_is_read_in_between() {
    const WINDOW: Window = Some((5, 3));
    check(
        1210,
        3,
        // Values of a row become one of two: many are there more than once.
        |rows| windowed(rows, WINDOW).table().map(|(key, value)| (key, value > 0)),
        |batches| {
            let rows = inside(batches, WINDOW).flat_map(Batch::rows);
            rows.map(|(key, value)| (key, value > 0)).collect()
        },
    );
}

fn a_reader_is_refused_what_is_gone_and_what_is_still_to_come() {
    let input = Input::random(1220, 12, 1);
    let (counts, shown) = (Queryable::of_last(2), Memory::new());
    let (table, sink) = (counts.clone(), shown.clone());
    let refused = counts.get(&"a".to_owned(), 1).expect_err("nothing has run").to_string();
    assert_eq!(refused, "batch 1 can't be read: no batch is complete yet");
    let mut early = counts.changes_after(0);
    assert_eq!(early.next_ready(), None);
    drive(&input, config(2, Strategy::HashIndex), move |rows| {
        let window = rows.map(|(key, _)| key).window(Span::batches(2), Span::batches(1));
        let counts = window.count_by_value();
        counts.clone().queryable(&table);
        counts.snapshots().sink(sink.clone());
    });
    let [.., before, last] = &input.batches[..] else { panic!("there are twelve") };
    assert_eq!(counts.rows(last.id), Ok(shown.rows_of(last.id)));
    assert_eq!(counts.rows(before.id), Ok(shown.rows_of(before.id)));
    for batch in [before.id - 1, last.id + 1] {
        let refused = counts.rows(batch).expect_err("not kept").to_string();
        let range = format!("batches {} through {} can", before.id, last.id);
        assert_eq!(refused, format!("batch {batch} can't be read: {range}"));
    }
    // Who has waited since the beginning has missed batches, and hears so once.
    assert!(early.next().is_some_and(|missed| missed.is_err()));
    assert_eq!(early.next(), None);

    // The same handle for two tables at once is an error before anything runs; for one job after
    // the other it is not.
    let (rows, twice) = (tidegate::source::Queue::<Row>::new(1), counts.clone());
    let error = tidegate::Local::start(config(1, Strategy::HashIndex), move |ctx| {
        let counts = ctx.source(rows.clone()).running().table();
        counts.clone().queryable(&twice);
        counts.queryable(&twice);
    });
    let error = error.err().expect("two tables");
    assert!(error.is_before_start(), "{error}");
    let table: Queryable<String, i64> = counts.clone();
    drive(&input, config(1, Strategy::HashIndex), move |rows| {
        rows.running().table().queryable(&table);
    });
    let all: usize = input.batches.iter().map(|batch| batch.rows().len()).sum();
    assert_eq!(counts.rows(last.id).expect("the last batch").len(), all);
}
