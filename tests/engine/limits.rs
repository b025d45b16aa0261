//! How far the job may run ahead of its sinks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libtest_mimic::Trial;
use tidegate::rate::{BatchTiming, RateControl, RateEstimator};
use tidegate::sink::Null;
use tidegate::source::{Poll, Queue};
use tidegate::{Config, Local, Trigger};

use super::stand_ins::{Gate, MOMENT, Scripted, Witness, counting};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["engine::limits";
        no_more_batches_are_cut_than_may_be_in_flight,
        a_slow_sink_holds_the_source_back,
        a_batch_may_be_larger_than_the_queue_in_front_of_it,
        one_long_partition_does_not_keep_the_others_from_filling_a_batch,
        the_first_batch_has_a_limit_of_its_own,
        a_rate_is_dealt_out_by_how_far_partitions_are_behind,
    ]
}

/// Waits until a number has stood still for a while.
fn settled(number: &AtomicU64) -> u64 {
    let mut last = number.load(Ordering::SeqCst);
    for _ in 0..100 {
        std::thread::sleep(MOMENT);
        let now = number.load(Ordering::SeqCst);
        if now == last {
            return now;
        }
        last = now;
    }
    panic!("it never stands still: {last}");
}

fn no_more_batches_are_cut_than_may_be_in_flight() {
    for in_flight in [1, 2, 4] {
        for workers in [1, 2] {
            let (gate, cuts) = (Gate::default(), Arc::new(AtomicU64::new(0)));
            let (sink, polls) = (Witness::behind(&gate), Arc::clone(&cuts));
            // An inline reader is polled when a batch is cut, and at no other time.
            let source = Scripted::new(1, true, move |assigned, _intake| {
                polls.fetch_add(assigned.len() as u64, Ordering::SeqCst);
                Ok(Poll::Idle)
            });
            let output = sink.clone();
            let config = Config::new("limit").workers(workers).in_flight_max(in_flight);
            let mut local = Local::start(config, move |ctx| {
                ctx.source(source.clone()).sink(output.clone());
            })
            .expect("the program can run");
            let requested: Vec<u64> = (0..10).map(|_| local.request(0)).collect();
            gate.wait_for_arrivals(1);
            for confirmed in 0..4u64 {
                let allowed = confirmed + in_flight as u64;
                assert_eq!(settled(&cuts), allowed, "{in_flight} in flight, {confirmed} done");
                gate.open(1);
                local.wait(requested[confirmed as usize]);
            }
            gate.open(u64::MAX);
            for batch in requested {
                let record = local.wait(batch);
                assert!((1..=in_flight as u64).contains(&record.in_flight), "{record:?}");
            }
            local.stop().expect("the job ends well");
            assert_eq!(sink.committed(), (1..=10).collect::<Vec<_>>());
            assert_eq!(cuts.load(Ordering::SeqCst), 10);
        }
    }
}

fn a_slow_sink_holds_the_source_back() {
    const QUEUE_BYTES: usize = 8_000;
    const PART: u64 = 100;
    const IN_FLIGHT: u64 = 2;
    const RECORDS_MAX: u64 = 500;
    let (gate, read) = (Gate::default(), Arc::new(AtomicU64::new(0)));
    let (sink, count) = (Witness::behind(&gate), Arc::clone(&read));
    let endless = Scripted::new(1, false, move |_, intake| {
        let from = count.fetch_add(PART, Ordering::SeqCst);
        (from..from + PART).for_each(|offset| intake.push(0, offset, offset as i64));
        Ok(Poll::More)
    });
    let output = sink.clone();
    let config = Config::new("slow")
        .trigger(Trigger::Continuous)
        .in_flight_max(IN_FLIGHT as usize)
        .queue_bytes_max(QUEUE_BYTES)
        .records_per_partition_max(RECORDS_MAX);
    let job = tidegate::start(config, move |ctx| {
        ctx.source(endless.clone()).sink(output.clone());
    })
    .expect("the program can run");
    gate.wait_for_arrivals(1);
    // The queue may be over its limit by what one call of the reader brings.
    let ahead = QUEUE_BYTES as u64 / 8 + PART;
    let held = settled(&read);
    assert!(held <= IN_FLIGHT * RECORDS_MAX + ahead, "{held} records are held");
    gate.open(3);
    gate.wait_for_arrivals(4);
    let held = settled(&read);
    assert!(held <= (3 + IN_FLIGHT) * RECORDS_MAX + ahead, "{held} records are held");
    job.stop();
    gate.open(u64::MAX);
    let summary = job.join().expect("the job ends well");
    let written: usize = sink.rows().iter().map(|(_, rows)| rows).sum();
    assert_eq!((summary.rows_in, summary.rows_out), (written as u64, written as u64));
    assert!(sink.rows().iter().all(|(_, rows)| *rows as u64 <= RECORDS_MAX));
}

