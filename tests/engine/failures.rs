//! How a run ends that goes wrong: with a typed error that has the right name, and soon.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use tidegate::error::{SinkError, SourceError};
use tidegate::metrics::{BatchRecord, Listener};
use tidegate::plan::{PlanLog, PlanRow};
use tidegate::sink::Null;
use tidegate::source::{Poll, Queue};
use tidegate::{Config, Local, RunError, Trigger};

use super::stand_ins::{Act, Gate, Scripted, Witness};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    quiet::expected_panics();
    trials!["engine::failures";
        a_panic_in_user_code_ends_the_run_within_a_second,
        a_panic_while_the_dataflow_is_built_ends_the_run,
        a_sink_s_error_names_the_batch,
        a_sink_s_panic_names_the_batch,
        a_failure_ends_a_run_whose_other_sinks_are_blocked,
        a_source_s_error_ends_the_run,
        a_source_s_panic_ends_the_run,
        a_plan_that_can_t_be_written_ends_the_run,
        a_listener_s_panic_does_not_end_the_run,
        a_call_that_never_ends_is_a_stall,
        a_sink_that_takes_its_time_is_no_stall,
        an_idle_job_is_no_stall,
    ]
}

/// Panics that a test expects are not shown: their traces take longer than a run may take to end.
mod quiet {
    /// What the panics say.
    const EXPECTED: [&str; 3] = ["out of its mind", "thirteen came", "does something else"];

    pub fn expected_panics() {
        let show = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let text = panic.payload_as_str().unwrap_or_default();
            if !EXPECTED.iter().any(|expected| text.contains(expected)) {
                show(panic);
            }
        }));
    }
}

/// What is promised for a panic; the rest is the time that a busy machine takes.
const SOON: Duration = Duration::from_millis(1_000);

/// The error of a run, which must come soon after `trouble`, and never later than `within`.
fn error_of<T: std::fmt::Debug>(
    within: Duration,
    trouble: impl FnOnce() -> Result<T, RunError>,
) -> RunError {
    let begun = Instant::now();
    let error = trouble().expect_err("the run must fail");
    assert!(begun.elapsed() < within, "it took {:?} to fail with {error}", begun.elapsed());
    error
}

