//! Joins of streams by event time, and of a stream with known rows.

use serde_json::Value;
use tidegate::sink::{Memory, Null};
use tidegate::source::Queue;
use tidegate::{DStream, EventJoined, EventPairs, EventStream, Record, TimeWindow, TimeWindows};

use super::Program;
use super::event_time::{Steps, counted, refusal, steps_of, time_ms};
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    Some(match &*case.op {
        "stream_join" if case.has("expect_error") => Ok(no_key),
        "stream_join" => stream_join(case),
        "stream_join3" => Ok(three_streams),
        "join_then_window_count" if case.has("expect_error") => {
            Err("a rejection, which later versions of Spark have given up".into())
        }
        "join_then_window_count" => Ok(join_then_window_count),
        "stream_static_join" => Ok(static_join),
        _ => return None,
    })
}

fn stream_join(case: &Case) -> Result<Program, String> {
    let on = case.text("on").unwrap_or_default();
    Ok(match case.text("output") {
        Some(output) if output.contains("window end") => in_windows,
        Some("(key, leftTime, rightTime)") => one_sided,
        Some("(leftKey, rightKey, leftTime, rightTime)") => left_outer_within,
        Some("(leftId, leftTime, rightId, rightTime)") => with_itself,
        Some("(left time, id, text, right time, id, text)") => without_empty_batches,
        output => return Err(format!("stream_join on {on}, {output:?}")),
    })
}

/// What a stream of a join has beside its key.
type Rows = Vec<Vec<Datum>>;

fn both_inputs(case: &Case) -> Vec<Rows> {
    vec![case.batches_of("left"), case.batches_of("right")]
}

/// Runs a join of two streams: in each step an empty batch follows where there is a watermark.
fn join_steps<E: Record>(
    case: &Case,
    workers: usize,
    program: impl for<'s> Fn([DStream<'s, Datum>; 2]) -> DStream<'s, E> + Send + Sync + 'static,
) -> Steps<E> {
    let has_watermark = case.has("watermark_s") || case.has("watermark_delay_s");
    let has_empty = has_watermark && case.params["no_data_batches"] != Value::Bool(false);
    steps_of(case, workers, both_inputs(case), if has_empty { 2 } else { 1 }, move |rows| {
        program(rows.try_into().unwrap_or_else(|_| panic!("two inputs")))
    })
}

/// Reads event times off rows, with the fact's watermark if it has one.
fn timed<'s, D: Record>(
    rows: DStream<'s, D>,
    delay_s: Option<i64>,
    time_ms: impl Fn(&D) -> i64 + 'static,
) -> EventStream<'s, D> {
    match delay_s {
        Some(delay_s) => rows.with_watermark(time_ms, delay_s * 1000),
        None => rows.event_time(time_ms),
    }
}

fn delay_s(case: &Case) -> Option<i64> {
    case.params["watermark_s"].as_i64()
}

fn list<const N: usize>(items: [Datum; N]) -> Datum {
    Datum::List(items.to_vec())
}

/// Compares what came out of each step. A fact may leave out a step in which nothing did.
fn hold(case: &Case, found: &Steps<Datum>) {
    let Some(left_out) = found.rows.len().checked_sub(case.expected.len()) else {
        panic!("{} steps, {} expected", found.rows.len(), case.expected.len());
    };
    if left_out == 0 {
        return found.hold(case);
    }
    let mut expected = case.expected.iter().map(|rows| {
        let rows = rows.as_array().expect("rows").iter().map(Datum::of);
        let mut rows: Vec<Datum> = rows.collect();
        rows.sort();
        rows
    });
    let mut next = expected.next();
    for (step, rows) in found.rows.iter().enumerate() {
        let mut rows = rows.clone();
        rows.sort();
        if Some(&rows) == next.as_ref() {
            next = expected.next();
        } else {
            assert_eq!(rows, [], "step {}, {next:?} expected", step + 1);
        }
    }
    assert_eq!(next, None, "nothing more came");
}

