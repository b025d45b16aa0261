//! Watermarks, and windows and sessions of event time.

use std::error::Error;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tidegate::metrics::BatchRecord;
use tidegate::sink::{Memory, Null};
use tidegate::source::Queue;
use tidegate::{
    Aggregate, Config, DStream, EventStream, EventTimeStats, Reading, Record, TimeWindow,
    TimeWindows, WatermarkPolicy,
};

use super::Program;
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    Some(match &*case.op {
        "event_window_count" => event_window_count(case),
        "event_time_count" => Ok(|case, workers| {
            let steps = steps(case, workers, with_watermark(case), |events| {
                let counts = events.window(TimeWindows::instants()).count().finals();
                counts.map(|(at, count)| Datum::from((at.start_ms / 1000, count)))
            });
            steps.hold(case);
        }),
        "watermark_two_streams" => Ok(watermark_two_streams),
        "event_time_stats" => Ok(|case, _| event_time_stats(case)),
        "watermark.validate" => Ok(negative_delays),
        "session_window" => session_window(case),
        "chain_window_window" => Ok(chain_window_window),
        _ => return None,
    })
}

/// What a stream of a fact becomes first: its records with their event times.
pub type Timed = Box<dyn for<'s> Fn(DStream<'s, Datum>) -> EventStream<'s, Datum> + Send + Sync>;

/// The event time of a record: itself, or the item at a place.
pub fn time_ms(row: &Datum, place: Option<usize>) -> i64 {
    match (row, place) {
        (Datum::List(items), Some(place)) => items[place].number() * 1000,
        (row, _) => row.number() * 1000,
    }
}

/// Records that are numbers of seconds.
pub fn with_watermark(case: &Case) -> Timed {
    with_watermark_at(case, None)
}

/// Records with a number of seconds at a place.
pub fn with_watermark_at(case: &Case, place: Option<usize>) -> Timed {
    match case.params["watermark_delay_s"].as_i64() {
        Some(delay) => {
            Box::new(move |rows| rows.with_watermark(move |row| time_ms(row, place), delay * 1000))
        }
        None => Box::new(move |rows| rows.event_time(move |row| time_ms(row, place))),
    }
}

/// What came out of each step of a fact, and the records of its batches.
pub struct Steps<E> {
    pub rows: Vec<Vec<E>>,
    pub records: Vec<Vec<BatchRecord>>,
}

/// Runs a program: a step is a batch of the input, and, where there is a watermark, an empty batch
/// behind it, which Spark runs when the watermark has moved, unless it ends with the batch.
pub fn steps<E: Record>(
    case: &Case,
    workers: usize,
    timed: Timed,
    program: impl for<'s> Fn(EventStream<'s, Datum>) -> DStream<'s, E> + Send + Sync + 'static,
) -> Steps<E> {
    let ticks = if case.has("watermark_delay_s") && !case.has("trigger") { 2 } else { 1 };
    steps_of(case, workers, vec![case.batches()], ticks, move |mut rows| {
        program(timed(rows.pop().expect("an input")))
    })
}

/// Runs a program of several inputs, in steps of one batch of each and empty ones behind it.
pub fn steps_of<E: Record>(
    case: &Case,
    workers: usize,
    batches: Vec<Vec<Vec<Datum>>>,
    ticks: usize,
    program: impl for<'s> Fn(Vec<DStream<'s, Datum>>) -> DStream<'s, E> + Send + Sync + 'static,
) -> Steps<E> {
    let inputs: Vec<_> = (0..batches.len()).map(|place| case.input(place)).collect();
    let (sources, output) = (inputs.clone(), Memory::<E>::new());
    let sink = output.clone();
    let mut local = case
        .start(case.config(workers), move |ctx| {
            let rows = sources.iter().map(|source| ctx.source(source.clone()));
            program(rows.collect()).sink(sink.clone());
        })
        .expect("the program can run");
    let count = batches.iter().map(Vec::len).max().expect("an input");
    let records = (0..count).map(|step| {
        for (input, batches) in inputs.iter().zip(&batches) {
            input.push(batches[step].clone());
        }
        let records = (0..ticks).map(|_| local.tick()).collect();
        local.step_over(&output);
        records
    });
    let records: Vec<Vec<BatchRecord>> = records.collect();
    local.stop().expect("the job ends well");
    let rows = output.rows();
    assert_eq!(rows.len(), records.len() * ticks, "a batch of output for each batch");
    Steps { rows: rows.chunks(ticks).map(<[_]>::concat).collect(), records }
}