fn a_panic_in_user_code_ends_the_run_within_a_second() {
    // On worker 0, which cuts the batches, and on one that does not.
    for (workers, worker) in [(1, 0), (4, 0), (4, 1), (4, 2), (4, 3)] {
        let rows = Queue::<i64>::new(4);
        let source = rows.clone();
        let mut local = Local::start(Config::new("panics").workers(workers), move |ctx| {
            ctx.source(source.clone())
                .map(|row| if row == 13 { panic!("thirteen came") } else { row })
                .running()
                .count_by_value()
                .changes()
                .sink(Null::default());
        })
        .expect("the program can run");
        (0..4).for_each(|partition| rows.push_to(partition, [1, 2, 3]));
        local.tick();
        rows.push_to(worker as u32, [13]);
        match error_of(SOON, || local.try_tick()) {
            RunError::WorkerPanicked { worker: at, message } => {
                assert_eq!((at, &*message), (worker, "thirteen came"));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn a_panic_while_the_dataflow_is_built_ends_the_run() {
    let config = Config::new("panics").workers(3).trigger(Trigger::AvailableNow);
    let error = error_of(SOON * 2, || {
        tidegate::run(config, |ctx| {
            // The first run, which only looks, is on its own; the workers are three.
            let is_last = ctx.scope().peers() == 3 && ctx.peers().index() == 2;
            assert!(!is_last, "worker 2 does something else");
            ctx.source(Queue::<i64>::new(3)).sink(Null::default());
        })
    });
    assert!(matches!(error, RunError::WorkerPanicked { worker: 2, .. }), "{error:?}");
}

fn a_sink_s_error_names_the_batch() {
    for act in [Act::Begin(2), Act::Write(2, 0), Act::Commit(2)] {
        for workers in [1, 2] {
            let sink = Witness::of(1, move |now| match now == act {
                true => Err(SinkError::Invalid("the disk is full".into())),
                false => Ok(()),
            });
            let output = sink.clone();
            let config = Config::new("fails").workers(workers).in_flight_max(4);
            let mut local = Local::start(config, move |ctx| {
                ctx.source(Queue::<i64>::new(2)).sink(output.clone());
            })
            .expect("the program can run");
            local.tick();
            match error_of(SOON, || local.try_tick()) {
                RunError::Sink { name, batch, source: SinkError::Invalid(text) } => {
                    assert_eq!((&*name, batch, &*text), ("witness", Some(2), "the disk is full"));
                }
                other => panic!("{other:?}"),
            }
            let acts = sink.acts_of(0);
            assert_eq!(acts[acts.len() - 2..], [act, Act::Abort]);
            assert!(!acts.contains(&Act::Begin(3)), "nothing is written after a failure");
        }
    }
}

fn a_sink_s_panic_names_the_batch() {
    let sink = Witness::of(1, |act| match act {
        Act::Write(2, _) => panic!("the sink is out of its mind"),
        _ => Ok(()),
    });
    let mut local = Local::start(Config::new("panics").workers(2), move |ctx| {
        ctx.source(Queue::<i64>::new(2)).sink(sink.clone());
    })
    .expect("the program can run");
    local.tick();
    let error = error_of(SOON, || local.try_tick());
    let RunError::Sink { batch: Some(2), source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("the sink is out of its mind"), "{source}");
}

fn a_failure_ends_a_run_whose_other_sinks_are_blocked() {
    let gate = Gate::default();
    let blocked = Witness::behind(&gate);
    let fails = Witness::of(1, |_| Err(SinkError::Invalid("no".into())));
    let mut local = Local::start(Config::new("blocked").workers(2), move |ctx| {
        let rows = ctx.source(Queue::<i64>::new(2));
        rows.clone().sink(blocked.clone());
        rows.sink(fails.clone());
    })
    .expect("the program can run");
    let error = error_of(2 * SOON, || local.try_tick());
    assert!(matches!(error, RunError::Sink { batch: Some(1), .. }), "{error:?}");
    // The thread of the blocked sink was not waited for; let it go.
    gate.open(u64::MAX);
}

/// Ends after a few calls in the given way.
fn failing_source(
    inline: bool,
    end: impl Fn() -> Result<Poll, SourceError> + Send + Sync + 'static,
) -> Scripted {
    let calls = Mutex::new(0u64);
    Scripted::new(1, inline, move |assigned, intake| {
        if assigned.is_empty() {
            return Ok(Poll::Idle);
        }
        let call = {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            *calls
        };
        if call > 3 {
            return end();
        }
        intake.push(0, call, 1);
        Ok(Poll::Idle)
    })
}

fn run_until_it_ends(source: Scripted, workers: usize) -> RunError {
    let config = Config::new("source").workers(workers).trigger(Trigger::Continuous);
    error_of(2 * SOON, || {
        tidegate::run(config, move |ctx| ctx.source(source.clone()).sink(Null::default()))
    })
}

fn a_source_s_error_ends_the_run() {
    for inline in [true, false] {
        for workers in [1, 4] {
            let source = failing_source(inline, || Err(SourceError::Invalid("gone".into())));
            let error = run_until_it_ends(source, workers);
            let RunError::Source { name, source, started } = &error else { panic!("{error:?}") };
            assert_eq!((&**name, source.to_string(), *started), ("scripted", "gone".into(), true));
            assert!(!error.is_before_start());
        }
    }
}

fn a_source_s_panic_ends_the_run() {
    for workers in [1, 4] {
        let panics = || failing_source_text();
        // A thread of its own panics as a source, a reader on the worker as its worker.
        let error = run_until_it_ends(failing_source(false, panics), workers);
        let RunError::Source { source, started: true, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains("the reader is out of its mind"), "{source}");
        let error = run_until_it_ends(failing_source(true, panics), workers);
        let RunError::WorkerPanicked { worker: 0, message } = &error else { panic!("{error:?}") };
        assert!(message.contains("the reader is out of its mind"), "{message}");
    }
}

fn failing_source_text() -> Result<Poll, SourceError> {
    panic!("the reader is out of its mind")
}

struct FullDisk;

impl PlanLog for FullDisk {
    fn append(&self, row: &PlanRow) -> std::io::Result<()> {
        if row.tick.id < 3 { Ok(()) } else { Err(std::io::ErrorKind::StorageFull.into()) }
    }
}

fn a_plan_that_can_t_be_written_ends_the_run() {
    let sink = Witness::new();
    let output = sink.clone();
    let config = Config::new("plan").workers(2).plan_log(Arc::new(FullDisk));
    let mut local = Local::start(config, move |ctx| {
        ctx.source(Queue::<i64>::new(2)).sink(output.clone());
    })
    .expect("the program can run");
    local.tick();
    local.tick();
    let error = error_of(SOON, || local.try_tick());
    assert!(matches!(error, RunError::Plan { batch: 3, .. }), "{error:?}");
    assert_eq!(sink.committed(), [1, 2], "a batch without a plan is not written");
}

struct OutOfItsMind;

impl Listener for OutOfItsMind {
    fn batch_completed(&self, _record: &BatchRecord) {
        panic!("the listener is out of its mind");
    }
}

fn a_listener_s_panic_does_not_end_the_run() {
    let config = Config::new("listener").workers(2).listener(Arc::new(OutOfItsMind));
    let mut local = Local::start(config, |ctx| {
        ctx.source(Queue::<i64>::new(2)).sink(Null::default());
    })
    .expect("the program can run");
    (1..=5).for_each(|batch| assert_eq!(local.tick().batch, batch));
    assert_eq!(local.stop().expect("the job ends well").batches, 5);
}

fn a_call_that_never_ends_is_a_stall() {
    for (workers, worker) in [(1, 0), (2, 1)] {
        let (rows, gate) = (Queue::<i64>::new(2), Gate::default());
        let (source, blocks) = (rows.clone(), gate.clone());
        let patience = Duration::from_millis(300);
        let config = Config::new("stalls").workers(workers).stall_timeout(patience);
        let mut local = Local::start(config, move |ctx| {
            let gate = blocks.clone();
            let rows = ctx.source(source.clone()).map(move |row| {
                if row == 13 {
                    gate.pass();
                }
                row
            });
            rows.sink(Null::default());
        })
        .expect("the program can run");
        local.tick();
        rows.push_to(worker as u32, [13]);
        let error = error_of(Duration::from_secs(3), || local.try_tick());
        let RunError::WorkerStalled { worker: at, stalled_for, in_operator } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((*at, *in_operator), (worker, true));
        assert!(*stalled_for >= patience, "{stalled_for:?}");
        gate.open(u64::MAX);
    }
}

fn a_sink_that_takes_its_time_is_no_stall() {
    let gate = Gate::default();
    let sink = Witness::behind(&gate);
    let config = Config::new("slow").workers(2).stall_timeout(Duration::from_millis(200));
    let mut local = Local::start(config, move |ctx| {
        ctx.source(Queue::<i64>::new(2)).sink(sink.clone());
    })
    .expect("the program can run");
    let batch = local.request(0);
    gate.wait_for_arrivals(1);
    std::thread::sleep(Duration::from_millis(900));
    gate.open(u64::MAX);
    assert_eq!(local.wait(batch).batch, 1);
    local.stop().expect("the job ends well");
}

fn an_idle_job_is_no_stall() {
    let config = Config::new("idle").workers(2).stall_timeout(Duration::from_millis(200));
    let mut local = Local::start(config, |ctx| {
        ctx.source(Queue::<i64>::new(2)).sink(Null::default());
    })
    .expect("the program can run");
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(local.tick().batch, 1);
    local.stop().expect("the job ends well");
}