/// Compares how many rows came too late, where the fact says so.
fn hold_late(case: &Case, late: &Steps<i64>) {
    let Some(expected) = case.params["also_expect"]["dropped_by_watermark"].as_array() else {
        return;
    };
    for (step, (found, expected)) in counted(late).iter().zip(expected).enumerate() {
        if !expected.is_null() {
            assert_eq!(found, expected, "late in step {}", step + 1);
        }
    }
}

type InWindow = (TimeWindow, i64);
type WindowPairs<'s> = EventPairs<'s, InWindow, i64, i64>;

/// The two streams of a fact on windows: `k` is the key and the time in seconds, and the values are
/// twice and three times as much.
fn window_pairs<'s>(case: &Case, [left, right]: [DStream<'s, Datum>; 2]) -> WindowPairs<'s> {
    let delay_s = delay_s(case);
    let keyed = move |rows: DStream<'s, Datum>, times: i64| {
        let events = timed(rows.map(|row| row.number()), delay_s, |number| number * 1000);
        events.map(move |number| (number, number * times))
    };
    let windows = TimeWindows::tumbling(case.params["window_s"].as_i64().expect("a window") * 1000);
    let pairs = keyed(left, 2).pair_with(keyed(right, 3)).in_windows(windows);
    match case.text("on").expect("a condition") {
        "key and 10 s window" => pairs,
        "key, 10 s window and leftValue > 4" => pairs.on_left(|left| *left > 4),
        "key, 10 s window and rightValue > 7" => pairs.on_right(|right| *right > 7),
        "key, 10 s window, leftValue > 10 and (rightValue < 300 or rightValue > 1000)" => {
            pairs.on_left(|left| *left > 10).on_right(|right| *right < 300 || *right > 1000)
        }
        on => panic!("what is {on}?"),
    }
}

fn in_windows(case: &Case, workers: usize) {
    let fact = case.clone();
    let found = join_steps(case, workers, move |rows| {
        let pairs = window_pairs(&fact, rows);
        let as_text = fact.text("row").is_some_and(|row| row.contains("as string"));
        let right_value = move |value: i64| -> Datum {
            if as_text { Datum::Text(value.to_string()) } else { value.into() }
        };
        let key_twice = fact.text("output").is_some_and(|output| output.contains("right key"));
        let row = move |((window, key), (left, right)): (InWindow, (Option<i64>, Option<i64>))| {
            let (key, end) = (Datum::from(key), Datum::from(window.end_ms / 1000));
            let (left_value, right_value) = (left.into(), right.map(right_value).into());
            if !key_twice {
                return list([key, end, left_value, right_value]);
            }
            let keys = |there: bool| {
                if there { (key.clone(), end.clone()) } else { (Datum::Missing, Datum::Missing) }
            };
            let ((left_key, left_end), (right_key, right_end)) =
                (keys(left.is_some()), keys(right.is_some()));
            list([left_key, left_end, left_value, right_key, right_end, right_value])
        };
        let rows = match fact.text("how").expect("a kind of join") {
            "inner" => pairs.join().finals().map_values(|(l, r)| (Some(l), Some(r))),
            "left_outer" => pairs.left_outer_join().finals().map_values(|(l, r)| (Some(l), r)),
            "right_outer" => pairs.right_outer_join().finals().map_values(|(l, r)| (l, Some(r))),
            "full_outer" => pairs.full_outer_join().finals(),
            "left_semi" => {
                return pairs.semi_join().finals().map(|((window, key), left)| {
                    list([key, window.end_ms / 1000, left].map(Datum::from))
                });
            }
            how => panic!("what is a {how} join?"),
        };
        rows.map(row)
    });
    hold(case, &found);
    found.hold_sizes(case, &["stream_join"]);
    let fact = case.clone();
    let late = join_steps(case, workers, move |rows| {
        window_pairs(&fact, rows).full_outer_join().late_count()
    });
    hold_late(case, &late);
}