fn a_batch_may_be_larger_than_the_queue_in_front_of_it() {
    for trigger in [Trigger::Count { records: 1_000 }, Trigger::AvailableNow] {
        let sink = Witness::new();
        let output = sink.clone();
        let config = Config::new("large")
            .workers(2)
            .trigger(trigger)
            .records_per_partition_max(1_000)
            .queue_bytes_max(100);
        let summary = tidegate::run(config, move |ctx| {
            ctx.source(Scripted::new(2, false, counting(2_500, 7))).sink(output.clone());
        })
        .expect("the job ends well");
        assert_eq!(summary.rows_in, 5_000);
        let rows: Vec<usize> = sink.rows().into_iter().map(|(_, rows)| rows).collect();
        assert_eq!(rows, [2_000, 2_000, 1_000]);
    }
}

fn one_long_partition_does_not_keep_the_others_from_filling_a_batch() {
    // The reader brings all of partition 0 before it begins with partition 1, as one that reads
    // file after file does.
    let sink = Witness::new();
    let (output, calls) = (sink.clone(), AtomicU64::new(0));
    let source = Scripted::new(2, false, move |_, intake| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        let (partition, offset) = (u32::from(call >= 500), call % 500);
        intake.push(partition, offset, call as i64);
        Ok(if call < 999 { Poll::More } else { Poll::End })
    });
    let config =
        Config::new("uneven").trigger(Trigger::Count { records: 100 }).queue_bytes_max(1_000);
    tidegate::run(config, move |ctx| ctx.source(source.clone()).sink(output.clone()))
        .expect("the job ends well");
    let rows: Vec<usize> = sink.rows().into_iter().map(|(_, rows)| rows).collect();
    assert_eq!(rows, [200; 5]);
}

fn the_first_batch_has_a_limit_of_its_own() {
    let sink = Witness::new();
    let output = sink.clone();
    let config = Config::new("first")
        .trigger(Trigger::AvailableNow)
        .first_batch_records_max(10)
        .records_per_partition_max(40);
    tidegate::run(config, move |ctx| {
        ctx.source(Scripted::new(2, false, counting(100, 9))).sink(output.clone());
    })
    .expect("the job ends well");
    let rows: Vec<usize> = sink.rows().into_iter().map(|(_, rows)| rows).collect();
    assert_eq!(rows, [20, 80, 80, 20]);
}

struct Ninety;

impl RateEstimator for Ninety {
    fn estimate(&mut self, batch: BatchTiming) -> Option<f64> {
        (batch.records > 0).then_some(90.0)
    }
}

fn a_rate_is_dealt_out_by_how_far_partitions_are_behind() {
    for workers in [1, 2, 4] {
        let rows = Queue::<u64>::new(2);
        let source = rows.clone();
        let control = RateControl::new().estimator(|| Ninety).initial_rate(40.0);
        let config = Config::new("rate").workers(workers).rate_control(control);
        let mut local = Local::start(config, move |ctx| {
            ctx.source(source.clone()).sink(Null::default());
        })
        .expect("the program can run");
        rows.push_to(0, 0..300);
        rows.push_to(1, 0..100);
        let mut sizes = || {
            let record = local.tick();
            let partitions = record.sources[0].partitions.iter();
            partitions.map(|partition| partition.records).collect::<Vec<u64>>()
        };
        assert_eq!(sizes(), [20, 20], "the initial rate; nobody knows yet who is behind");
        assert_eq!(sizes(), [70, 20], "280 and 80 are left");
        assert_eq!(sizes(), [70, 20], "210 and 60 are left");
        rows.push_to(1, 0..200);
        assert_eq!(sizes(), [70, 20], "140 and 40 were left");
        assert_eq!(sizes(), [21, 68], "70 and 220 are left: shares are rounded down");
        local.stop().expect("the job ends well");
    }
}