impl Steps<Datum> {
    /// Compares what came out of each step, or through it.
    pub fn hold(&self, case: &Case) {
        assert_eq!(self.rows.len(), case.expected.len(), "steps");
        let mut so_far = Vec::new();
        for (number, (rows, expected)) in self.rows.iter().zip(&case.expected).enumerate() {
            so_far.extend(rows.iter().cloned());
            let Some(expected) = expected.as_array() else { continue };
            let mut expected: Vec<Datum> = expected.iter().map(Datum::of).collect();
            let all = case.text("check") == Some("all_so_far");
            let mut found = if all { so_far.clone() } else { rows.clone() };
            assert_eq!(case.text("compare"), Some("set"));
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "step {:?}", (number + 1, case.found));
        }
    }
}

impl<E> Steps<E> {
    /// Compares the sizes of states: keys after each step, and keys changed since the last step of
    /// which the fact says so.
    pub fn hold_sizes(&self, case: &Case, operators: &[&str]) {
        for (param, updated) in
            [("state_rows_total", false), ("state_rows", false), ("state_rows_updated", true)]
        {
            let Some(steps) = case.params["also_expect"][param].as_array() else { continue };
            let mut unchecked = 0;
            for (number, expected) in steps.iter().enumerate() {
                let numbers = match expected {
                    Value::Null => continue,
                    Value::Array(numbers) => numbers.clone(),
                    number => vec![number.clone()],
                };
                let found: Vec<Value> = operators
                    .iter()
                    .map(|operator| {
                        let records = self.records[unchecked..=number].iter().flatten();
                        let mut sizes = records.map(|record| {
                            let of = |state: &&_| named(state, operator);
                            record.state.iter().find(of).expect("the operator is in the job")
                        });
                        if updated {
                            Value::from(sizes.map(|state| state.updated).sum::<u64>())
                        } else {
                            Value::from(sizes.next_back().expect("a batch").keys)
                        }
                    })
                    .collect();
                assert_eq!(found, numbers, "{param} after step {}", number + 1);
                unchecked = number + 1;
            }
        }
    }
}

fn named(state: &tidegate::metrics::StateRecord, operator: &str) -> bool {
    state.operator == operator
}

/// What is counted in each step, added up.
pub fn counted(steps: &Steps<i64>) -> Vec<i64> {
    steps.rows.iter().map(|counts| counts.iter().sum()).collect()
}

/// The watermark of each batch, and the event times in it.
fn readings(case: &Case, workers: usize, timed: Timed) -> Vec<Vec<Reading>> {
    steps(case, workers, timed, |events| events.watermark()).rows
}

fn event_window_count(case: &Case) -> Result<Program, String> {
    Ok(match case.text("mode") {
        Some("append") => |case, workers| {
            let length = case.params["window_s"].as_i64().expect("a window") * 1000;
            let steps = steps(case, workers, with_watermark(case), move |events| {
                let counts = events.window(TimeWindows::tumbling(length)).count().finals();
                counts.map(|(window, count)| Datum::from((window.start_ms / 1000, count)))
            });
            steps.hold(case);
            steps.hold_sizes(case, &["window_count"]);
            event_times(case, workers);
        },
        Some("update") => |case, workers| {
            let length = case.params["window_s"].as_i64().expect("a window") * 1000;
            let steps = steps(case, workers, with_watermark(case), move |events| {
                let counts = events.window(TimeWindows::tumbling(length)).count().changes();
                counts
                    .filter(|change| change.diff > 0)
                    .map(|change| Datum::from((change.row.0.start_ms / 1000, change.row.1)))
            });
            steps.hold(case);
            steps.hold_sizes(case, &["window_count"]);
        },
        Some("complete") => |case, workers| {
            let length = case.params["window_s"].as_i64().expect("a window") * 1000;
            let steps = steps(case, workers, with_watermark(case), move |events| {
                let counts = events.window(TimeWindows::tumbling(length)).count().snapshots();
                counts.map(|(window, count)| Datum::from((window.start_ms / 1000, count)))
            });
            steps.hold(case);
            event_times(case, workers);
        },
        mode => return Err(format!("event_window_count {mode:?}")),
    })
}