/// Pairs of a key and a number of seconds, by key, with the seconds for a value.
fn keyed_seconds(rows: DStream<'_, Datum>, delay_s: Option<i64>) -> EventStream<'_, (i64, i64)> {
    let events = timed(rows, delay_s, |row| time_ms(row, Some(1)));
    events.map(Datum::pair).map(|(key, at)| (key.number(), at.number()))
}

fn one_sided(case: &Case, workers: usize) {
    assert_eq!(case.text("on"), Some("key and leftTime < rightTime - 5"));
    let delay_s = delay_s(case);
    fn joined<'s>(
        rows: [DStream<'s, Datum>; 2],
        delay_s: Option<i64>,
    ) -> EventJoined<'s, i64, (i64, i64)> {
        let [left, right] = rows.map(|rows| keyed_seconds(rows, delay_s));
        let above = (std::ops::Bound::Excluded(5_000), std::ops::Bound::Unbounded);
        left.pair_with(right).within(above).join()
    }
    let found = join_steps(case, workers, move |rows| {
        let pairs = joined(rows, delay_s).finals();
        pairs.map(|(key, (left, right))| list([key, left, right].map(Datum::from)))
    });
    hold(case, &found);
    found.hold_sizes(case, &["stream_join"]);
    let late = join_steps(case, workers, move |rows| joined(rows, delay_s).late_count());
    hold_late(case, &late);
}

fn left_outer_within(case: &Case, workers: usize) {
    assert_eq!(case.text("on"), Some("key and |leftTime - rightTime| <= 210 s"));
    let delay_s = delay_s(case);
    let found = join_steps(case, workers, move |rows| {
        let [left, right] = rows.map(|rows| keyed_seconds(rows, delay_s));
        let joined = left.pair_with(right).within(-210_000..=210_000).left_outer_join();
        joined.finals().map(|(key, (left, right))| {
            list([key.into(), right.map(|_| key).into(), left.into(), right.into()])
        })
    });
    hold(case, &found);
    found.hold_sizes(case, &["stream_join"]);
}

/// A stream joined with itself, one side of which has only the even keys.
fn with_itself(case: &Case, workers: usize) {
    let (delay_s, is_full) = (delay_s(case), case.text("how") == Some("full_outer"));
    let on = case.text("on").expect("a condition");
    assert!(on.contains(if is_full {
        "right side keeps even ids"
    } else {
        "left side keeps even"
    }));
    let found = steps_of(case, workers, vec![case.batches()], 2, move |mut rows| {
        let rows = rows.pop().expect("an input");
        let is_even = |row: &Datum| row.clone().pair().0.number() % 2 == 0;
        let even = keyed_seconds(rows.clone().filter(is_even), delay_s);
        let all = keyed_seconds(rows, delay_s);
        let row = |(id, (left, right)): (i64, (Option<i64>, Option<i64>))| {
            let [left_id, right_id] = [left, right].map(|there| there.map(|_| id).into());
            list([left_id, left.into(), right_id, right.into()])
        };
        if is_full {
            let joined = all.pair_with(even).within(0..=5_000).full_outer_join();
            joined.finals().map(row)
        } else {
            let joined = even.pair_with(all).within(-5_000..=0).right_outer_join();
            joined.finals().map_values(|(left, right)| (left, Some(right))).map(row)
        }
    });
    hold(case, &found);
    found.hold_sizes(case, &["stream_join"]);
}

/// 2020-01-02, in seconds: a watermark starts at 0, long before.
const DAY_S: i64 = 1_577_923_200;

fn without_empty_batches(case: &Case, workers: usize) {
    assert_eq!(case.text("on"), Some("id and |leftTime - rightTime| <= 30 s"));
    let delay_s = delay_s(case);
    let found = join_steps(case, workers, move |rows| {
        let [left, right] = rows.map(|rows| {
            let events = timed(rows, delay_s, |row| time_ms(row, Some(0)) + DAY_S * 1000);
            events.key_by(|row| row.clone().items()[1].clone())
        });
        let joined = left.pair_with(right).within(-30_000..=30_000).left_outer_join();
        joined.finals().map(|(_, (left, right))| {
            let right = right.map_or_else(|| vec![Datum::Missing; 3], Datum::items);
            Datum::List([left.items(), right].concat())
        })
    });
    hold(case, &found);
}

