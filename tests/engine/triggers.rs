//! When batches are cut.

use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::source::{Generator, Poll, Queue};
use tidegate::{Config, Local, Span, Trigger};

use super::stand_ins::{Gate, Scripted, Witness, counting};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["engine::triggers";
        intervals_number_the_batches_by_the_clock,
        a_blocked_sink_makes_the_clock_skip,
        a_count_cuts_by_records_of_each_partition,
        a_count_waits_for_records_that_are_pushed,
        a_count_waits_for_a_generator_at_its_rate,
        available_now_takes_what_is_there_and_ends,
        continuous_goes_on_until_the_input_ends,
        stopping_finishes_the_open_batch,
        stopping_a_count_takes_what_has_come,
        what_a_window_holds_at_the_end_is_dropped,
        batch_times_count_from_the_origin,
    ]
}

/// Waits until `ready`; a job that never comes so far has failed.
fn until(mut ready: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it never comes so far");
}

fn intervals_number_the_batches_by_the_clock() {
    let sink = Witness::new();
    let (rows, output) = (Queue::<i64>::new(2), sink.clone());
    let source = rows.clone();
    let config = Config::new("clock").workers(2).interval(Duration::from_millis(10));
    let job = tidegate::start(config, move |ctx| {
        ctx.source(source.clone()).sink(output.clone());
    })
    .expect("the program can run");
    for number in 0..50 {
        rows.push_to(number as u32 % 2, [number]);
        std::thread::sleep(Duration::from_millis(2));
    }
    until(|| sink.committed().len() >= 5);
    job.stop();
    let summary = job.join().expect("the job ends well");
    let ticks = sink.ticks();
    assert_eq!(sink.rows().iter().map(|(_, rows)| rows).sum::<usize>(), 50);
    assert_eq!((summary.rows_in, summary.batches), (50, ticks.len() as u64));
    let mut previous = 0;
    for tick in &ticks {
        assert!(tick.id > tick.previous && tick.previous == previous, "{ticks:?}");
        assert_eq!(tick.time_ms - ticks[0].time_ms, 10 * (tick.id - ticks[0].id) as i64);
        assert_eq!(tick.time_ms % 10, 0, "intervals are those of the wall clock");
        previous = tick.id;
    }
    assert!(ticks.iter().rev().skip(1).all(|tick| !tick.last) && ticks.last().unwrap().last);
}

fn a_blocked_sink_makes_the_clock_skip() {
    let gate = Gate::default();
    let sink = Witness::behind(&gate);
    let (rows, output) = (Queue::<i64>::new(1), sink.clone());
    let source = rows.clone();
    let config = Config::new("skip").interval(Duration::from_millis(5)).in_flight_max(1);
    let job = tidegate::start(config, move |ctx| {
        ctx.source(source.clone()).sink(output.clone());
    })
    .expect("the program can run");
    gate.wait_for_arrivals(1);
    // Intervals go by, and nothing is cut.
    rows.push(0..7);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!((gate.arrivals(), rows.len()), (1, 7));
    gate.open(1);
    gate.wait_for_arrivals(2);
    gate.open(u64::MAX);
    until(|| sink.committed().len() >= 4);
    job.stop();
    job.join().expect("the job ends well");
    let ticks = sink.ticks();
    assert!(ticks[1].id >= ticks[0].id + 10, "{ticks:?}");
    assert!(ticks.windows(2).all(|pair| pair[1].previous == pair[0].id), "{ticks:?}");
    assert_eq!(sink.rows()[1], (ticks[1].id, 7), "one batch has all that came meanwhile");
}

fn a_count_cuts_by_records_of_each_partition() {
    for workers in [1, 2, 4] {
        let output = Memory::new();
        let sink = output.clone();
        let config = Config::new("count").workers(workers).trigger(Trigger::Count { records: 40 });
        let summary = tidegate::run(config, move |ctx| {
            ctx.source(Scripted::new(3, false, counting(100, 7))).sink(sink.clone());
        })
        .expect("the job ends well");
        assert_eq!((summary.batches, summary.rows_in), (3, 300));
        let part = |range: std::ops::Range<i64>| range.clone().chain(range.clone()).chain(range);
        let expected = [part(0..40), part(40..80), part(80..100)];
        assert_eq!(output.rows(), expected.map(Iterator::collect::<Vec<_>>));
    }
}

