//! The same program, plan and input: the same bytes, on any number of workers, with any number of
//! batches in flight.

use std::collections::BTreeMap;
use std::path::Path;

use libtest_mimic::Trial;
use tidegate::sink::{JsonLines, Memory, TextFiles};
use tidegate::source::{Generator, Queue};
use tidegate::{Config, DStream, Local, Max, Record, Span, Sum, Trigger};

use super::input::{Input, Row};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::same_bytes";
        a_stream_is_written_alike,
        changes_of_a_window_are_written_alike,
        mapped_results_are_written_alike,
        groups_and_partitions_are_written_alike,
        states_are_written_alike,
        batches_of_a_generator_are_cut_alike,
    ]
}

/// What was written: the rows in memory, and the names and bytes of all files.
#[derive(Debug, PartialEq)]
struct Written<E> {
    rows: Vec<Vec<E>>,
    files: BTreeMap<String, Vec<u8>>,
}

fn written<E: Record>(memory: &Memory<E>, directory: &Path) -> Written<E> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).expect("the directory can be read") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, std::fs::read(entry.path()).expect("a file"));
    }
    Written { rows: memory.rows(), files }
}

fn sinks<E: Record>(rows: DStream<'_, E>, memory: &Memory<E>, directory: &Path) {
    rows.clone().sink(memory.clone());
    rows.clone().sink(TextFiles::new(directory.join("rows")).suffix("txt"));
    rows.sink(JsonLines::new(directory.join("rows.jsonl")));
}

/// Runs a program in all ways, with as many batches asked for at once as may be in flight.
fn alike<E: Record>(
    seed: u64,
    program: impl for<'s> Fn(DStream<'s, Row>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
) {
    let input = Input::random(seed, 12, 5);
    let mut first: Option<Written<E>> = None;
    for (workers, in_flight) in [(1, 1), (1, 4), (2, 1), (2, 4), (3, 1), (3, 4), (4, 1), (4, 4)] {
        let directory = tempfile::tempdir().expect("a directory");
        let memory = Memory::new();
        let rows = Queue::<Row>::new(5);
        let (source, sink, program) = (rows.clone(), memory.clone(), program.clone());
        let path = directory.path().to_owned();
        let config = Config::new("alike").workers(workers).in_flight_max(in_flight);
        let mut local = Local::start(config, move |ctx| {
            sinks(program(ctx.source(source.clone())), &sink, &path);
        })
        .expect("the program can run");
        // A batch takes what is in the queue when it is cut: the next one's rows wait until the
        // last one is written, but for the empty batches that are asked for at once.
        for batch in &input.batches {
            for (partition, part) in batch.partitions.iter().enumerate() {
                rows.push_to(partition as u32, part.iter().cloned());
            }
            let mut last = local.request(batch.id - batch.previous - 1);
            for _ in 0..3 {
                last = local.request(0);
            }
            local.wait(last);
        }
        local.stop().expect("the job ends well");
        let written = written(&memory, directory.path());
        assert_eq!(written.rows.len() + 1, written.files.len(), "a file a batch");
        match &first {
            None => first = Some(written),
            Some(first) => {
                let what = format!("{workers} workers, {in_flight} in flight, seed {seed}");
                assert_eq!(written.rows, first.rows, "{what}");
                assert!(written.files == first.files, "files differ: {what}");
            }
        }
    }
}

fn a_stream_is_written_alike() {
    alike(800, |rows| rows.flat_map(|(key, value)| [(value, key.clone()), (0, key)]));
}

fn changes_of_a_window_are_written_alike() {
    alike(801, |rows| {
        rows.window(Span::batches(5), Span::batches(2)).aggregate_by_key(Sum).changes()
    });
}

fn mapped_results_are_written_alike() {
    // Here the order is that of tags made of key groups.
    alike(802, |rows| {
        let sums = rows.window(Span::batches(3), Span::batches(1)).aggregate_by_key(Max);
        let lines = sums.changes().map(|change| format!("{change:?}"));
        lines.clone().union(lines.map(|line| line.to_uppercase()))
    });
}

fn groups_and_partitions_are_written_alike() {
    alike(803, |rows| {
        let groups = rows.group_by_key().flat_map(|(key, values)| {
            values.into_iter().map(move |value| (key.clone(), value)).collect::<Vec<_>>()
        });
        groups.map_partitions(|rows: Vec<Row>| [(rows.len() as u64, rows)])
    });
}

fn states_are_written_alike() {
    alike(804, |rows| {
        let states = rows.update_state_by_key([], |update, state: Option<Vec<i64>>| {
            let mut state = state.unwrap_or_default();
            state.extend(update.values);
            (state.len() < 6).then_some(state)
        });
        states.snapshots().map(|(key, values)| (values, key))
    });
}

fn batches_of_a_generator_are_cut_alike() {
    let mut first = None;
    for (workers, in_flight) in [(1, 1), (2, 4), (3, 1), (4, 4)] {
        let directory = tempfile::tempdir().expect("a directory");
        let memory = Memory::new();
        let (sink, path) = (memory.clone(), directory.path().to_owned());
        let config = Config::new("alike")
            .workers(workers)
            .in_flight_max(in_flight)
            .trigger(Trigger::AvailableNow)
            .records_per_partition_max(300);
        let summary = tidegate::run(config, move |ctx| {
            let keys = ctx.source(Generator::zipf_keys(50, 7).records(2_000));
            let counts = keys.window(Span::batches(3), Span::batches(1)).count_by_value();
            sinks(counts.changes(), &sink, &path);
        })
        .expect("the job ends well");
        let written = written(&memory, directory.path());
        assert_eq!((summary.rows_in, summary.batches), (2_000, written.rows.len() as u64));
        match &first {
            None => first = Some(written),
            Some(first) => {
                assert_eq!(written.rows, first.rows, "{workers} workers, {in_flight} in flight");
                assert!(written.files == first.files, "{workers} workers: files differ");
            }
        }
    }
}
