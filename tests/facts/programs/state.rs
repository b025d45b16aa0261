//! State of one's own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::operators::Tick;
use tidegate::operators::batched::{Batch, BatchOperator, Output, Tap};
use tidegate::operators::keyed::{MapWithState, Mapped};
use tidegate::operators::{Chunks, order};
use tidegate::{DStream, State, StateSpec, StateStream, Visit};

use super::{Program, ones};
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    match &*case.op {
        "updateStateByKey" => Some(update_state_by_key(case)),
        "mapWithState" => Some(map_with_state(case)),
        "mapWithState.record" => Some(Ok(map_with_state_record)),
        "mapWithState.chain" => Some(Ok(map_with_state_chain)),
        "state_object" => Some(Ok(state_object)),
        _ => None,
    }
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
            let initial = initial_states(case);
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

fn initial_states(case: &Case) -> Vec<(Datum, i64)> {
    let states = case.params["initial_state"].as_array().map_or(&[][..], Vec::as_slice);
    let pairs = states.iter().map(|pair| Datum::of(pair).pair());
    pairs.map(|(key, state)| (key, state.number())).collect()
}

type Sums<'s> = StateStream<'s, Datum, i64, Datum>;

fn map_with_state(case: &Case) -> Result<Program, String> {
    fn with(
        words: DStream<'_, Datum>,
        initial: Vec<(Datum, i64)>,
        function: fn(Visit<'_, Datum, i64>, &mut State<i64>) -> Option<Datum>,
    ) -> Sums<'_> {
        ones(words).map_with_state(StateSpec::new().initial(initial), function)
    }
    fn add(visit: &Visit<'_, Datum, i64>, sum: &mut State<i64>) -> i64 {
        sum.update(sum.get().unwrap_or(&0) + visit.value.expect("nothing times out"));
        *sum.get().expect("just updated")
    }
    Ok(match case.text("fn").unwrap_or_default() {
        "state:=value+state; emit key+key" => |case, workers| {
            emits_and_keeps(case, workers, |words, initial| {
                with(words, initial, |visit, sum| {
                    add(&visit, sum);
                    let Datum::Text(key) = visit.key else { panic!("words are text") };
                    Some(Datum::Text(format!("{key}{key}")))
                })
            });
        },
        "state:=value+state; emit (key,sum)" => |case, workers| {
            emits_and_keeps(case, workers, |words, initial| {
                with(words, initial, |visit, sum| {
                    let sum = add(&visit, sum);
                    Some(Datum::from((visit.key.clone(), sum)))
                })
            });
        },
        "state:=value+state; emit nothing" => |case, workers| {
            emits_and_keeps(case, workers, |words, initial| {
                with(words, initial, |visit, sum| {
                    add(&visit, sum);
                    None
                })
            });
        },
        "state:=value+state" => |case, workers| {
            assert_eq!(case.text("emit"), Some("state snapshots"));
            case.holds(workers, |words| {
                let sums = with(words, Vec::new(), |visit, sum| {
                    add(&visit, sum);
                    None
                });
                sums.states().snapshots().map(Datum::from)
            });
        },
        text if text.starts_with("if state exists: remove, emit key") => |case, workers| {
            emits_and_keeps(case, workers, |words, initial| {
                with(words, initial, |visit, seen| {
                    if seen.exists() {
                        seen.remove();
                        return Some(visit.key.clone());
                    }
                    seen.update(visit.value.expect("nothing times out"));
                    None
                })
            });
        },
        other => return Err(format!("mapWithState with {other}")),
    })
}

/// Compares what is emitted, and the snapshots of the states.
fn emits_and_keeps(
    case: &Case,
    workers: usize,
    program: for<'s> fn(DStream<'s, Datum>, Vec<(Datum, i64)>) -> Sums<'s>,
) {
    let initial = initial_states(case);
    let states = initial.clone();
    case.holds(workers, move |words| program(words, initial.clone()).emitted());
    let snapshots = case.params["also_expect"]["state_snapshots"].as_array().expect("snapshots");
    let snapshots = Case { expected: snapshots.clone(), ..case.clone() };
    snapshots.holds(workers, move |words| {
        program(words, states.clone()).states().snapshots().map(Datum::from)
    });
}

/// Closes a batch of an operator that is driven by hand: what comes out, and what is saved.
fn close<O>(operator: &mut O, time_ms: i64, rows: Vec<(String, i64)>) -> (Vec<i64>, Vec<O::Saved>)
where
    O: BatchOperator<u64, Input = Chunks<(String, i64)>, Output = Chunks<Mapped<String, i64, i64>>>,
{
    let tick = Tick { id: time_ms as u64, previous: 0, time_ms, last: false };
    let batch = Batch { time: tick.id, tick: Some(tick) };
    let (mut tap, mut messages) = (Tap::new(true), Vec::new());
    let mut give = |message: &mut O::Output| messages.push(std::mem::take(message));
    operator.close(batch, vec![Chunks::loose(rows)], &mut Output::new(&mut give), &mut tap);
    let emitted = order::in_stream_order(messages).into_iter().filter_map(|row| match row {
        Mapped::Emitted(row) => Some(row),
        Mapped::State(..) => None,
    });
    (emitted.collect(), tap.take())
}

