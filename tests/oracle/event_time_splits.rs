//! Where rows are judged one by one, results depend on the order of the rows in their partitions,
//! not on where batches end: one input, cut in a hundred ways.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::operators::event_time::Watermark;
use tidegate::sink::Memory;
use tidegate::{
    EventStream, EventTable, Late, Max, Record, Strategy, Sum, TimeWindow, TimeWindows,
    WatermarkRule,
};

use super::check::{WORKERS, config, drive};
use super::input::{Batch, Input, Row};
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["oracle::event_time_splits";
        windows_are_the_same_however_rows_are_cut_into_batches,
        sessions_are_the_same_however_rows_are_cut_into_batches,
        firsts_are_the_same_however_rows_are_cut_into_batches,
        by_batch_what_is_late_depends_on_the_cut,
    ]
}

const DELAY_MS: i64 = 10;
const PARTITIONS: usize = 3;
const SPLITS: u64 = 100;
/// By when everything is over.
const END_MS: i64 = 100_000;

/// The rows of each partition: times that advance at a pace of their own, now and then far behind.
fn rows(seed: u64) -> Vec<Vec<Row>> {
    let mut rng = Rng::new(seed);
    let mut rows_of = |pace: i64| -> Vec<Row> {
        let rows = (0..60).map(|number: i64| {
            let back = if rng.below(4) == 0 { 60 } else { 8 };
            let key = ["a", "b", "c"][rng.below(3) as usize];
            (key.to_owned(), 20 + number * pace - rng.below(back) as i64)
        });
        rows.collect()
    };
    (0..PARTITIONS).map(|partition| rows_of(2 + partition as i64)).collect()
}

/// The same rows in the same order, cut at random, with a row in each partition behind them that
/// closes everything.
fn cut(rows: &[Vec<Row>], seed: u64) -> Input {
    let mut rng = Rng::new(seed);
    let count = 1 + rng.below(30) as usize;
    let mut batches: Vec<Batch> = (1..=count as u64 + 2)
        .map(|id| Batch { id, previous: id - 1, partitions: vec![Vec::new(); PARTITIONS] })
        .collect();
    for (partition, rows) in rows.iter().enumerate() {
        let mut ends: Vec<usize> = (1..count).map(|_| rng.below(61) as usize).collect();
        ends.push(rows.len());
        ends.sort_unstable();
        let mut from = 0;
        for (batch, to) in batches.iter_mut().zip(ends) {
            batch.partitions[partition] = rows[from..to].to_vec();
            from = to;
        }
        batches[count].partitions[partition].push(("end".to_owned(), END_MS));
    }
    Input { seed, batches }
}

/// Each row with the watermark of those before it in its partition.
fn marked(rows: &[Vec<Row>]) -> Vec<(Row, i64)> {
    let mut marked = Vec::new();
    for rows in rows {
        let mut mark = 0;
        for row in rows {
            marked.push((row.clone(), mark));
            mark = mark.max(row.1 - DELAY_MS);
        }
    }
    marked
}

type Counted<E> = (BTreeMap<E, isize>, i64);

/// What has come out at the end of closed windows, and how many rows were late, for every cut.
fn check<K: Record, V: Record>(
    seed: u64,
    rule: WatermarkRule,
    program: impl for<'s> Fn(EventStream<'s, Row>) -> EventTable<'s, K, V>
    + Clone
    + Send
    + Sync
    + 'static,
    mut judge: impl FnMut(u64, Counted<(K, V)>),
) {
    let rows = rows(seed);
    for split in 0..SPLITS {
        let input = cut(&rows, seed * 1000 + split);
        let (closed, late) = (Memory::new(), Memory::<i64>::new());
        let (sinks, program) = ((closed.clone(), late.clone()), program.clone());
        let workers = WORKERS[split as usize % WORKERS.len()];
        let strategy = if split % 10 == 9 { Strategy::Recompute } else { Strategy::HashIndex };
        drive(&input, config(workers, strategy), move |rows| {
            let table = program(rows.with_watermark(|row| row.1, rule));
            table.clone().revisions().sink(sinks.0.clone());
            table.late_count().sink(sinks.1.clone());
        });
        let mut counted: BTreeMap<(K, V), isize> = BTreeMap::new();
        for change in closed.rows().concat() {
            *counted.entry(change.row).or_default() += change.diff;
        }
        counted.retain(|_, times| *times != 0);
        judge(split, (counted, late.rows().concat().iter().sum()));
    }
}

fn by_row() -> WatermarkRule {
    WatermarkRule::new(DELAY_MS).by_row()
}

fn policies() -> [Late; 3] {
    [Late::Drop, Late::Correct { keep_ms: 15 }, Late::Hold { hold_ms: 15 }]
}