/// What a stream without keys has in the place of joins, if it has none of its own.
trait NoPairs: Sized {
    fn pair_with(self, _other: Self) -> &'static str {
        "not supported"
    }
}

impl<D> NoPairs for EventStream<'_, D> {}

fn no_key(case: &Case, workers: usize) {
    let expected = case.text("expect_error").expect("an error").to_owned();
    let mut local = case
        .start(case.config(workers), move |ctx| {
            let rows = ctx.source(Queue::<Datum>::new(1)).event_time(|_| 0);
            let text = rows.clone().pair_with(rows.clone());
            assert!(expected.contains(text), "a join without a key: {text}");
            rows.into_stream().sink(Null::default());
        })
        .expect("the program can run");
    local.tick();
    local.stop().expect("the job ends well");
    // Nor is there an outer join whose rows would never come out.
    let text = refusal(case, workers, |rows| {
        let rows = rows.event_time(|_| 0).key_by(|_| 0i64);
        rows.clone().pair_with(rows).left_outer_join().finals().sink(Null::default());
    });
    assert!(text.contains("wait for ever"), "{text}");
}

fn three_streams(case: &Case, workers: usize) {
    let batches = ["a", "b", "c"].map(|input| case.batches_of(input)).to_vec();
    let found = steps_of(case, workers, batches, 1, |rows| {
        let mut rows = rows.into_iter().zip([2, 3, 5]).map(|(rows, times)| {
            let numbers = rows.map(|row| row.number()).event_time(|number| number * 1000);
            numbers.map(move |number| (number, number * times))
        });
        let mut next = || rows.next().expect("three inputs");
        let both = next().pair_with(next()).join().events();
        both.pair_with(next())
            .join()
            .finals()
            .map(|(key, ((a, b), c))| list([key, a, key, b, key, c].map(Datum::from)))
    });
    hold(case, &found);
}

fn join_then_window_count(case: &Case, workers: usize) {
    let length = case.params["window_s"].as_i64().expect("a window") * 1000;
    let delay_s = case.params["watermark_delay_s"].as_i64();
    let found = join_steps(case, workers, move |rows| {
        let [left, right] =
            rows.map(|rows| timed(rows, delay_s, |row| time_ms(row, None)).key_by(Datum::clone));
        let pairs = left.pair_with(right).at_same_time().join().events();
        let counts = pairs.window(TimeWindows::tumbling(length)).count().finals();
        counts.map(|(window, count)| Datum::from((window.start_ms / 1000, count)))
    });
    hold(case, &found);
    found.hold_sizes(case, &["window_count", "stream_join"]);
}

/// How many of 1 to 5 there are of each parity, counted by a job of their own.
fn parities(case: &Case, workers: usize) -> Vec<(i64, i64)> {
    let (numbers, counts) = (Queue::<i64>::new(1), Memory::new());
    let (source, sink) = (numbers.clone(), counts.clone());
    let mut local = case
        .start(case.config(workers), move |ctx| {
            let parities = ctx.source(source.clone()).map(|number| number % 2);
            parities.count_by_value().sink(sink.clone());
        })
        .expect("the program can run");
    numbers.push(1..=5);
    local.tick();
    local.stop().expect("the job ends well");
    counts.rows().concat()
}

fn static_join(case: &Case, workers: usize) {
    assert_eq!(case.text("static"), Some("count by parity of 1..5 = [[0,2],[1,3]]"));
    let parities = parities(case, workers);
    let found = steps_of(case, workers, vec![case.batches()], 1, move |mut rows| {
        let rows = rows.pop().expect("an input").map(|row| (row.number(), row));
        let joined = rows.join_static(parities.clone());
        joined.map(|(parity, (row, count))| list([row, parity.into(), count.into()]))
    });
    hold(case, &found);
    for record in found.records.concat() {
        assert!(record.state.is_empty(), "state is kept: {:?}", record.state);
    }
}