/// The watermark of two streams after each step. The policy may be another one when the job is
/// started again.
fn watermark_two_streams(case: &Case, workers: usize) {
    let (fact, batches) = (case.clone(), ["left", "right"].map(|side| case.batches_of(side)));
    let found = steps_of(case, workers, batches.to_vec(), 2, move |rows| {
        let delays = ["left", "right"].map(|side| &fact.params["delay_s"][side]);
        let mut streams = rows.into_iter().zip(delays).map(|(rows, delay_s)| {
            let delay_s = delay_s.as_i64().expect("a delay");
            rows.with_watermark(|row| time_ms(row, None), delay_s * 1000)
        });
        let mut next = || streams.next().expect("two inputs");
        let at_restart = fact.text("policy_at_restart").filter(|_| fact.starts() > 1);
        let policy = match at_restart.or(fact.text("policy")) {
            Some("min") => WatermarkPolicy::Min,
            Some("max") => WatermarkPolicy::Max,
            other => panic!("what policy is {other:?}?"),
        };
        next().share_watermark(next(), policy).0.watermark()
    });
    let after = found.rows.iter().map(|readings| Value::from(readings[1].now_ms / 1000));
    let after: Vec<Value> = after.map(|seconds| Value::Array(vec![seconds])).collect();
    assert_eq!(after, case.expected, "watermarks, {:?}", case.found);
}

/// The statistics of the event times of each batch of the input, with its watermark.
fn event_times(case: &Case, workers: usize) {
    let Some(expected) = case.params["also_expect"]["event_time"].as_array() else { return };
    let found = readings(case, workers, with_watermark(case));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        if expected.is_null() {
            assert_eq!(found, &[], "no watermark, nothing to read");
            continue;
        }
        let stats = found[0].stats.expect("a batch with rows");
        let seconds = |ms: i64| Value::from(ms / 1000);
        assert_eq!(seconds(stats.min_ms), expected["min"]);
        assert_eq!(seconds(stats.max_ms), expected["max"]);
        assert_eq!(Some(stats.mean_ms() / 1000.0), expected["avg"].as_f64());
        assert_eq!(seconds(found[0].now_ms), expected["watermark"]);
    }
}

fn event_time_stats(case: &Case) {
    let stats_of = |value: &Value| {
        let number = |place: usize| value[place].as_f64().expect("a number");
        let sum_ms = (number(2) * number(3)) as i128;
        EventTimeStats {
            max_ms: number(0) as i64,
            min_ms: number(1) as i64,
            sum_ms,
            count: number(3) as u64,
        }
    };
    let steps = case.input.as_array().expect("steps");
    let mut stats = stats_of(&steps[0]);
    for (number, (step, expected)) in steps.iter().zip(&case.expected).enumerate() {
        match step[0].as_str() {
            Some("add") => stats.add(step[1].as_i64().expect("an event time")),
            Some("merge") => stats.merge(&stats_of(&step[1])),
            _ => {}
        }
        assert_eq!(stats, stats_of(expected), "step {}", number + 1);
        assert_eq!(Some(stats.mean_ms()), expected[2].as_f64(), "step {}", number + 1);
    }
}

/// An interval as Spark writes it, in milliseconds; a month has 31 days.
fn interval_ms(text: &str) -> i64 {
    let words: Vec<&str> = text.split(' ').collect();
    let parts = words.chunks(2).map(|part| {
        let seconds = match part[1].trim_end_matches('s') {
            "year" => 12 * 31 * 86_400,
            "month" => 31 * 86_400,
            "day" => 86_400,
            "second" => 1,
            unit => panic!("what is a {unit}?"),
        };
        part[0].parse::<i64>().expect("a number") * seconds * 1000
    });
    parts.sum()
}

