//! Processes by key: Spark's flatMapGroupsWithState.

use tidegate::{Process, Timer, Turn, ValueState};

use super::event_time::{steps, steps_of, with_watermark_at};
use super::{Program, ones};
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    let then_count = match &*case.op {
        "flat_map_groups_with_state" => false,
        "flat_map_groups_with_state_then_count" => true,
        _ => return None,
    };
    Some(match case.text("fn").unwrap_or_default() {
        "count+=n; if count==3 drop state, emit nothing; else emit (key,count)" if !then_count => {
            Ok(up_to_two)
        }
        "count+=n; if count==3 drop state, emit (key,-1); else emit (key,count)" if then_count => {
            Ok(up_to_two_then_count)
        }
        text if text.starts_with("on data: state:=max event time") => Ok(newest_until_idle),
        "emit (key, number of values)" => Ok(|case, workers| {
            case.holds(workers, |words| ones(words).process_by_key(Tally).emitted());
        }),
        other => Err(format!("flat_map_groups_with_state with {other}")),
    })
}

/// The number of values of a key.
#[derive(Clone)]
struct Tally;

impl Process<Datum, i64> for Tally {
    type State = ();
    type Emitted = Datum;

    fn on_rows(&mut self, key: &Datum, rows: Vec<i64>, _: &mut (), turn: &mut Turn<'_, Datum>) {
        turn.emit(Datum::from((key.clone(), rows.len() as i64)));
    }
}

/// How often a key has come; the third time, what is given instead, and it is forgotten.
#[derive(Clone)]
struct UpToTwo {
    third: Option<i64>,
}

impl Process<Datum, i64> for UpToTwo {
    type State = ValueState<i64>;
    type Emitted = (Datum, i64);

    fn on_rows(
        &mut self,
        key: &Datum,
        rows: Vec<i64>,
        count: &mut ValueState<i64>,
        turn: &mut Turn<'_, (Datum, i64)>,
    ) {
        let now = count.get().unwrap_or(&0) + rows.len() as i64;
        if now == 3 {
            count.clear();
            self.third.into_iter().for_each(|third| turn.emit((key.clone(), third)));
        } else {
            count.update(now);
            turn.emit((key.clone(), now));
        }
    }
}

fn up_to_two(case: &Case, workers: usize) {
    let found = steps_of(case, workers, vec![case.batches()], 1, |mut rows| {
        let words = ones(rows.pop().expect("an input"));
        let counts = words.process_by_key(UpToTwo { third: None }).emitted();
        counts.map_values(|count| count.to_string()).map(Datum::from)
    });
    found.hold(case);
    found.hold_sizes(case, &["process_by_key"]);
}

fn up_to_two_then_count(case: &Case, workers: usize) {
    case.holds(workers, |words| {
        let counts = ones(words).process_by_key(UpToTwo { third: Some(-1) }).emitted();
        counts.keys().running().count_by_value().snapshots().map(Datum::from)
    });
}

/// The largest event time of a key; -1, when the watermark is 5 s past it.
#[derive(Clone)]
struct Newest;

impl Process<Datum, (i64, Datum)> for Newest {
    type State = ValueState<i64>;
    type Emitted = Datum;

    fn on_rows(
        &mut self,
        key: &Datum,
        rows: Vec<(i64, Datum)>,
        newest: &mut ValueState<i64>,
        turn: &mut Turn<'_, Datum>,
    ) {
        let times = rows.iter().map(|(at_ms, _)| *at_ms).chain(newest.get().copied());
        let now = times.max().expect("a key has rows");
        turn.timers().to_vec().into_iter().for_each(|timer| turn.delete_timer(timer));
        turn.set_timer(Timer::EventTime(now + 5_000));
        newest.update(now);
        turn.emit(Datum::from((key.clone(), now / 1000)));
    }

    fn on_timer(
        &mut self,
        key: &Datum,
        _timer: Timer,
        newest: &mut ValueState<i64>,
        turn: &mut Turn<'_, Datum>,
    ) {
        newest.clear();
        turn.emit(Datum::from((key.clone(), -1)));
    }
}

fn newest_until_idle(case: &Case, workers: usize) {
    let found = steps(case, workers, with_watermark_at(case, Some(1)), |events| {
        events.map(Datum::pair).process_by_key(Newest).emitted()
    });
    found.hold(case);
}
