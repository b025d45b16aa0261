//! Which batches a sink is shown, and when.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use tidegate::plan::{PlanLog, PlanRow};
use tidegate::source::Queue;
use tidegate::{Config, Local, Span};

use super::stand_ins::{Act, Gate, MOMENT, PATIENCE, Witness};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["engine::delivery";
        every_sink_sees_every_batch_once_and_in_order,
        every_shard_sees_every_batch_once_and_in_order,
        a_windowed_sink_sees_only_batches_at_which_the_window_slides,
        nothing_is_written_before_every_worker_has_closed_the_batch,
        nothing_is_written_before_its_plan_is,
        a_batch_is_done_when_the_slowest_sink_has_committed_it,
        stopping_loses_nothing_that_was_cut,
    ]
}

/// What a sink is asked to do for some batches of no rows, if nothing goes wrong.
fn acts(batches: impl IntoIterator<Item = (u64, usize)>) -> Vec<Act> {
    let of = |(id, rows)| [Act::Begin(id), Act::Write(id, rows), Act::Commit(id)];
    batches.into_iter().flat_map(of).collect()
}

fn every_sink_sees_every_batch_once_and_in_order() {
    for workers in [1, 2, 4] {
        for in_flight in [1, 4] {
            let rows = Queue::<i64>::new(4);
            let sinks = [Witness::new(), Witness::new(), Witness::new()];
            let (source, all) = (rows.clone(), sinks.clone());
            let config = Config::new("sinks").workers(workers).in_flight_max(in_flight);
            let mut local = Local::start(config, move |ctx| {
                let rows = ctx.source(source.clone());
                rows.clone().sink(all[0].clone());
                rows.clone()
                    .map(|n| (n % 3, n))
                    .running()
                    .count_by_value()
                    .changes()
                    .sink(all[1].clone());
                rows.filter(|_| false).sink(all[2].clone());
            })
            .expect("the program can run");
            let mut expected = Vec::new();
            for round in 0..6i64 {
                let count = (round % 3) as usize;
                for partition in 0..4 {
                    rows.push_to(partition, (0..count as i64).map(|n| 100 * round + n));
                }
                // One batch with the rows, and empty ones behind it.
                let first = local.request(round as u64 % 2);
                expected.push((first, 4 * count));
                expected.extend((0..3).map(|_| (local.request(0), 0)));
                local.wait(first + 3);
            }
            let summary = local.stop().expect("the job ends well");
            assert_eq!(summary.batches, expected.len() as u64);
            assert_eq!(sinks[0].acts_of(0), acts(expected.clone()));
            let ids: Vec<u64> = expected.iter().map(|(id, _)| *id).collect();
            assert_eq!(sinks[1].committed(), ids);
            assert_eq!(sinks[2].acts_of(0), acts(ids.into_iter().map(|id| (id, 0))));
        }
    }
}

fn every_shard_sees_every_batch_once_and_in_order() {
    for workers in [1, 2, 3] {
        let rows = Queue::<i64>::new(2);
        let sink = Witness::of(5, |_| Ok(()));
        let (source, shards) = (rows.clone(), sink.clone());
        let config = Config::new("shards").workers(workers).in_flight_max(4);
        let mut local = Local::start(config, move |ctx| {
            ctx.source(source.clone()).sink(shards.clone());
        })
        .expect("the program can run");
        rows.push(0..100);
        let last = (0..4).map(|_| local.request(0)).last().expect("a batch");
        let record = local.wait(last);
        assert_eq!(record.rows_out(), 0);
        local.stop().expect("the job ends well");
        let mut total = 0;
        for shard in 0..5 {
            let acts = sink.acts_of(shard);
            let Act::Write(1, rows) = acts[1] else { panic!("{acts:?}") };
            assert_eq!(acts, self::acts([(1, rows), (2, 0), (3, 0), (4, 0)]), "shard {shard}");
            total += rows;
        }
        assert_eq!(total, 100, "every row goes to one shard, on {workers} workers");
    }
}

fn a_windowed_sink_sees_only_batches_at_which_the_window_slides() {
    let rows = Queue::<i64>::new(1);
    let sink = Witness::new();
    let (source, output) = (rows.clone(), sink.clone());
    let mut local = Local::start(Config::new("slides").workers(2), move |ctx| {
        let window = ctx.source(source.clone()).window(Span::batches(4), Span::batches(3));
        window.count().sink(output.clone());
    })
    .expect("the program can run");
    // 1 2 (3) 4, 5, 8 stands for 6, 9, 13 for 12, 14, 20 for 15 and 18
    for skipped in [0, 0, 1, 0, 2, 0, 3, 0, 5] {
        local.tick_skipping(skipped);
    }
    local.stop().expect("the job ends well");
    assert_eq!(sink.committed(), [4, 8, 9, 13, 20]);
}

