//! Streams and partitions that fall silent, no longer hold a watermark, and come back behind it.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::{DStream, Strategy, TimeWindows, WatermarkPolicy, WatermarkRule};

use super::check::{Expected, WORKERS, config, drive, expectations, same};
use super::input::{Batch, Input, Row};
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["oracle::event_time_idle";
        an_idle_stream_does_not_hold_the_other_back,
        an_idle_partition_does_not_hold_the_others_back,
    ]
}

const DELAY_MS: i64 = 5;
const IDLE_MS: i64 = 3_000;

/// Rows whose times follow the batches, of partitions that are silent for some batches in turn.
fn input(seed: u64, partitions: usize) -> Input {
    let mut input = Input::random(seed, 60, partitions);
    let mut rng = Rng::new(seed);
    let mut silent_until = vec![0; partitions];
    for (number, batch) in (0..).zip(&mut input.batches) {
        for (rows, silent_until) in batch.partitions.iter_mut().zip(&mut silent_until) {
            if *silent_until <= number && rng.below(5) == 0 {
                *silent_until = number + 1 + rng.below(6);
            }
            if *silent_until > number {
                rows.clear();
            }
            for row in rows {
                row.1 = number as i64 * 6 + 50 - rng.below(45) as i64;
            }
        }
    }
    input
}

/// The watermarks of so many streams, by the lowest of those that are not idle, and the number of
/// rows behind them: in each batch that of the batch, whether it is held by none, and the rows
/// that lie behind it.
fn watermarks<const N: usize>(
    batches: &[Batch],
    streams: impl Fn(&Batch) -> [Vec<i64>; N],
) -> Vec<(i64, bool)> {
    let (mut reached, mut seen) = ([0i64; N], [None::<i64>; N]);
    let (mut now, mut watermarks) = ((0, false), Vec::new());
    for batch in batches {
        watermarks.push(now);
        let time = batch.time_ms();
        for (stream, times) in streams(batch).into_iter().enumerate() {
            let last = seen[stream].get_or_insert(time);
            if let Some(newest) = times.iter().max() {
                reached[stream] = reached[stream].max(newest - DELAY_MS);
                *last = time;
            }
        }
        let active = (0..N).filter(|stream| time - seen[*stream].unwrap_or(time) < IDLE_MS);
        let lowest = active.map(|stream| reached[stream]).min();
        let reached = lowest.or(reached.into_iter().max()).unwrap_or(0);
        now = (now.0.max(reached), lowest.is_none());
    }
    watermarks
}

type Shown = (i64, bool);

fn check(
    seed: u64,
    partitions: usize,
    program: impl for<'s> Fn(DStream<'s, Row>) -> (DStream<'s, Shown>, DStream<'s, i64>)
    + Clone
    + Send
    + Sync
    + 'static,
    marks: impl Fn(&[Batch]) -> Vec<Shown>,
    late: impl Fn(&[Batch]) -> i64,
) {
    let input = input(seed, partitions);
    let expected: Expected<Shown> =
        expectations(&input, |batches| marks(batches).last().map(|mark| vec![*mark]));
    let too_late: Expected<i64> = expectations(&input, |batches| Some(vec![late(batches)]));
    assert!(too_late.iter().map(|(_, late)| late[0]).sum::<i64>() > 3, "nothing is late");
    assert!(expected.iter().any(|(_, marks)| marks[0].1), "never is all idle");
    for workers in WORKERS {
        let (readings, counts) = (Memory::new(), Memory::new());
        let (sinks, program) = ((readings.clone(), counts.clone()), program.clone());
        drive(&input, config(workers, Strategy::HashIndex), move |rows| {
            let (readings, counts) = program(rows);
            readings.sink(sinks.0.clone());
            counts.sink(sinks.1.clone());
        });
        let what = format!("{workers} workers, {partitions} partitions");
        same(&input, &format!("watermarks, {what}"), &readings.batches(), &expected);
        same(&input, &format!("late, {what}"), &counts.batches(), &too_late);
    }
}

fn an_idle_stream_does_not_hold_the_other_back() {
    fn is_left(row: &Row) -> bool {
        row.0.len() < 2
    }
    let times = |batch: &Batch| {
        let of = |left: bool| {
            let rows = batch.rows().into_iter().filter(|row| is_left(row) == left);
            rows.map(|row| row.1).collect::<Vec<_>>()
        };
        [of(true), of(false)]
    };
    let rule = WatermarkRule::new(DELAY_MS).idle_after_ms(IDLE_MS);
    for (partitions, seed) in [(1, 860), (3, 861)] {
        check(
            seed,
            partitions,
            move |rows| {
                let left = rows.clone().filter(is_left).with_watermark(|row| row.1, rule);
                let right = rows.filter(|row| !is_left(row)).with_watermark(|row| row.1, rule);
                let (left, right) = left.share_watermark(right, WatermarkPolicy::Min);
                let both = left.union(right);
                let readings = both.watermark().map(|reading| (reading.now_ms, reading.is_idle));
                (readings, both.split_late().1.count())
            },
            move |batches| watermarks(batches, times),
            move |batches| {
                let mark = watermarks(batches, times).last().map_or(0, |mark| mark.0);
                let rows = batches.last().map(Batch::rows).unwrap_or_default();
                rows.iter().filter(|row| row.1 <= mark).count() as i64
            },
        );
    }
}

fn an_idle_partition_does_not_hold_the_others_back() {
    let times = |batch: &Batch| {
        let of = |partition: usize| -> Vec<i64> {
            batch.partitions[partition].iter().map(|row| row.1).collect()
        };
        [of(0), of(1), of(2)]
    };
    let windows = TimeWindows::tumbling(4);
    check(
        870,
        3,
        move |rows| {
            let rule = WatermarkRule::new(DELAY_MS).by_row().idle_after_ms(IDLE_MS);
            let events = rows.with_watermark(|row| row.1, rule);
            let readings = events.watermark().map(|reading| (reading.now_ms, reading.is_idle));
            (readings, events.window(windows).count().late_count())
        },
        move |batches| watermarks(batches, times),
        // A row is late by those before it in its partition, or because the others have gone on
        // while it was idle.
        move |batches| {
            let batch_mark = watermarks(batches, times).last().map_or(0, |mark| mark.0);
            let mut own: BTreeMap<usize, i64> = BTreeMap::new();
            let mut late = 0;
            for (number, batch) in batches.iter().enumerate() {
                for (partition, rows) in times(batch).into_iter().enumerate() {
                    let mark = own.entry(partition).or_default();
                    for at in rows {
                        let end = windows.of(at).map(|window| window.end_ms).sum::<i64>();
                        let is_late = end <= batch_mark.max(*mark);
                        late += i64::from(is_late && number + 1 == batches.len());
                        *mark = (*mark).max(at - DELAY_MS);
                    }
                }
            }
            late
        },
    );
}
