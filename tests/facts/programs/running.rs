//! Aggregates of everything so far.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate::sink::{Memory, Null};
use tidegate::source::Queue;
use tidegate::{Count, DStream, RunError, Sum, Table};

use super::Program;
use crate::facts::case::Case;
use crate::facts::datum::Datum;
use crate::support::fail_on_purpose;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    let program: Program = match &*case.op {
        "agg_count" => return Some(agg_count(case)),
        "agg_count_prune" => pruned_by_time,
        "agg_count_sorted" => |case, workers| {
            assert_eq!(case.text("order"), Some("count desc"));
            let outputs = case.run(workers, |numbers| {
                let counts = numbers.running().count_by_value();
                // A table leaves in the order of its rows.
                counts.map(|(value, count)| Datum::from((-count, value))).snapshots()
            });
            let descending = |row: Datum| {
                let (count, value) = row.pair();
                Datum::from((value, -count.number()))
            };
            let outputs =
                outputs.into_iter().map(|rows| rows.into_iter().map(descending).collect());
            case.compare(&outputs.collect::<Vec<_>>());
        },
        "agg_count_distinct" => |case, workers| {
            case.holds_updates(workers, |pairs| {
                // Values per key, each once, and then how many there are.
                let values = pairs.flat_map(|row| {
                    let (key, values) = row.pair();
                    values
                        .items()
                        .into_iter()
                        .map(move |value| (key.clone(), value))
                        .collect::<Vec<_>>()
                });
                let distinct = values.running().count_by_value().map(|(pair, _times)| pair);
                distinct.aggregate_by_key(Count).map(Datum::from)
            });
        },
        "agg_sum" => |case, workers| {
            case.holds_updates(workers, |pairs| {
                let pairs = pairs.map(Datum::pair).map_values(|value| value.number());
                pairs.running().aggregate_by_key(Sum).map(Datum::from)
            });
        },
        "agg_count_global" => |case, workers| {
            case.holds(workers, |rows| rows.running().count().map(Datum::from));
        },
        _ => return None,
    };
    Some(Ok(program))
}

fn agg_count(case: &Case) -> Result<Program, String> {
    Ok(match (case.text("mode"), case.text("group"), case.text("pre")) {
        (Some("update"), Some("value, value+1"), None) => |case, workers| {
            case.holds_updates(workers, |numbers| {
                let groups = numbers.map(|x| vec![x.clone(), Datum::from(x.number() + 1)]);
                groups.running().count_by_value().map(|(mut group, count)| {
                    group.push(Datum::from(count));
                    Datum::List(group)
                })
            });
        },
        (Some("update"), Some("value"), Some("x -> x, x+1")) => |case, workers| {
            case.holds_updates(workers, |numbers| counts(numbers).map(Datum::from));
            state_sizes(case, workers);
        },
        (Some("complete"), Some("value"), Some("x -> x, x+1")) => |case, workers| {
            case.holds(workers, |numbers| counts(numbers).snapshots().map(Datum::from));
            state_sizes(case, workers);
        },
        (Some("complete"), Some("value"), None) => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.running().count_by_value().snapshots().map(Datum::from)
            });
        },
        (Some("update"), Some("value"), None) if case.has("inject") => fails_inside_a_batch,
        (mode, group, pre) => return Err(format!("agg_count {mode:?} {group:?} {pre:?}")),
    })
}

