//! What expires and what is due, step by step; random histories are in the workspace's own tests.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::{ListState, MapState, Process, ProcessByKey, Timer, Turn, ValueState};
use crate::event_time::{Paced, Watermark};
use crate::keyed::Mapped;
use crate::local::Local;
use crate::ship::key_group;
use crate::{Chunks, order, stable_hash};

type Step = fn(&mut Cells, &mut Turn<'_, String>);
type Cells = (ValueState<u64>, ListState<u64>, MapState<u64, u64>);

/// Rows are steps to be done; timers say when they were due, and may do one as well.
struct Steps {
    on_timer: Step,
    calls: Rc<Cell<u64>>,
}

/// Steps travel as numbers, so that they are records.
static STEPS: [Step; 9] = [
    |cells, _| cells.0.update(1),
    |cells, _| cells.1.push(cells.1.len() as u64),
    |cells, _| assert_eq!(cells.2.insert(cells.2.len() as u64, 7), None),
    |_, turn| turn.set_timer(Timer::EventTime(30)),
    |_, turn| turn.set_timer(Timer::EventTime(20)),
    |_, turn| turn.set_timer(Timer::BatchTime(2_500)),
    |_, turn| turn.delete_timer(Timer::EventTime(20)),
    |_, _| {},
    |cells, _| cells.1 = ListState::new(),
];

impl Process<char, usize> for Steps {
    type State = Cells;
    type Emitted = String;

    fn state(&self) -> Cells {
        let ttl = Duration::from_secs;
        (ValueState::new().ttl(ttl(1)), ListState::new().ttl(ttl(2)), MapState::new().ttl(ttl(3)))
    }

    fn on_rows(
        &mut self,
        key: &char,
        rows: Vec<usize>,
        cells: &mut Cells,
        turn: &mut Turn<'_, String>,
    ) {
        self.calls.set(self.calls.get() + 1);
        rows.into_iter().for_each(|row| STEPS[row](cells, turn));
        let (value, list, map) = (cells.0.exists(), cells.1.len(), cells.2.len());
        turn.emit(format!("{key} {value} {list} {map}"));
    }

    fn on_timer(
        &mut self,
        key: &char,
        timer: Timer,
        cells: &mut Cells,
        turn: &mut Turn<'_, String>,
    ) {
        self.calls.set(self.calls.get() + 1);
        turn.emit(format!("{key} {timer:?}"));
        (self.on_timer)(cells, turn);
    }
}

type Tested = Local<ProcessByKey<char, usize, Steps>>;

fn steps(on_timer: Step) -> (Tested, Rc<Cell<u64>>) {
    let calls = Rc::new(Cell::new(0));
    let process = Steps { on_timer, calls: Rc::clone(&calls) };
    let operator = ProcessByKey::new(process, |_| true);
    operator.states_wanted().set(false);
    (Local::new(operator), calls)
}

/// Closes a batch, the first of which is at a second: what is given, by key group.
fn close(local: &mut Tested, rows: &[(char, usize)], watermark_ms: i64) -> Vec<String> {
    let rows = Paced::Rows(Chunks::loose(rows.to_vec()));
    let given = local.close(vec![rows, Paced::Watermark(Watermark::at(watermark_ms))]);
    let rows = order::in_stream_order(given).into_iter().map(|row| match row {
        Mapped::Emitted(text) => text,
        Mapped::State(..) => panic!("not asked for"),
    });
    rows.collect()
}

#[test]
fn what_has_expired_is_not_seen_and_goes_without_its_key_being_touched() {
    let (mut local, calls) = steps(STEPS[7]);
    let all = [('a', 0), ('a', 1), ('a', 2)];
    assert_eq!(close(&mut local, &all, 0), ["a true 1 1"]);
    // A second later the value has expired, and a second value is in the list.
    assert_eq!(close(&mut local, &[('a', 1)], 0), ["a false 2 1"]);
    assert_eq!(close(&mut local, &[('a', 7)], 0), ["a false 1 1"]);
    assert_eq!(calls.get(), 3);
    let bytes = local.size().bytes;
    for keys in [0, 0] {
        assert_eq!(close(&mut local, &[], 0), [""; 0]);
        assert_eq!(local.size().keys, keys);
    }
    assert!(local.size().bytes < bytes, "the expiries have gone as well");
    assert_eq!(calls.get(), 3, "nothing is called for what expires");
    assert_eq!(local.saved().last().map(|(key, held)| (*key, held.is_none())), Some(('a', true)));
}

#[test]
fn timers_come_by_time_and_those_that_are_deleted_do_not() {
    let (mut local, _) = steps(STEPS[7]);
    let rows = [('a', 3), ('a', 4), ('a', 3), ('b', 4), ('b', 6), ('a', 5)];
    assert_eq!(close(&mut local, &rows, 19).len(), 2, "no timer yet");
    assert_eq!(close(&mut local, &[], 20), ["a EventTime(20)"]);
    // The third batch is at three seconds.
    assert_eq!(close(&mut local, &[], 99), ["a EventTime(30)", "a BatchTime(2500)"]);
    assert_eq!(local.size().keys, 0, "no timer is left, and no state");
    assert_eq!(close(&mut local, &[('a', 4)], 99), ["a false 0 0", "a EventTime(20)"]);
}

#[test]
fn a_timer_that_sets_itself_again_comes_once_in_each_batch() {
    let (mut local, _) = steps(STEPS[4]);
    assert_eq!(close(&mut local, &[('a', 3)], 5).len(), 1);
    assert_eq!(close(&mut local, &[], 50), ["a EventTime(30)"]);
    for _ in 0..3 {
        assert_eq!(close(&mut local, &[], 50), ["a EventTime(20)"]);
    }
    // A later one that has come is in the same batch.
    let (mut local, _) = steps(STEPS[3]);
    let given = close(&mut local, &[('a', 4)], 50);
    assert_eq!(given, ["a false 0 0", "a EventTime(20)", "a EventTime(30)"]);
}

#[test]
fn keys_have_their_turns_in_the_order_of_groups_and_then_of_keys() {
    let mut keys: Vec<char> = ('\u{1000}'..'\u{3000}').collect();
    let (mut local, _) = steps(STEPS[7]);
    let rows: Vec<(char, usize)> = keys.iter().rev().map(|key| (*key, 3)).collect();
    let turns = close(&mut local, &rows, 0);
    keys.sort_by_key(|key| (key_group(stable_hash(key)), *key));
    assert!(turns.iter().map(|turn| turn.chars().next()).eq(keys.into_iter().map(Some)));
    // Timers too, within each group.
    let timers = close(&mut local, &[], 30);
    assert!(timers.iter().zip(turns).all(|(timer, turn)| timer[..3] == turn[..3]));
}

#[test]
fn a_cell_that_is_replaced_as_a_whole_counts_as_written() {
    let (mut local, _) = steps(STEPS[7]);
    close(&mut local, &[('a', 1)], 0);
    assert_eq!(close(&mut local, &[('a', 8)], 0), ["a false 0 0"]);
    let saved: Vec<bool> = local.saved().iter().map(|(_, held)| held.is_some()).collect();
    assert_eq!((saved, local.size().keys), (vec![true, false], 0));
}

#[test]
fn idle_keys_cost_nothing_and_are_found_when_they_are_due() {
    let (mut local, calls) = steps(STEPS[7]);
    let keys = || ('\u{1000}'..'\u{5000}').map(|key| (key, 3));
    close(&mut local, &keys().collect::<Vec<_>>(), 0);
    let begun = calls.get();
    for _ in 0..5 {
        close(&mut local, &[('a', 7)], 29);
    }
    assert_eq!(calls.get(), begun + 5);
    assert_eq!(close(&mut local, &[], 30).len() as u64, begun);
    assert_eq!(local.size().keys, 0);
}

#[test]
#[should_panic(expected = "without a watermark")]
fn a_timer_in_event_time_needs_a_watermark() {
    let (mut local, _) = steps(STEPS[7]);
    local.close(vec![Paced::Rows(Chunks::loose(vec![('a', 3)]))]);
}
