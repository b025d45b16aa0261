//! State of one's own.

use super::{Program, ones};
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    match &*case.op {
        "updateStateByKey" => Some(update_state_by_key(case)),
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
