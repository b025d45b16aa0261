//! Windows of batches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::sink::Memory;
use tidegate::source::Directory;
use tidegate::{DStream, Departed, Reduce, RunError, Span, Table, Trigger, Windowed};

use super::Program;
use super::listeners::through;
use crate::facts::case::Case;
use crate::facts::datum::Datum;
use crate::support::fail_on_purpose;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    let program: Program = match &*case.op {
        "window" => |case, workers| {
            let window = case.window();
            case.holds(workers, move |rows| sliding(rows, window).snapshots());
        },
        "reduceByKeyAndWindow" => reduce_by_key_and_window,
        "reduceByWindow" if case.has("killed_during_batch") => reduce_files_by_window,
        "groupByKeyAndWindow" => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |pairs| {
                let groups = pairs
                    .map(Datum::pair)
                    .group_by_key_and_window(Span::batches(length), Span::batches(slide));
                groups.map_values(distinct).map(Datum::from)
            });
        },
        "countByWindow" => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |rows| {
                let (length, slide) = (Span::batches(length), Span::batches(slide));
                rows.count_by_window(length, slide).map(Datum::from)
            });
        },
        "countByValueAndWindow" => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |rows| {
                let (length, slide) = (Span::batches(length), Span::batches(slide));
                rows.count_by_value_and_window(length, slide).snapshots().map(Datum::from)
            });
        },
        _ => return None,
    };
    Some(Ok(program))
}

fn sliding(rows: DStream<'_, Datum>, (length, slide): (u64, u64)) -> Windowed<'_, Datum> {
    rows.window(Span::batches(length), Span::batches(slide))
}

/// The facts compare the values of a group as a set.
fn distinct(mut values: Vec<Datum>) -> Vec<Datum> {
    values.sort();
    values.dedup();
    values
}

fn reduce_by_key_and_window(case: &Case, workers: usize) {
    let (length, slide) = case.window();
    let (inverse, filter) = (case.has("inverse"), case.has("filter"));
    case.holds(workers, move |pairs| {
        let pairs = pairs.map(Datum::pair).map_values(|value| value.number());
        let (length, slide) = (Span::batches(length), Span::batches(slide));
        let table: Table<'_, (Datum, i64)> = if inverse {
            // Spark's: what has left the window stays at what the inverse function leaves.
            let window = pairs.window(length, slide).departed(Departed::Keep);
            window.aggregate_by_key(Reduce::new(|a, b| a + b).with_inverse(|a, b| a - b))
        } else {
            pairs.reduce_by_key_and_window(|a, b| a + b, length, slide)
        };
        let table = if filter { table.filter(|(_, value)| *value != 0) } else { table };
        table.snapshots().map(Datum::from)
    });
}

/// Files of a number each, a batch for each of them; one batch fails, and files come while the job
/// is down.
fn reduce_files_by_window(case: &Case, workers: usize) {
    let place = tempfile::tempdir().expect("a directory");
    let numbers = |param: &str| {
        let numbers = case.params[param].as_array().expect("numbers of files").clone();
        numbers.iter().map(|number| number.as_i64().expect("a number")).collect::<Vec<i64>>()
    };
    let write = |number: i64| {
        // It is there whole or not at all.
        let prepared = place.path().join(format!(".{number}"));
        fs::write(&prepared, format!("{number}\n")).expect("written");
        fs::rename(prepared, place.path().join(number.to_string())).expect("moved");
    };
    let [length, slide] = ["window_batches", "slide_batches"]
        .map(|param| Span::batches(case.number(param).expect("a span")));
    let killed_at = case.number("killed_during_batch").expect("a batch") as i64;

    let (output, (listener, through)) = (Memory::<i64>::new(), through());
    let (sink, files, fact) = (output.clone(), place.path().to_owned(), case.clone());
    let config = case.config(workers).trigger(Trigger::Count { records: 1 }).listener(listener);
    let mut local = case
        .start(config, move |ctx| {
            let fact = fact.clone();
            let number =
                |line: &[u8]| String::from_utf8_lossy(line).parse().map_err(|_| "?".into());
            let numbers = ctx.source(Directory::decoded(&files, number)).map(move |number: i64| {
                if fact.starts() <= 1 && number == killed_at {
                    fail_on_purpose("killed");
                }
                number
            });
            numbers.reduce_by_window(|a, b| a + b, length, slide).sink(sink.clone());
        })
        .expect("the program can run");
    // The files of each batch.
    let mut read: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    let mut until = |files: usize| {
        while read.values().flatten().count() < files {
            let record = through.recv_timeout(Duration::from_secs(60)).expect("it goes on");
            let names = record.sources[0].partitions.iter().filter(|file| file.records > 0);
            let names = names.map(|file| json!(file.name.parse::<i64>().expect("a number")));
            read.insert(record.batch, names.collect());
        }
    };
    let before = killed_at as usize - 1;
    (1..killed_at).for_each(write);
    until(before);
    write(killed_at);
    match local.fail() {
        RunError::WorkerPanicked { message, .. } => assert_eq!(message, "killed"),
        error => panic!("it came to {error:?}"),
    }
    let also = &case.params["also_expect"];
    assert_eq!(json!(output.rows().concat()), also["outputs_before_stop"]);
    let (down, after) = (numbers("files_while_down"), numbers("files_after_restart"));
    down.iter().copied().for_each(write);
    local.start_again(&output);
    until(before + 1 + down.len());
    after.iter().copied().for_each(write);
    until(before + 1 + down.len() + after.len());
    local.stop().expect("the job ends well");

    assert_eq!(case.text("check"), Some("set_of_all_outputs"));
    let found: BTreeSet<Datum> = output.rows().concat().into_iter().map(Datum::from).collect();
    let expected = case.expected[0].as_array().expect("sums").iter().map(Datum::of);
    assert_eq!(found, expected.collect::<BTreeSet<_>>(), "{:?}", case.found);
    let read: Vec<Value> = read.into_values().flatten().collect();
    let recovered = also["files_recorded_after_recovery"].as_array().expect("files");
    assert!(read.starts_with(recovered), "files {read:?}");
    assert_eq!(Value::from(read), also["files_recorded_at_end"]);
}
