//! Spark's mapWithState: a user's state per key, visited only for what has come, and once more
//! when nothing has come for too long.
//!
//! Why a batch costs only the keys that it touches: nothing is visited that has no record, and the
//! keys that time out are at the front of a list by last touch.

use std::cell::Cell;
use std::rc::Rc;

use super::mapped::{Emitted, Mapped};
use super::visits::{Touched, Visits};
use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::keyed::{State, StateSpec, Visit};
use crate::{Chunks, Epoch, Record, order};

/// Keeps a state per key, and calls `function` for each record with the state of its key, and once
/// without a value for each key whose state times out.
///
/// Kept: the state of each key, until the function removes it or it times out; with a timeout, 24
/// bytes more for each key. A batch costs the keys that it touches and those that time out.
///
/// ```
/// use tidegate_operators::keyed::{MapWithState, Mapped, State, StateSpec, Visit};
/// use tidegate_operators::local::Local;
///
/// // Running sums, each shown when a record comes.
/// let sum = |visit: Visit<'_, char, i64>, sum: &mut State<i64>| {
///     let now = sum.get().unwrap_or(&0) + visit.value.unwrap_or(0);
///     sum.update(now);
///     Some((*visit.key, now))
/// };
/// let mut sums = Local::new(MapWithState::new(StateSpec::new(), sum));
/// let rows = sums.rows(vec![('a', 1), ('a', 2)]);
/// let emitted = [Mapped::Emitted(('a', 1)), Mapped::Emitted(('a', 3))];
/// assert_eq!(rows, [vec![Mapped::State(('a', 3), 1)], emitted.into()].concat());
/// assert_eq!(sums.rows(vec![]), []);
/// ```
pub struct MapWithState<K, V, S, I, F>
where
    K: Record,
    S: Record,
{
    visits: Visits<K, V, S, I, F>,
    states_wanted: Rc<Cell<bool>>,
    slide: u64,
    updated: u64,
}

impl<K, V, S, I, F> MapWithState<K, V, S, I, F>
where
    K: Record,
    V: Record,
    S: Record,
    I: IntoIterator,
    F: FnMut(Visit<'_, K, V>, &mut State<S>) -> I,
{
    /// An operator that starts from the initial states of `spec`: those of the keys that this
    /// worker owns.
    pub fn new(spec: StateSpec<K, S>, function: F) -> Self {
        let states_wanted = Rc::new(Cell::new(true));
        MapWithState { visits: Visits::new(spec, function), states_wanted, slide: 1, updated: 0 }
    }

    /// For a stream that has a batch only where the tick covers a multiple of `slide`: nothing
    /// times out in between.
    pub fn slide(mut self, slide: u64) -> Self {
        self.slide = slide;
        self
    }

    /// Whether the table of states is given too, for which each state that changes is copied.
    pub fn states_wanted(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.states_wanted)
    }
}

