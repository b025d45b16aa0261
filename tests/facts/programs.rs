//! The program for each operation, as far as Tidegate has it.

use std::sync::{Arc, Mutex};

use tidegate::metrics::{BatchRecord, BatchStart, Listener};
use tidegate::sink::Null;
use tidegate::source::Queue;
use tidegate::{Count, DStream, Departed, Local, Reduce, Span, Sum, Table, Windowed};

use super::case::Case;
use super::datum::Datum;

/// Runs a fact on a number of workers; panics if it does not hold.
pub type Program = fn(&Case, usize);

/// The program for a fact, or what is missing for it.
pub fn find(case: &Case) -> Result<Program, String> {
    for (param, what) in [
        ("restart_after_batches", "restart from a checkpoint"),
        ("inject", "restart from a checkpoint"),
        ("watermark_delay_s", "watermarks"),
        ("killed_during_batch", "restart from a checkpoint"),
    ] {
        if case.has(param) {
            return Err(what.into());
        }
    }
    let program: Program = match (&*case.op, case.has("expect_error")) {
        ("map", false) => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.map(|number| Datum::Text(number.number().to_string()))
            });
        },
        ("flatMap", false) => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.flat_map(|x| [Datum::from(x.number()), Datum::from(2 * x.number())])
            });
        },
        ("filter", false) => |case, workers| {
            case.holds(workers, |numbers| numbers.filter(|x| x.number() % 2 == 0));
        },
        ("mapPartitions", false) => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.map_partitions(|rows: Vec<Datum>| {
                    [Datum::from(rows.iter().map(Datum::number).sum::<i64>())]
                })
            });
        },
        ("groupByKey", false) => |case, workers| {
            case.holds(workers, |words| {
                words.map(|word| (word, Datum::from(1))).group_by_key().map(Datum::from)
            });
        },
        ("reduceByKey", false) => |case, workers| {
            case.holds(workers, |words| ones(words).reduce_by_key(|a, b| a + b).map(Datum::from));
        },
        ("reduce", false) => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.reduce(|a, b| Datum::from(a.number() + b.number()))
            });
        },
        ("count", false) => |case, workers| {
            case.holds(workers, |rows| rows.count().map(Datum::from));
        },
        ("countByValue", false) => |case, workers| {
            case.holds(workers, |rows| rows.count_by_value().map(Datum::from));
        },
        ("mapValues", false) => |case, workers| {
            case.holds(workers, |words| {
                let counts = ones(words).reduce_by_key(|a, b| a + b);
                counts.map_values(|v| v + 10).map(Datum::from)
            });
        },
        ("flatMapValues", false) => |case, workers| {
            case.holds(workers, |words| {
                let counts = ones(words).reduce_by_key(|a, b| a + b);
                counts.flat_map_values(|v| [v, v + 10]).map(Datum::from)
            });
        },
        ("union", false) => |case, workers| {
            case.holds(workers, |numbers| numbers.clone().union(shifted(numbers, 4)));
        },
        ("context.union", false) => |case, workers| {
            case.holds(workers, |numbers| {
                let others = shifted(numbers.clone(), 4).union(shifted(numbers.clone(), 8));
                numbers.union(others)
            });
        },
        ("updateStateByKey", false) => update_state_by_key(case)?,
        ("window", false) => |case, workers| {
            let window = case.window();
            case.holds(workers, move |rows| sliding(rows, window).snapshots());
        },
        ("reduceByKeyAndWindow", false) => reduce_by_key_and_window,
        ("groupByKeyAndWindow", false) => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |pairs| {
                let groups = pairs
                    .map(Datum::pair)
                    .group_by_key_and_window(Span::batches(length), Span::batches(slide));
                groups.map_values(distinct).map(Datum::from)
            });
        },
        ("countByWindow", false) => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |rows| {
                let (length, slide) = (Span::batches(length), Span::batches(slide));
                rows.count_by_window(length, slide).map(Datum::from)
            });
        },
        ("countByValueAndWindow", false) => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |rows| {
                let (length, slide) = (Span::batches(length), Span::batches(slide));
                rows.count_by_value_and_window(length, slide).snapshots().map(Datum::from)
            });
        },
        ("listener", false) => listener,
        ("agg_count", false) => agg_count(case)?,
        ("agg_count_distinct", false) => |case, workers| {
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
        ("agg_sum", false) => |case, workers| {
            case.holds_updates(workers, |pairs| {
                let pairs = pairs.map(Datum::pair).map_values(|value| value.number());
                pairs.running().aggregate_by_key(Sum).map(Datum::from)
            });
        },
        ("agg_count_global", false) => |case, workers| {
            case.holds(workers, |rows| rows.running().count().map(Datum::from));
        },
        (op, _) => return Err(op.to_owned()),
    };
    Ok(program)
}