/// Why a program is not run, with all causes.
pub fn refusal(
    case: &Case,
    workers: usize,
    program: impl for<'s> Fn(DStream<'s, Datum>) + Send + Sync + 'static,
) -> String {
    let source = Queue::<Datum>::new(1);
    let config = Config::new("fact").workers(workers);
    let Err(error) = case.start(config, move |ctx| program(ctx.source(source.clone()))) else {
        panic!("the program runs");
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn negative_delays(case: &Case, workers: usize) {
    let delays = case.input.as_array().expect("delays");
    for (delay, expected) in delays.iter().zip(&case.expected) {
        let delay_ms = interval_ms(delay[0].as_str().expect("an interval"));
        let text = refusal(case, workers, move |rows| {
            let events = rows.with_watermark(|row| row.number(), delay_ms);
            events.into_stream().sink(Null::default());
        });
        let expected = expected[0].as_str().expect("part of an error");
        assert!(text.contains(expected), "{text}");
    }
}

/// All values, in order.
#[derive(Clone)]
struct Values;

impl Aggregate<i64> for Values {
    type Acc = Vec<i64>;
    type Out = Vec<i64>;

    fn lift(&self, value: i64) -> Vec<i64> {
        vec![value]
    }

    fn merge(&self, acc: &mut Vec<i64>, other: Vec<i64>) {
        acc.extend(other);
        acc.sort_unstable();
    }

    fn finish(&self, _records: i64, acc: &Vec<i64>) -> Vec<i64> {
        acc.clone()
    }
}

/// What a stream without keys has in the place of sessions, if it has none of its own.
trait NoSessions {
    fn sessions(&self, gap_ms: fn(&(), &()) -> i64) -> &'static str;
}

impl<D> NoSessions for EventStream<'_, D> {
    fn sessions(&self, _gap_ms: fn(&(), &()) -> i64) -> &'static str {
        "not supported"
    }
}

fn session_window(case: &Case) -> Result<Program, String> {
    if case.has("expect_error") {
        return Ok(|case, workers| {
            let expected = case.text("expect_error").expect("an error");
            let text = Arc::new(Mutex::new("never run"));
            let seen = Arc::clone(&text);
            let mut local = case
                .start(case.config(workers), move |ctx| {
                    let rows = ctx.source(Queue::<Datum>::new(1));
                    let events = rows.with_watermark(|row| row.number(), 0);
                    *seen.lock().expect("nobody panics") = events.sessions(|_, _| 10);
                    events.into_stream().sink(Null::default());
                })
                .expect("the program can run");
            local.tick();
            local.stop().expect("the job ends well");
            let text = *text.lock().expect("nobody panics");
            assert!(text == "not supported" && expected.contains(text), "sessions: {text}");
        });
    }
    let statistics: Program = |case, workers| {
        let gap = gaps(case);
        let with_variance = case.text("output").is_some_and(|output| output.contains("variance"));
        let steps = steps(case, workers, with_watermark_at(case, Some(1)), move |events| {
            let gap = gap.clone();
            let keyed = events.map(Datum::pair).map(|(key, at)| (key, at.number()));
            let values = keyed.sessions(move |key, _| gap(key)).aggregate_by_key(Values);
            values.finals().map(move |(key, (window, values))| {
                let spread = if with_variance {
                    variance(&values)
                } else {
                    vec![values[0], values[values.len() - 1]]
                };
                session(key, window, &spread)
            })
        });
        steps.hold(case);
    };
    Ok(match case.text("output") {
        Some("(word, session start, session end, duration, events)") => session_count,
        Some(_) => statistics,
        None => return Err("session_window".into()),
    })
}

/// Mean, median, standard deviation, variance and sum, all whole numbers.
fn variance(values: &[i64]) -> Vec<i64> {
    let (sum, count) = (values.iter().sum::<i64>(), values.len() as i64);
    let mean = sum / count;
    let squares: i64 = values.iter().map(|value| (value - mean).pow(2)).sum();
    let variance = squares / (count - 1).max(1);
    let deviation = (variance as f64).sqrt() as i64;
    vec![mean, values[values.len() / 2], deviation, variance, sum]
}

fn session(key: Datum, window: TimeWindow, numbers: &[i64]) -> Datum {
    let span = [window.start_ms / 1000, window.end_ms / 1000];
    let numbers = span.iter().chain(numbers).map(|number| Datum::from(*number));
    Datum::List([key].into_iter().chain(numbers).collect())
}