/// Counts of which the sink takes the values that are not far behind the batch's time. When the job
/// is started again, the sink has kept nothing: it is given the last batch again, at its own time.
fn pruned_by_time(case: &Case, workers: usize) {
    assert_eq!(case.text("filter"), Some("value >= batch_time_s - 10"));
    let (input, given) = (case.input(0), Arc::new(Mutex::new(Vec::new())));
    let (source, log) = (input.clone(), Arc::clone(&given));
    let interval = Duration::from_millis(case.number("trigger_ms").expect("an interval"));
    let mut local = case
        .start(case.config(workers).interval(interval), move |ctx| {
            let (counts, log) =
                (ctx.source(source.clone()).running().count_by_value(), Arc::clone(&log));
            counts.snapshots().foreach_batch(move |tick, counts| {
                let time = tick.time_ms / 1000;
                let recent = counts.iter().filter(|(value, _)| value.number() >= time - 10);
                let recent: Vec<Datum> = recent.cloned().map(Datum::from).collect();
                log.lock().unwrap().push((time, recent));
                Ok(())
            });
        })
        .expect("the program can run");
    let times = case.params["batch_times_s"].as_array().expect("times");
    let times: Vec<i64> = times.iter().map(|time| time.as_i64().expect("a time")).collect();
    let repeated = times.windows(2).position(|pair| pair[0] == pair[1]);
    let before = repeated.expect("a batch that is run again") + 1;
    let batches = case.batches();
    for batch in &batches[..before] {
        input.push(batch.clone());
        local.tick();
    }
    local.stop_and_start(&Memory::<Datum>::new());
    input.push(batches[before + 1].clone());
    let passed = Duration::from_secs((times[before + 1] - times[before]) as u64);
    local.tick_skipping((passed.as_millis() / interval.as_millis()) as u64 - 1);
    local.stop().expect("the job ends well");
    let given = given.lock().unwrap().clone();
    let (first, again) = given.split_at(before);
    // So are those before it, since nothing was saved.
    assert_eq!(again[..before], *first);
    let (found, outputs): (Vec<i64>, Vec<Vec<Datum>>) =
        first.iter().chain(&again[before - 1..]).cloned().unzip();
    assert_eq!(found, times);
    case.compare(&outputs);
}

/// A job whose program fails at the first 4 that it sees.
fn fails_inside_a_batch(case: &Case, workers: usize) {
    assert_eq!(case.text("inject"), Some("first sight of 4 fails the run; restart"));
    let (input, output) = (case.input(0), Memory::<Datum>::new());
    let (source, sink, fact) = (input.clone(), output.clone(), case.clone());
    let mut local = case
        .start(case.config(workers), move |ctx| {
            let fact = fact.clone();
            let numbers = ctx.source(source.clone()).map(move |number| {
                if fact.starts() <= 1 && number.number() == 4 {
                    fail_on_purpose("the first 4");
                }
                number
            });
            let counts = numbers.running().count_by_value().changes();
            let came = counts.filter(|change| change.diff > 0);
            came.map(|change| Datum::from(change.row)).sink(sink.clone());
        })
        .expect("the program can run");
    input.push(case.batches().concat());
    match local.tick_and_fail() {
        RunError::WorkerPanicked { message, .. } => assert!(message.contains("the first 4")),
        error => panic!("it came to {error:?}"),
    }
    assert_eq!(output.rows().concat(), [], "the batch was not through");
    local.start_again(&output);
    // If the batch was planned it is run again as it was, and this one is empty.
    local.tick();
    local.stop().expect("the job ends well");
    let outputs = output.rows().into_iter().filter(|rows| !rows.is_empty());
    case.compare(&outputs.collect::<Vec<_>>());
}

fn counts(numbers: DStream<'_, Datum>) -> Table<'_, (Datum, i64)> {
    let both = numbers.flat_map(|x| [x.clone(), Datum::from(x.number() + 1)]);
    both.running().count_by_value()
}

/// Keys in the state, and keys changed, after each batch.
fn state_sizes(case: &Case, workers: usize) {
    let expected = &case.params["also_expect"];
    let input = Queue::<Datum>::new(1);
    let source = input.clone();
    let mut local = case
        .start(case.config(workers), move |ctx| {
            counts(ctx.source(source.clone())).changes().sink(Null::default());
        })
        .expect("the program can run");
    for (number, batch) in case.batches().into_iter().enumerate() {
        input.push(batch);
        let record = local.tick();
        assert_eq!(record.state.len() as u64, expected["state_operators"], "operators");
        let state = &record.state[0];
        assert_eq!(state.keys, expected["state_rows_total"][number], "keys, batch {number}");
        assert_eq!(
            state.updated, expected["state_rows_updated"][number],
            "updated, batch {number}"
        );
    }
    local.stop().expect("the job ends well");
}
