//! What is told of each batch.

use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use tidegate::metrics::{BatchRecord, BatchStart, Listener};
use tidegate::sink::{Memory, Null};
use tidegate::source::{DeadLetter, Poll, Queue};
use tidegate::{Config, Local, Span};

use super::stand_ins::Scripted;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["engine::records";
        a_record_says_what_came_in_and_what_went_out,
        a_record_says_how_large_the_state_is,
        a_window_that_slides_over_a_gap_has_updated_nothing,
        a_listener_hears_of_every_batch_once_and_in_order,
        dead_letters_are_counted_and_kept_with_their_offsets,
        the_summary_adds_up_the_records,
    ]
}

fn a_record_says_what_came_in_and_what_went_out() {
    for workers in [1, 2, 4] {
        let (first, second) = (Queue::<i64>::new(3), Queue::<i64>::new(1));
        let sources = (first.clone(), second.clone());
        let mut local = Local::start(Config::new("record").workers(workers), move |ctx| {
            let rows = ctx.source(sources.0.clone());
            let both = rows.clone().union(ctx.source(sources.1.clone()));
            rows.filter(|row| row % 2 == 0).sink(Null::default());
            both.sink(Memory::new());
        })
        .expect("the program can run");
        first.push_to(0, [1, 2, 3]);
        first.push_to(2, [4]);
        second.push([5, 6]);
        let record = local.tick();
        assert_eq!((record.batch, record.previous, record.time_ms), (1, 0, 1_000));
        assert_eq!((record.rows_in(), record.rows_out(), record.dead_letters()), (6, 8, 0));
        let rows: Vec<u64> = record.sources.iter().map(|source| source.rows).collect();
        assert_eq!(rows, [4, 2]);
        assert_eq!(record.sinks.iter().map(|sink| sink.rows).collect::<Vec<_>>(), [2, 6]);
        assert_eq!(
            record.sinks.iter().map(|sink| &*sink.name).collect::<Vec<_>>(),
            ["null", "memory"]
        );
        assert!(record.frontier_lag_ms.is_none(), "batch times don't come from the wall clock");

        first.push_to(0, [7]);
        let record = local.tick_skipping(2);
        assert_eq!((record.batch, record.previous, record.time_ms), (4, 1, 4_000));
        let offsets = |record: &BatchRecord| -> Vec<(String, u64, u64, u64)> {
            let partitions = record.sources[0].partitions.iter();
            partitions.map(|p| (p.name.clone(), p.from, p.to, p.records)).collect()
        };
        let partition = |id: u32, from, to, records| (format!("queue-{id}"), from, to, records);
        assert_eq!(
            offsets(&record),
            [partition(0, 3, 4, 1), partition(1, 0, 0, 0), partition(2, 1, 1, 0),]
        );
        assert!(record.total_ms >= record.processing_ms && record.in_flight == 1);
        local.stop().expect("the job ends well");
    }
}

fn a_record_says_how_large_the_state_is() {
    for workers in [1, 2, 4] {
        let rows = Queue::<i64>::new(2);
        let source = rows.clone();
        let mut local = Local::start(Config::new("state").workers(workers), move |ctx| {
            let rows = ctx.source(source.clone());
            let counts = rows.clone().uid("totals").running().count_by_value();
            counts.changes().sink(Null::default());
            let window = rows.uid("last").window(Span::batches(2), Span::batches(1));
            window.table().changes().sink(Null::default());
        })
        .expect("the program can run");
        let state = |record: &BatchRecord| -> Vec<(String, u64, u64)> {
            let of = |s: &tidegate::metrics::StateRecord| (s.operator.clone(), s.keys, s.updated);
            record.state.iter().map(of).collect()
        };
        let (totals, last) = ("totals".to_string(), "last".to_string());
        rows.push_to(0, [1, 2, 3]);
        rows.push_to(1, [3, 4]);
        let record = local.tick();
        assert_eq!(state(&record), [(totals.clone(), 4, 4), (last.clone(), 5, 5)]);
        assert!(record.state.iter().all(|state| state.bytes > 0), "{:?}", record.state);
        rows.push_to(1, [4, 5]);
        let record = local.tick();
        assert_eq!(state(&record), [(totals.clone(), 5, 2), (last.clone(), 7, 2)]);
        assert_eq!(state(&local.tick()), [(totals, 5, 0), (last, 2, 0)]);
        local.stop().expect("the job ends well");
    }
}

fn a_window_that_slides_over_a_gap_has_updated_nothing() {
    // Of three batches the window shows the last; a row of another one never comes in.
    let rows = Queue::<i64>::new(1);
    let source = rows.clone();
    let mut local = Local::start(Config::new("gaps"), move |ctx| {
        let rows = ctx.source(source.clone());
        let window = |uid| rows.clone().uid(uid).window(Span::batches(1), Span::batches(3));
        window("rows").table().changes().sink(Null::default());
        window("all").snapshots().sink(Null::default());
        window("counts").count_by_value().changes().sink(Null::default());
    })
    .expect("the program can run");
    for batch in 1..=7u64 {
        rows.push([1, 2]);
        let record = local.tick();
        for state in &record.state {
            if state.operator == "counts" {
                continue;
            }
            let expected = if batch % 3 == 0 { (2, 2) } else { (2 * u64::from(batch > 3), 0) };
            assert_eq!((state.keys, state.updated), expected, "{state:?}, batch {batch}");
        }
    }
    local.stop().expect("the job ends well");
}