/// One key, whose state was set at one time and gets a batch at another.
fn map_with_state_record(case: &Case, _workers: usize) {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    let number = |param| case.number(param).expect("a time") as i64;
    let (begun, now) = (number("initial_state_time_ms"), number("batch_time_ms"));
    let texts = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let initial = texts(&case.params["initial_state"]);
    let initial = initial.iter().map(|state| ("key".to_owned(), state.as_i64().expect("a state")));
    let mut spec = StateSpec::new().initial(initial);
    if case.has("timeout_threshold_ms") {
        spec = spec.timeout(Duration::from_millis((now - number("timeout_threshold_ms")) as u64));
    }
    let instructions = ["noop", "get-state", "update-state", "remove-state"];
    let (called, removed, timing_out) = (Rc::new(Cell::new(false)), Rc::default(), Rc::default());
    let notes: [Rc<RefCell<Vec<i64>>>; 2] = [Rc::clone(&removed), Rc::clone(&timing_out)];
    let was_called = Rc::clone(&called);
    let function = move |visit: Visit<'_, String, i64>, state: &mut State<i64>| {
        was_called.set(true);
        let Some(instruction) = visit.value else {
            notes[1].borrow_mut().extend(state.get());
            return None;
        };
        match instructions[instruction as usize] {
            "get-state" => return Some(state.get().copied().unwrap_or(-1)),
            "update-state" => state.update(state.get().map_or(0, |state| state + 1)),
            "remove-state" => {
                notes[0].borrow_mut().extend(state.get());
                state.remove();
            }
            _ => {}
        }
        None
    };
    let mut operator = MapWithState::new(spec, function);
    let (_, mut saved) = close(&mut operator, begun, Vec::new());
    let rows = texts(&case.input[0]).into_iter().map(|text| {
        let place = instructions.iter().position(|instruction| text == *instruction);
        ("key".to_owned(), place.expect("an instruction") as i64)
    });
    let (emitted, news) = close(&mut operator, now, rows.collect());
    saved.extend(news);

    let expected = &case.params["also_expect"];
    assert_eq!(json!(emitted), case.expected[0], "emitted");
    let states: Vec<_> = saved.pop().and_then(|(_, state)| state).into_iter().collect();
    assert_eq!(json!(states), expected["states"], "states and their times");
    assert_eq!(json!(*removed.borrow()), expected["removed_states"], "removed");
    // What has just come is not removed for being old, whatever its age.
    assert_eq!(json!(*timing_out.borrow()), expected["timing_out_states"], "timing out");
    if let Some(expected) = expected["function_called"].as_bool() {
        assert_eq!(called.get(), expected, "called");
    }
}

/// Versions of a state, each made of an earlier one.
fn map_with_state_chain(case: &Case, _workers: usize) {
    let number = |param| case.number(param).expect("a time") as i64;
    let (begun, now) = (number("initial_state_time"), number("batch_time"));
    let function = |visit: Visit<'_, String, i64>, state: &mut State<i64>| {
        match visit.value {
            Some(1) => state.update(state.get().map_or(0, |state| state + 1)),
            Some(2) => state.remove(),
            _ => {}
        }
        None::<i64>
    };
    let text = |key: Datum| match key {
        Datum::Text(key) => key,
        other => panic!("{other:?} is no key"),
    };
    let initial: Vec<(String, i64)> =
        initial_states(case).into_iter().map(|(key, state)| (text(key), state)).collect();
    let operator = |initial: &[(String, i64)]| {
        MapWithState::new(StateSpec::new().initial(initial.to_vec()), function)
    };
    let (_, first) = close(&mut operator(&initial), begun, Vec::new());
    // What each version's tap has given, from the beginning.
    let mut versions = vec![first];
    for (number, step) in case.batches()[..].iter().enumerate() {
        let [base, rows] = &step[..] else { panic!("{step:?} is no step") };
        let rows = rows.clone().items().into_iter().map(Datum::pair);
        let rows = rows.map(|(key, value)| (text(key), value.number()));
        let mut saved = versions[base.number() as usize].clone();
        let mut next = operator(&[]);
        BatchOperator::<u64>::restore(&mut next, saved.clone());
        saved.extend(close(&mut next, now, rows.collect()).1);
        let mut states = std::collections::BTreeMap::new();
        for (key, state) in saved.iter().cloned() {
            states.insert(key, state);
        }
        let states: Vec<_> = states
            .into_iter()
            .filter_map(|(key, state)| state.map(|(state, time)| json!([key, state, time])))
            .collect();
        assert_eq!(json!(states), case.expected[number], "step {}", number + 1);
        versions.push(saved);
    }
}

/// What may be done to a state, and what is seen of it afterwards.
fn state_object(case: &Case, _workers: usize) {
    let actions = case.input.as_array().expect("sequences of actions");
    for (actions, expected) in actions.iter().zip(&case.expected) {
        let mut state: State<i64> = State::of(None);
        for action in actions.as_array().expect("actions") {
            let words: Vec<&str> = action.as_str().expect("an action").split(' ').collect();
            let number = words.get(1).and_then(|number| number.parse::<i64>().ok());
            match (words[0], number) {
                ("new", _) => state = State::of(None),
                ("wrap", number) => state = State::of(number),
                ("wrap_timing_out", Some(number)) => state = State::timing_out(number),
                ("update", Some(number)) => state.update(number),
                ("remove", _) => state.remove(),
                other => panic!("no such action: {other:?}"),
            }
        }
        let seen =
            (state.get().copied(), state.is_updated(), state.is_removed(), state.is_timing_out());
        assert_eq!(json!(seen), *expected, "{actions}");
        assert_eq!(state.exists(), state.get().is_some());
        let refuses = |change: fn(&mut State<i64>)| {
            let mut state = state.clone();
            catch_unwind(AssertUnwindSafe(|| change(&mut state))).is_err()
        };
        let is_closed = state.is_removed() || state.is_timing_out();
        assert_eq!(refuses(|state| state.update(1)), is_closed, "update after {actions}");
        assert_eq!(refuses(State::remove), is_closed, "remove after {actions}");
    }
}