fn windows_are_the_same_however_rows_are_cut_into_batches() {
    let rules = [TimeWindows::tumbling(10), TimeWindows::sliding(20, 8), TimeWindows::tumbling(7)];
    for ((late, windows), seed) in policies().into_iter().zip(rules).zip(820..) {
        let mut expected: Counted<((TimeWindow, String), i64)> = Default::default();
        let mut sums: BTreeMap<(TimeWindow, String), i64> = BTreeMap::new();
        for ((key, at), mark) in marked(&rows(seed)) {
            for window in windows.of(at) {
                if late.is_late(window.end_ms, Watermark::at(mark)) {
                    expected.1 += 1;
                } else {
                    *sums.entry((window, key.clone())).or_default() += at;
                }
            }
        }
        expected.0 = sums.into_iter().map(|row| (row, 1)).collect();
        assert!(expected.1 > 3, "nothing is late with seed {seed}");
        check(
            seed,
            by_row(),
            move |events| events.window(windows).late(late).aggregate_by_key(Sum),
            |split, found| assert_eq!(found, expected, "{late:?}, seed {seed}, split {split}"),
        );
    }
}

/// The gap of a row: now and then none at all.
fn gap(at: i64) -> i64 {
    at.rem_euclid(7) * 2 - 1
}

fn sessions_are_the_same_however_rows_are_cut_into_batches() {
    for (late, seed) in policies().into_iter().zip(830..) {
        let mut expected: Counted<(String, (TimeWindow, i64))> = Default::default();
        let mut in_time: Vec<(String, i64)> = Vec::new();
        for ((key, at), mark) in marked(&rows(seed)) {
            if gap(at) <= 0 {
                continue;
            }
            if late.is_late(at, Watermark::at(mark)) {
                expected.1 += 1;
            } else {
                in_time.push((key, at));
            }
        }
        in_time.sort();
        let mut sessions: Vec<(String, (TimeWindow, i64))> = Vec::new();
        for (key, at) in in_time {
            match sessions.last_mut() {
                Some((of, (span, newest))) if *of == key && at <= span.end_ms => {
                    span.end_ms = span.end_ms.max(at + gap(at));
                    *newest = at;
                }
                _ => {
                    let span = TimeWindow { start_ms: at, end_ms: at + gap(at) };
                    sessions.push((key, (span, at)));
                }
            }
        }
        expected.0 = sessions.into_iter().map(|row| (row, 1)).collect();
        assert!(expected.1 > 3, "nothing is late with seed {seed}");
        check(
            seed,
            by_row(),
            move |events| events.sessions(|_, at| gap(*at)).late(late).aggregate_by_key(Max),
            |split, found| assert_eq!(found, expected, "{late:?}, seed {seed}, split {split}"),
        );
    }
}

fn firsts_are_the_same_however_rows_are_cut_into_batches() {
    let seed = 840;
    // Of the keys each belongs to one partition: which row of it is the first is told by that.
    let rows: Vec<Vec<Row>> = rows(seed)
        .into_iter()
        .enumerate()
        .map(|(partition, rows)| {
            rows.into_iter().map(|(key, at)| (format!("{key}{partition}"), at)).collect()
        })
        .collect();
    let mut seen: BTreeMap<String, i64> = BTreeMap::new();
    let mut expected = Vec::new();
    for ((key, at), mark) in marked(&rows) {
        if at > mark && seen.get(&key).is_none_or(|expires| *expires <= mark) {
            seen.insert(key.clone(), at + DELAY_MS);
            expected.push((key, at));
        }
    }
    expected.sort();
    for split in 0..SPLITS {
        let input = cut(&rows, seed * 1000 + split);
        let firsts = Memory::new();
        let sink = firsts.clone();
        let workers = WORKERS[split as usize % WORKERS.len()];
        let strategy = if split % 10 == 9 { Strategy::Recompute } else { Strategy::HashIndex };
        drive(&input, config(workers, strategy), move |rows| {
            let events = rows.with_watermark(|row| row.1, by_row());
            let firsts = events.drop_duplicates_within_watermark(|row| row.0.clone());
            firsts.into_stream().sink(sink.clone());
        });
        let mut found: Vec<Row> = firsts.rows().concat();
        found.retain(|(key, _)| key != "end");
        found.sort();
        assert_eq!(found, expected, "split {split}");
    }
    assert!(seen.len() < expected.len(), "no key comes again");
}

/// Spark's rule, on the same input: what the others are held against.
fn by_batch_what_is_late_depends_on_the_cut() {
    let mut late = std::collections::BTreeSet::new();
    check(
        850,
        WatermarkRule::new(DELAY_MS),
        |events| events.window(TimeWindows::tumbling(10)).aggregate_by_key(Sum),
        |_, (_, too_late)| {
            late.insert(too_late);
        },
    );
    assert!(late.len() > 5, "{late:?}");
}