#[derive(Default)]
struct Heard {
    events: Mutex<Vec<(&'static str, u64, u64)>>,
}

impl Heard {
    fn note(&self, event: &'static str, batch: u64, rows: u64) {
        self.events.lock().unwrap().push((event, batch, rows));
    }
}

impl Listener for Heard {
    fn batch_submitted(&self, batch: &BatchStart) {
        self.note("submitted", batch.batch, batch.sources[0].rows);
    }

    fn batch_started(&self, batch: &BatchStart) {
        self.note("started", batch.batch, batch.sources[0].rows);
    }

    fn batch_completed(&self, record: &BatchRecord) {
        self.note("completed", record.batch, record.rows_in());
    }
}

fn a_listener_hears_of_every_batch_once_and_in_order() {
    for (workers, in_flight) in [(1, 1), (2, 4), (4, 4)] {
        let (rows, heard) = (Queue::<i64>::new(2), Arc::new(Heard::default()));
        let source = rows.clone();
        let config = Config::new("listener")
            .workers(workers)
            .in_flight_max(in_flight)
            .listener(Arc::clone(&heard) as Arc<dyn Listener>);
        let mut local = Local::start(config, move |ctx| {
            ctx.source(source.clone()).running().count_by_value().changes().sink(Null::default());
        })
        .expect("the program can run");
        rows.push_to(0, [1, 2]);
        rows.push_to(1, [3]);
        let ids: Vec<u64> = (0..6).map(|skipped| local.request(skipped % 2)).collect();
        ids.iter().for_each(|id| drop(local.wait(*id)));
        local.stop().expect("the job ends well");
        let events = heard.events.lock().unwrap();
        let of = |event| -> Vec<(u64, u64)> {
            let of_event = events.iter().filter(|(other, _, _)| *other == event);
            of_event.map(|(_, batch, rows)| (*batch, *rows)).collect()
        };
        let expected: Vec<(u64, u64)> =
            ids.iter().map(|id| (*id, if *id == 1 { 3 } else { 0 })).collect();
        for event in ["submitted", "started", "completed"] {
            assert_eq!(of(event), expected, "{event}, {workers} workers");
        }
        for id in ids {
            let at =
                |event| events.iter().position(|(other, batch, _)| (*other, *batch) == (event, id));
            assert!(at("submitted") < at("started") && at("started") < at("completed"));
        }
    }
}

fn dead_letters_are_counted_and_kept_with_their_offsets() {
    for workers in [1, 2, 3] {
        for inline in [true, false] {
            let done = Mutex::new(Vec::new());
            let source = Scripted::new(2, inline, move |assigned, intake| {
                let mut done = done.lock().unwrap();
                for partition in assigned {
                    if done.contains(&partition.id) {
                        continue;
                    }
                    done.push(partition.id);
                    for (offset, line) in ["1", "two", "3", "", "5"].into_iter().enumerate() {
                        let decoded = line.parse().map_err(|error| format!("{error}"));
                        intake.record(partition.id, offset as u64, line.as_bytes(), decoded);
                    }
                }
                Ok(Poll::End)
            });
            let (rows, letters) = (Memory::new(), Memory::<DeadLetter>::new());
            let sinks = (rows.clone(), letters.clone());
            let config = Config::new("dead").workers(workers);
            let config = config.trigger(tidegate::Trigger::AvailableNow);
            let config = config.records_per_partition_max(2);
            let summary = tidegate::run(config, move |ctx| {
                let (rows, dead) = ctx.source_with_dead_letters(source.clone());
                rows.sink(sinks.0.clone());
                dead.sink(sinks.1.clone());
            })
            .expect("the job ends well");
            assert_eq!((summary.rows_in, summary.dead_letters), (6, 4));
            assert_eq!(
                rows.rows(),
                [vec![1, 1], vec![3, 3], vec![5, 5]],
                "a batch has two records"
            );
            let letters: Vec<Vec<(String, u64, String)>> = letters
                .rows()
                .into_iter()
                .map(|batch| {
                    let of = |l: DeadLetter| (l.partition, l.offset, l.payload);
                    batch.into_iter().map(of).collect()
                })
                .collect();
            let both = |offset, text: &str| -> Vec<(String, u64, String)> {
                let of = |id| (format!("scripted-{id}"), offset, text.to_owned());
                [0, 1].map(of).to_vec()
            };
            assert_eq!(letters, [both(1, "two"), both(3, ""), vec![]]);
        }
    }
}

fn the_summary_adds_up_the_records() {
    let rows = Queue::<i64>::new(1);
    let source = rows.clone();
    let mut local = Local::start(Config::new("summary").workers(2), move |ctx| {
        ctx.source(source.clone()).flat_map(|row| [row, row]).sink(Null::default());
    })
    .expect("the program can run");
    let mut records = Vec::new();
    for count in [3, 0, 5] {
        rows.push(0..count);
        records.push(local.tick());
    }
    let summary = local.stop().expect("the job ends well");
    let sum = |of: fn(&BatchRecord) -> u64| records.iter().map(of).sum::<u64>();
    assert_eq!(summary.rows_in, sum(BatchRecord::rows_in));
    assert_eq!(summary.rows_out, sum(BatchRecord::rows_out));
    assert_eq!((summary.batches, summary.rows_in, summary.rows_out), (3, 8, 16));
    assert!(summary.total.max_ms >= summary.processing.p50_ms);
}