fn a_count_waits_for_records_that_are_pushed() {
    // A queue is polled on the worker: it must fill a batch all the same.
    for workers in [1, 2] {
        let sink = Witness::new();
        let (rows, output) = (Queue::<i64>::new(2), sink.clone());
        let source = rows.clone();
        let config = Config::new("count").workers(workers).trigger(Trigger::Count { records: 5 });
        let job = tidegate::start(config, move |ctx| {
            ctx.source(source.clone()).sink(output.clone());
        })
        .expect("the program can run");
        rows.push_to(0, 0..12);
        rows.push_to(1, 0..4);
        std::thread::sleep(super::stand_ins::MOMENT);
        assert!(sink.committed().is_empty(), "the second partition has no five records");
        rows.push_to(1, 4..11);
        until(|| sink.committed().len() == 2);
        rows.close();
        job.join().expect("the job ends well");
        assert_eq!(sink.rows(), [(1, 10), (2, 10), (3, 3)]);
    }
}

fn a_count_waits_for_a_generator_at_its_rate() {
    for workers in [1, 2] {
        let sink = Witness::new();
        let output = sink.clone();
        let config = Config::new("count").workers(workers).trigger(Trigger::Count { records: 50 });
        for by_time in [true, false] {
            let (output, config) = (output.clone(), config.clone());
            let summary = tidegate::run(config, move |ctx| {
                let keys = Generator::uniform_keys(10, 1).partitions(2).records(500);
                let keys = if by_time { keys.rows_per_s(20_000.0) } else { keys.rows_per_batch(6) };
                ctx.source(keys).sink(output.clone());
            })
            .expect("the job ends well");
            assert_eq!((summary.rows_in, summary.batches), (500, 5));
        }
        assert!(sink.rows().iter().all(|(_, rows)| *rows == 100), "{:?}", sink.rows());
    }
}

fn available_now_takes_what_is_there_and_ends() {
    for workers in [1, 3] {
        let (rows, output) = (Queue::<i64>::new(2), Memory::new());
        let (source, sink) = (rows.clone(), output.clone());
        rows.push_to(0, 0..25);
        rows.push_to(1, 100..105);
        let config = Config::new("now").workers(workers).trigger(Trigger::AvailableNow);
        let config = config.records_per_partition_max(10);
        let summary = tidegate::run(config, move |ctx| {
            ctx.source(source.clone()).sink(sink.clone());
        })
        .expect("the job ends well");
        assert_eq!((summary.batches, summary.rows_in), (3, 30));
        let expected: [Vec<i64>; 3] =
            [(0..10).chain(100..105).collect(), (10..20).collect(), (20..25).collect()];
        assert_eq!(output.rows(), expected);
    }
    // Nothing there: one batch says so.
    let config = Config::new("nothing").trigger(Trigger::AvailableNow);
    let summary = tidegate::run(config, |ctx| {
        ctx.source(Queue::<i64>::new(2)).sink(Memory::new());
    })
    .expect("the job ends well");
    assert_eq!((summary.batches, summary.rows_in), (1, 0));
}

fn continuous_goes_on_until_the_input_ends() {
    for inline in [true, false] {
        let output = Memory::new();
        let sink = output.clone();
        let config = Config::new("continuous").workers(2).trigger(Trigger::Continuous);
        let config = config.records_per_partition_max(30);
        let summary = tidegate::run(config, move |ctx| {
            ctx.source(Scripted::new(1, inline, counting(1_000, 50))).sink(sink.clone());
        })
        .expect("the job ends well");
        assert_eq!(summary.rows_in, 1_000);
        assert_eq!(output.rows().concat(), (0..1_000).collect::<Vec<_>>());
        let ids: Vec<u64> = output.batches().iter().map(|(tick, _)| tick.id).collect();
        assert_eq!(ids, (1..=summary.batches).collect::<Vec<_>>(), "no id is skipped");
        assert!(output.rows().iter().all(|rows| rows.len() <= 30));
    }
    // Idle times are no busy loop: the pause between empty batches grows to 10 ms.
    let sink = Witness::new();
    let output = sink.clone();
    let config = Config::new("idle").trigger(Trigger::Continuous);
    let job = tidegate::start(config, move |ctx| {
        ctx.source(Scripted::new(1, true, |_, _| Ok(Poll::Idle))).sink(output.clone());
    })
    .expect("the program can run");
    std::thread::sleep(Duration::from_millis(300));
    let batches = sink.committed().len();
    assert!((1..60).contains(&batches), "{batches} empty batches in 300 ms");
    job.stop();
    job.join().expect("the job ends well");
}