fn ones(words: DStream<'_, Datum>) -> DStream<'_, (Datum, i64)> {
    words.map(|word| (word, 1))
}

fn shifted(numbers: DStream<'_, Datum>, by: i64) -> DStream<'_, Datum> {
    numbers.map(move |number| Datum::from(number.number() + by))
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

fn update_state_by_key(case: &Case) -> Result<Program, String> {
    Ok(match case.text("fn").unwrap_or_default() {
        "sum(values) + (state or 0)" => |case, workers| {
            case.holds(workers, |words| {
                let counts = ones(words).update_state_by_key([], |update, state: Option<i64>| {
                    Some(state.unwrap_or(0) + update.values.iter().sum::<i64>())
                });
                counts.snapshots().map(Datum::from)
            });
        },
        text if text.starts_with("if values non-empty: batch_time_ms") => |case, workers| {
            let initial: Vec<(Datum, i64)> = case.params["initial_state"]
                .as_array()
                .expect("initial states")
                .iter()
                .map(|pair| Datum::of(pair).pair())
                .map(|(key, state)| (key, state.number()))
                .collect();
            case.holds(workers, move |words| {
                let times = ones(words).update_state_by_key(
                    initial.clone(),
                    |update, state: Option<i64>| {
                        let time = if update.values.is_empty() { 0 } else { update.tick.time_ms };
                        Some(time + state.unwrap_or(0))
                    },
                );
                times.snapshots().map(Datum::from)
            });
        },
        text if text.starts_with("state {counter,expire}") => |case, workers| {
            case.holds(workers, |words| {
                let states =
                    ones(words).update_state_by_key([], |update, state: Option<(i64, i64)>| {
                        let (counter, expire) = state.unwrap_or_default();
                        match update.values.iter().sum::<i64>() {
                            0 if expire == 1 => None,
                            0 => Some((counter, expire + 1)),
                            sum => Some((counter + sum, 0)),
                        }
                    });
                let counters = states.map_values(|(counter, _)| counter);
                counters.snapshots().map(Datum::from)
            });
        },
        other => return Err(format!("updateStateByKey with {other}")),
    })
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
        (mode, group, pre) => return Err(format!("agg_count {mode:?} {group:?} {pre:?}")),
    })
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
    let mut local = Local::start(case.config(workers), move |ctx| {
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

#[derive(Default)]
struct Heard {
    submitted: Mutex<Vec<BatchStart>>,
    started: Mutex<Vec<BatchStart>>,
    completed: Mutex<Vec<BatchRecord>>,
}

impl Listener for Heard {
    fn batch_submitted(&self, batch: &BatchStart) {
        self.submitted.lock().unwrap().push(batch.clone());
    }

    fn batch_started(&self, batch: &BatchStart) {
        self.started.lock().unwrap().push(batch.clone());
    }

    fn batch_completed(&self, record: &BatchRecord) {
        self.completed.lock().unwrap().push(record.clone());
    }
}

fn listener(case: &Case, workers: usize) {
    let heard = Arc::new(Heard::default());
    let input = Queue::<Datum>::new(1);
    let source = input.clone();
    let config = case.config(workers).listener(Arc::clone(&heard) as Arc<dyn Listener>);
    let mut local = Local::start(config, move |ctx| {
        ctx.source(source.clone()).sink(Null::default());
    })
    .expect("the program can run");
    let batches = case.batches();
    for batch in batches.clone() {
        input.push(batch);
        local.tick();
    }
    local.stop().expect("the job ends well");
    for expected in &case.expected {
        let count = expected["count"].as_u64().expect("a count") as usize;
        let records: Vec<u64> = match expected["event"].as_str() {
            Some("submitted") => {
                heard.submitted.lock().unwrap().iter().map(|b| b.sources[0].rows).collect()
            }
            Some("started") => {
                let started = heard.started.lock().unwrap();
                assert!(started.iter().all(|batch| batch.scheduling_delay_ms >= 0.0));
                started.iter().map(|batch| batch.sources[0].rows).collect()
            }
            Some("completed") => {
                let completed = heard.completed.lock().unwrap();
                assert!(completed.iter().all(|batch| {
                    batch.scheduling_delay_ms >= 0.0
                        && batch.processing_ms >= 0.0
                        && batch.total_ms >= batch.processing_ms
                }));
                assert!(completed.is_sorted_by_key(|batch| batch.batch));
                completed.iter().map(BatchRecord::rows_in).collect()
            }
            other => panic!("an event that nobody knows: {other:?}"),
        };
        assert_eq!(records, vec![expected["records_each"].as_u64().expect("records"); count]);
    }
}