impl<T, K, V, S, I, F> BatchOperator<T> for MapWithState<K, V, S, I, F>
where
    T: Epoch,
    K: Record,
    V: Record,
    S: Record,
    I: IntoIterator<Item: Record> + 'static,
    F: FnMut(Visit<'_, K, V>, &mut State<S>) -> I + 'static,
{
    type Input = Chunks<(K, V)>;
    type Output = Chunks<Mapped<K, S, I::Item>>;
    /// A key with its state and when it was last touched; `None` once it is gone.
    type Saved = (K, Option<(S, i64)>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let (tick, wanted) = (batch.tick_or_panic(), self.states_wanted.get());
        self.updated = 0;
        if !tick.covers_multiple_of(self.slide) {
            return;
        }
        let (mut emitted, mut states, mut updated) = (Emitted::new(), Vec::new(), 0);
        self.visits.step(tick, order::in_stream_order(input), wanted, |touched| {
            let Touched { key, before, after, is_updated, is_news, emitted: rows } = touched;
            updated += u64::from(is_updated);
            if is_news {
                let saved = after.map(|held| (&held.state, held.time_ms));
                tap.record(|| {
                    (key.clone(), saved.map(|(state, time_ms)| (state.clone(), time_ms)))
                });
            }
            let after = after.map(|held| &held.state);
            if wanted && before.as_ref() != after {
                states.extend(before.map(|state| Mapped::State((key.clone(), state), -1)));
                let after = after.cloned();
                states.extend(after.map(|state| Mapped::State((key.clone(), state), 1)));
            }
            emitted.add(key, rows);
        });
        self.updated = updated;
        if !states.is_empty() {
            output.give(Chunks::loose(states));
        }
        emitted.give(tick, output);
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn form() -> SavedForm {
        SavedForm::Latest
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |(a, _), (b, _)| a.cmp(b), |(_, state)| state.is_none())
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.visits.restore(saved);
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        if batch.tick_or_panic().id < self.slide {
            // No batch has been: the first one is still to show the initial states.
            return;
        }
        self.visits.forget_initial();
        self.visits.give_states(self.states_wanted.get(), output);
    }

    fn size(&self) -> StateSize {
        self.visits.size(self.updated)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::oracle::Numbers;
    use super::*;
    use crate::keyed::ReplayMapWithState;
    use crate::local::Local;
    use crate::ship::key_group;
    use crate::{Tick, stable_hash};

    type Story = String;
    type Row = Mapped<u64, Story, (u64, Story)>;
    type Function = fn(Visit<'_, u64, u64>, &mut State<Story>) -> Vec<(u64, Story)>;

    /// Writes a key's story on; 0 looks only, 9 removes, and 8 shows it twice.
    fn write_on(visit: Visit<'_, u64, u64>, state: &mut State<Story>) -> Vec<(u64, Story)> {
        let story = state.get().cloned().unwrap_or_default();
        let shown = |text: String| (*visit.key, text);
        match visit.value {
            None => vec![shown(format!("{story}, gone at {}", visit.tick.time_ms))],
            Some(0) => Vec::new(),
            Some(9) => {
                state.remove();
                vec![shown(format!("{story}, removed"))]
            }
            Some(value) => {
                let story = format!("{story} {value}@{}", visit.tick.id);
                state.update(story.clone());
                vec![shown(story); if value == 8 { 2 } else { 1 }]
            }
        }
    }

    #[derive(Default)]
    struct Model {
        states: BTreeMap<u64, (Story, i64)>,
    }

    impl Model {
        /// By the book: every state is looked at in every batch.
        fn step(
            &mut self,
            now: i64,
            rows: &[(u64, u64)],
            timeout: Option<i64>,
        ) -> Vec<(u64, Story)> {
            let tick = Tick { id: now as u64 / 1000, time_ms: now, ..Tick::default() };
            let mut emitted = Vec::new();
            for (key, value) in rows {
                let mut state = State::of(self.states.get(key).map(|held| held.0.clone()));
                emitted.extend(write_on(Visit { key, value: Some(*value), tick }, &mut state));
                let touches = state.is_updated() || timeout.is_some();
                match state.get() {
                    None => drop(self.states.remove(key)),
                    Some(state) if touches => {
                        self.states.insert(*key, (state.clone(), now));
                    }
                    Some(_) => {}
                }
            }
            for key in self.states.keys().copied().collect::<Vec<u64>>() {
                let (story, time) = self.states[&key].clone();
                if timeout.is_some_and(|timeout| time < now - timeout) {
                    let mut state = State::timing_out(story);
                    emitted.extend(write_on(Visit { key: &key, value: None, tick }, &mut state));
                    self.states.remove(&key);
                }
            }
            emitted.sort_by_key(|(key, _)| (key_group(stable_hash(key)), *key));
            emitted
        }
    }

    fn apply(table: &mut BTreeMap<(u64, Story), i64>, rows: Vec<Row>) -> Vec<(u64, Story)> {
        let mut emitted = Vec::new();
        for row in rows {
            match row {
                Mapped::Emitted(row) => emitted.push(row),
                Mapped::State(row, diff) => *table.entry(row).or_default() += diff as i64,
            }
        }
        table.retain(|_, times| *times != 0);
        emitted
    }

    #[test]
    fn random_batches_agree_with_a_scan_of_all_states_and_survive_restarts() {
        for seed in 0..24 {
            let mut numbers = Numbers::new(seed << 32);
            let timeout = [None, Some(0), Some(2500), Some(4000)][seed as usize % 4];
            let initial: Vec<(u64, Story)> =
                (0..seed % 3).map(|key| (key * 3, format!("begun {key}"))).collect();
            let spec = || {
                let spec = StateSpec::new().initial(initial.clone());
                match timeout {
                    Some(ms) => spec.timeout(Duration::from_millis(ms)),
                    None => spec,
                }
            };
            let timeout = timeout.map(|ms| ms as i64);
            let fresh = || MapWithState::new(spec(), write_on as Function);
            let mut local = Local::new(fresh());
            let mut replay = Local::new(ReplayMapWithState::new(spec(), write_on as Function));
            let mut model = Model::default();
            model.states.extend(initial.iter().map(|(key, s)| (*key, (s.clone(), 1000))));
            let mut table = BTreeMap::new();
            for batch in 1..=40 {
                let count = numbers.below(3) * numbers.below(6);
                let rows: Vec<(u64, u64)> =
                    (0..count).map(|_| (numbers.below(9), numbers.below(10))).collect();
                let expected = model.step(batch * 1000, &rows, timeout);
                let states: BTreeMap<(u64, Story), i64> =
                    model.states.iter().map(|(key, held)| ((*key, held.0.clone()), 1)).collect();
                let what = format!("seed {seed}, batch {batch}");

                let emitted = apply(&mut table, local.rows(rows.clone()));
                assert_eq!(emitted, expected, "{what}");
                assert_eq!(table, states, "{what}");
                assert_eq!(local.size().keys, states.len() as u64, "{what}");

                let mut contents = BTreeMap::new();
                assert_eq!(apply(&mut contents, replay.rows(rows)), expected, "replayed, {what}");
                assert_eq!(contents, states, "replayed, {what}");
                if numbers.below(5) == 0 {
                    local = local.restart(fresh());
                    let rows = order::in_stream_order(local.contents());
                    table.clear();
                    assert_eq!(apply(&mut table, rows), [], "{what}");
                    assert_eq!(table, states, "restarted, {what}");
                }
            }
        }
    }

    #[test]
    fn what_is_tapped_says_when_a_key_was_last_touched() {
        let spec = |timeout| StateSpec::new().initial([(1, String::new())]).timeout(timeout);
        let mut local =
            Local::new(MapWithState::new(spec(Duration::from_secs(9)), write_on as Function));
        local.rows(vec![]);
        // Looking at a state touches it where states time out.
        local.rows(vec![(1, 0)]);
        local.rows(vec![(1, 9), (2, 9), (3, 0)]);
        let state = |time| (1, Some((String::new(), time)));
        assert_eq!(local.saved(), [state(1000), state(2000), (1, None)]);
    }

    #[test]
    fn idle_keys_are_not_visited_and_all_bytes_are_given_back() {
        let visits = Rc::new(Cell::new(0));
        let counted = Rc::clone(&visits);
        let function = move |_: Visit<'_, u64, u64>, state: &mut State<u64>| {
            counted.set(counted.get() + 1);
            if !state.is_timing_out() {
                state.update(1);
            }
            None::<u64>
        };
        let spec = StateSpec::new().timeout(Duration::from_secs(10));
        let mut local = Local::new(MapWithState::new(spec, function));
        local.rows((0..50_000).map(|key| (key, 1)).collect());
        let full = local.size().bytes;
        for batch in 1..=10 {
            local.rows((0..10).map(|key| (key, 1)).collect());
            assert_eq!(visits.get(), 50_000 + batch * 10);
            assert_eq!(local.size().bytes, full);
        }
        local.rows(vec![]);
        assert_eq!(local.size().keys, 10, "idle for more than ten seconds");
        assert_eq!(visits.get(), 50_000 + 100 + 49_990);
    }
}