fn stopping_finishes_the_open_batch() {
    for workers in [1, 2, 4] {
        let sink = Witness::new();
        let (rows, output) = (Queue::<i64>::new(4), sink.clone());
        let source = rows.clone();
        // The interval never ends: the rows are in the open batch.
        let config = Config::new("stop").workers(workers).interval(Duration::from_secs(3_600));
        let config = config.batch_time_origin_ms(0);
        let job = tidegate::start(config, move |ctx| {
            ctx.source(source.clone()).sink(output.clone());
        })
        .expect("the program can run");
        (0..4).for_each(|partition| rows.push_to(partition, 0..10));
        let begun = std::time::Instant::now();
        job.stop();
        let summary = job.join().expect("the job ends well");
        assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
        assert_eq!((summary.batches, summary.rows_in, summary.rows_out), (1, 40, 40));
        assert_eq!(sink.rows(), [(1, 40)]);
        assert!(sink.ticks()[0].last);
    }
}

fn stopping_a_count_takes_what_has_come() {
    let sink = Witness::new();
    let (output, read) = (sink.clone(), Gate::default());
    let seen = read.clone();
    read.open(u64::MAX);
    let source = Scripted::new(1, false, move |_, intake| {
        if seen.arrivals() < 3 {
            intake.push(0, seen.arrivals(), 1);
        }
        seen.pass();
        Ok(Poll::Idle)
    });
    let config = Config::new("stop").workers(2).trigger(Trigger::Count { records: 1_000 });
    let job = tidegate::start(config, move |ctx| ctx.source(source.clone()).sink(output.clone()))
        .expect("the program can run");
    // Whoever asks a fourth time has handed on what came the third time.
    read.wait_for_arrivals(4);
    std::thread::sleep(super::stand_ins::MOMENT);
    assert!(sink.committed().is_empty());
    job.stop();
    let summary = job.join().expect("the job ends well");
    assert_eq!((summary.rows_in, sink.rows()), (3, vec![(1, 3)]));
}

fn what_a_window_holds_at_the_end_is_dropped() {
    let output = Memory::new();
    let sink = output.clone();
    let config = Config::new("end").workers(2).trigger(Trigger::AvailableNow);
    let config = config.records_per_partition_max(10);
    let summary = tidegate::run(config, move |ctx| {
        let rows = ctx.source(Generator::new("ones", 1, |_, _| 1i64).records(70));
        rows.window(Span::batches(3), Span::batches(3)).count().sink(sink.clone());
    })
    .expect("the job ends well");
    // Seven batches: the window slides at 3 and at 6, and the last batch waits for ever.
    assert_eq!((summary.batches, summary.rows_in), (7, 70));
    let outputs: Vec<(u64, Vec<i64>)> =
        output.batches().into_iter().map(|(tick, rows)| (tick.id, rows)).collect();
    assert_eq!(outputs, [(3, vec![30]), (6, vec![30])]);
}

fn batch_times_count_from_the_origin() {
    let output = Memory::new();
    let sink = output.clone();
    let config =
        Config::new("times").interval(Duration::from_millis(250)).batch_time_origin_ms(1_000_000);
    let mut local = Local::start(config, move |ctx| {
        ctx.source(Queue::<i64>::new(1)).count().sink(sink.clone());
    })
    .expect("the program can run");
    [0, 3, 0].into_iter().for_each(|skipped| drop(local.tick_skipping(skipped)));
    local.stop().expect("the job ends well");
    let times: Vec<i64> = output.batches().iter().map(|(tick, _)| tick.time_ms).collect();
    assert_eq!(times, [1_000_250, 1_001_250, 1_001_500]);
}