fn nothing_is_written_before_every_worker_has_closed_the_batch() {
    for workers in [1, 2, 4] {
        let rows = Queue::<i64>::new(4);
        let (gate, through) = (Gate::default(), Gate::default());
        through.open(u64::MAX);
        let (entered, sink_entered) = channel();
        let sink = Witness::of(1, move |act| {
            // The test may be over.
            let _ = entered.send(act);
            Ok(())
        });
        let (source, output) = (rows.clone(), sink.clone());
        let (stop_here, pass_here) = (gate.clone(), through.clone());
        let mut local = Local::start(Config::new("closed").workers(workers), move |ctx| {
            let (gate, through) = (stop_here.clone(), pass_here.clone());
            ctx.source(source.clone())
                .map(move |row| {
                    if row == -1 {
                        gate.pass()
                    } else {
                        through.pass()
                    }
                    row
                })
                .sink(output.clone());
        })
        .expect("the program can run");
        for partition in 0..4 {
            rows.push_to(partition, [if partition == 3 { -1 } else { 1 }]);
        }
        let first = local.request(0);
        gate.wait_for_arrivals(1);
        if workers == 4 {
            // All other workers are through with their rows.
            through.wait_for_arrivals(3);
        }
        assert_eq!(sink_entered.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
        gate.open(1);
        assert_eq!(sink_entered.recv_timeout(PATIENCE), Ok(Act::Begin(first)));
        local.wait(first);
        local.stop().expect("the job ends well");
        assert_eq!(sink.rows(), [(1, 4)]);
    }
}

struct GatedLog {
    gate: Gate,
    rows: Arc<Mutex<Vec<PlanRow>>>,
}

impl PlanLog for GatedLog {
    fn append(&self, row: &PlanRow) -> std::io::Result<()> {
        self.gate.pass();
        self.rows.lock().unwrap().push(row.clone());
        Ok(())
    }
}

fn nothing_is_written_before_its_plan_is() {
    for workers in [1, 2] {
        let rows = Queue::<i64>::new(2);
        let (gate, plans) = (Gate::default(), Arc::new(Mutex::new(Vec::new())));
        let (entered, sink_entered) = channel();
        let sink = Witness::of(1, move |act| {
            let _ = entered.send(act);
            Ok(())
        });
        let (source, output) = (rows.clone(), sink.clone());
        let log = GatedLog { gate: gate.clone(), rows: Arc::clone(&plans) };
        let config = Config::new("plan").workers(workers).in_flight_max(4).plan_log(Arc::new(log));
        let mut local = Local::start(config, move |ctx| {
            ctx.source(source.clone()).sink(output.clone());
        })
        .expect("the program can run");
        rows.push_to(0, [1, 2]);
        rows.push_to(1, [3]);
        let (first, second) = (local.request(0), local.request(0));
        gate.wait_for_arrivals(1);
        assert_eq!(sink_entered.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
        gate.open(1);
        local.wait(first);
        gate.wait_for_arrivals(2);
        std::thread::sleep(MOMENT);
        assert_eq!(sink.committed(), [first], "the plan of batch {second} is not written");
        gate.open(1);
        local.wait(second);
        local.stop().expect("the job ends well");
        let plans = plans.lock().unwrap();
        let planned: Vec<(u64, u64)> =
            plans.iter().map(|row| (row.tick.id, row.records())).collect();
        assert_eq!(planned, [(1, 3), (2, 0)]);
        let cuts = &plans[0].sources[0].partitions;
        let offsets: Vec<_> = cuts.iter().map(|cut| (cut.partition, cut.from, cut.to)).collect();
        assert_eq!(offsets, [(0, 0, 2), (1, 0, 1)]);
    }
}

fn a_batch_is_done_when_the_slowest_sink_has_committed_it() {
    let rows = Queue::<i64>::new(1);
    let gate = Gate::default();
    let (slow, quick) = (Witness::behind(&gate), Witness::new());
    let (source, outputs) = (rows.clone(), (slow.clone(), quick.clone()));
    let clock = tidegate::ManualClock::new();
    let config = Config::new("slow").workers(2).trigger(tidegate::Trigger::Manual(clock.clone()));
    let job = tidegate::start(config, move |ctx| {
        let rows = ctx.source(source.clone());
        rows.clone().sink(outputs.0.clone());
        rows.sink(outputs.1.clone());
    })
    .expect("the program can run");
    let first = clock.request(0);
    gate.wait_for_arrivals(1);
    assert!(clock.wait(first, MOMENT).is_none(), "one sink has not committed it");
    assert_eq!(quick.committed(), [first]);
    gate.open(1);
    assert_eq!(clock.wait(first, PATIENCE).map(|record| record.batch), Some(first));
    job.stop();
    assert_eq!(job.join().expect("the job ends well").batches, 1);
}

fn stopping_loses_nothing_that_was_cut() {
    // Four batches are in flight when the job is told to stop: all are written.
    let rows = Queue::<i64>::new(1);
    let gate = Gate::default();
    let sink = Witness::behind(&gate);
    let (source, output) = (rows.clone(), sink.clone());
    let clock = tidegate::ManualClock::new();
    let config = Config::new("stop")
        .workers(2)
        .in_flight_max(4)
        .trigger(tidegate::Trigger::Manual(clock.clone()));
    let job = tidegate::start(config, move |ctx| {
        ctx.source(source.clone()).sink(output.clone());
    })
    .expect("the program can run");
    rows.push(0..10);
    for _ in 0..4 {
        clock.request(0);
    }
    gate.wait_for_arrivals(1);
    assert!(clock.wait(4, MOMENT).is_none());
    job.stop();
    gate.open(u64::MAX);
    let summary = job.join().expect("the job ends well");
    assert_eq!((summary.batches, summary.rows_in, summary.rows_out), (4, 10, 10));
    assert_eq!(sink.rows(), [(1, 10), (2, 0), (3, 0), (4, 0)]);
}