/// The gap of a key.
fn gaps(case: &Case) -> impl Fn(&Datum) -> i64 + Clone + Send + Sync + 'static {
    let gaps = case.params["gap_s"].clone();
    move |key| {
        let of_key = match key {
            Datum::Text(key) if gaps.is_object() => gaps.get(key).unwrap_or(&gaps["*"]),
            _ => &gaps,
        };
        of_key.as_i64().expect("a gap") * 1000
    }
}

fn words(row: Datum) -> Vec<Datum> {
    let (line, at) = row.pair();
    let Datum::Text(line) = line else { panic!("{line:?} is no line") };
    line.split(' ').map(|word| Datum::List(vec![Datum::Text(word.into()), at.clone()])).collect()
}

fn session_count(case: &Case, workers: usize) {
    let delay = case.params["watermark_delay_s"].as_i64().expect("a watermark") * 1000;
    let timed = move || -> Timed {
        Box::new(move |lines| {
            lines.flat_map(words).with_watermark(|row| time_ms(row, Some(1)), delay)
        })
    };
    fn keyed(events: EventStream<'_, Datum>) -> EventStream<'_, (Datum, i64)> {
        events.map(|row| row.pair()).map(|(word, at)| (word, at.number()))
    }
    let gap = gaps(case);
    let found = steps(case, workers, timed(), move |events| {
        let gap = gap.clone();
        let sessions = keyed(events).sessions(move |word, _| gap(word)).count_by_key();
        sessions.finals().map(|(word, (window, count))| {
            let duration = (window.end_ms - window.start_ms) / 1000;
            session(word, window, &[duration, count])
        })
    });
    found.hold(case);
    let gap = gaps(case);
    let late = counted(&steps(case, workers, timed(), move |events| {
        let gap = gap.clone();
        keyed(events).sessions(move |word, _| gap(word)).count_by_key().late_count()
    }));
    let expected = case.params["also_expect"]["rows_dropped_by_watermark"].as_object();
    for (step, dropped) in expected.expect("dropped rows") {
        let step: usize = step.parse().expect("a step");
        assert_eq!(late[step - 1], *dropped, "late in step {step}");
    }
    if let Some(expected) = case.params["also_expect"]["watermark_s_after"].as_array() {
        let found = readings(case, workers, timed());
        let after = found.iter().map(|readings| Value::from(readings[1].now_ms / 1000));
        assert_eq!(&after.collect::<Vec<_>>(), expected, "watermarks");
    }
}

/// How many there are, and their sum.
#[derive(Clone)]
struct CountAndSum;

impl Aggregate<i64> for CountAndSum {
    type Acc = i64;
    type Out = (i64, i64);

    fn lift(&self, value: i64) -> i64 {
        value
    }

    fn merge(&self, acc: &mut i64, other: i64) {
        *acc += other;
    }

    fn finish(&self, records: i64, acc: &i64) -> (i64, i64) {
        (records, *acc)
    }
}

fn chain_window_window(case: &Case, workers: usize) {
    let lengths: Vec<i64> = case.params["windows_s"]
        .as_array()
        .expect("windows")
        .iter()
        .map(|length| length.as_i64().expect("a window") * 1000)
        .collect();
    let operators = match lengths.len() {
        2 => vec!["window_aggregate", "window_count"],
        _ => vec!["window_aggregate-2", "window_aggregate", "window_count"],
    };
    let with_end = lengths.len() > 2;
    let found = steps(case, workers, with_watermark(case), move |events| {
        let counts = events.window(TimeWindows::tumbling(lengths[0])).count();
        let mut sums = counts.closed().map(|(_, count)| count);
        let (last, between) = lengths[1..].split_last().expect("two windows or more");
        for length in between {
            let next = sums.window(TimeWindows::tumbling(*length)).aggregate(CountAndSum);
            sums = next.closed().map(|(_, (_, sum))| sum);
        }
        let finals = sums.window(TimeWindows::tumbling(*last)).aggregate(CountAndSum).finals();
        finals.map(move |(window, (windows, sum))| {
            let mut numbers = vec![window.start_ms / 1000];
            if with_end {
                numbers.push(window.end_ms / 1000);
            }
            numbers.extend([windows, sum]);
            Datum::List(numbers.into_iter().map(Datum::from).collect())
        })
    });
    found.hold(case);
    found.hold_sizes(case, &operators);
}
