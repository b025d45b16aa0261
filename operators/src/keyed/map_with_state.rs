//! Spark's mapWithState: a user's state per key, visited only for what has come, and once more
//! when nothing has come for too long.
//!
//! Why a batch costs only the keys that it touches: nothing is visited that has no record, and the
//! keys that time out are at the front of a list by last touch.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recency::Recency;
use crate::batched::{Batch, BatchOperator, Folding, Output, Route, StateSize, Tap};
use crate::index::{Index, Rule};
use crate::keyed::State;
use crate::keyed::group::group;
use crate::ship::key_group;
use crate::{Chunks, Diff, Epoch, Record, Tag, Tick, heap_bytes, order, stable_hash};

/// What a user's function is called for.
#[derive(Clone, Debug)]
pub struct Visit<'a, K, V> {
    /// The key.
    pub key: &'a K,
    /// The value of one record; `None`, when the key's state is timing out.
    pub value: Option<V>,
    /// The batch.
    pub tick: Tick,
}

/// Which states there are to begin with, and when they go.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::keyed::StateSpec;
///
/// let spec = StateSpec::new().initial([("a", 5)]).timeout(Duration::from_secs(60));
/// assert_eq!(spec.timeout_ms(), Some(60_000));
/// ```
#[derive(Clone, Debug)]
pub struct StateSpec<K, S> {
    initial: Vec<(K, S)>,
    timeout_ms: Option<i64>,
}

impl<K, S> Default for StateSpec<K, S> {
    fn default() -> Self {
        StateSpec { initial: Vec::new(), timeout_ms: None }
    }
}

impl<K, S> StateSpec<K, S> {
    /// No state to begin with, and none that goes by itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// States to begin with. They are there from the first batch on, as if touched in it.
    pub fn initial(mut self, states: impl IntoIterator<Item = (K, S)>) -> Self {
        self.initial.extend(states);
        self
    }

    /// Lets a state go when its last touch lies more than `timeout` before a batch's time, and the
    /// batch has no record for its key.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
        self
    }

    /// For how long a state stays without a record, in milliseconds.
    pub fn timeout_ms(&self) -> Option<i64> {
        self.timeout_ms
    }

    /// Keeps the initial states of the keys for which `is_owned` holds.
    pub fn retain(&mut self, mut is_owned: impl FnMut(&K) -> bool) {
        self.initial.retain(|(key, _)| is_owned(key));
    }
}

/// A row that [`MapWithState`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped<K, S, E> {
    /// What the function has given. The chunk's tag says the key group (as partition) and the
    /// batch (as sequence); within a group, rows are in the order of keys.
    Emitted(E),
    /// A state came, or went: the table of states, as differences.
    State((K, S), Diff),
}

type Rows<K, S, I> = Chunks<Mapped<K, S, <I as IntoIterator>::Item>>;

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
    core: Core<K, V, S, I, F>,
    states_wanted: Rc<Cell<bool>>,
    slide: u64,
    updated: u64,
}

/// A state, when it was last touched, and its entry in the list of touches, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Held<S> {
    state: S,
    time_ms: i64,
    entry: u32,
}

struct Hold<S>(std::marker::PhantomData<fn(S)>);

impl<S: Record> Rule for Hold<S> {
    type State = Held<S>;
    type Change = Held<S>;
    type View = S;

    fn first(&self, change: Held<S>) -> Held<S> {
        change
    }

    fn apply(&self, state: &mut Held<S>, change: Held<S>) {
        *state = change;
    }

    fn view(&self, state: &Held<S>) -> Option<S> {
        Some(state.state.clone())
    }

    fn is_absent(&self, _state: &Held<S>) -> bool {
        false
    }
}

/// The states, and what a batch does to them.
struct Core<K, V, S, I, F>
where
    K: Record,
    S: Record,
{
    states: Index<K, Hold<S>>,
    timeout_ms: Option<i64>,
    /// With a timeout: the keys by last touch.
    recency: Recency,
    function: F,
    /// States given at the start are seen for the first time in the first batch.
    initial_unseen: bool,
    /// The states have been put in place from outside, and are not in the list of touches.
    unlisted: bool,
    types: std::marker::PhantomData<fn(V) -> I>,
}

/// What a batch did to one key.
struct Touched<'a, K, S, E> {
    key: &'a K,
    /// The state before the batch, if anybody wants to know.
    before: Option<S>,
    after: Option<&'a Held<S>>,
    /// Whether the state is another one.
    is_updated: bool,
    /// Whether what is to be saved is another.
    is_news: bool,
    emitted: Vec<E>,
}

impl<K, V, S, I, F> Core<K, V, S, I, F>
where
    K: Record,
    V: Record,
    S: Record,
    I: IntoIterator,
    F: FnMut(Visit<'_, K, V>, &mut State<S>) -> I,
{
    fn new(spec: StateSpec<K, S>, function: F) -> Self {
        let mut states = Index::new(Hold(std::marker::PhantomData));
        for (key, state) in spec.initial {
            states.insert(key, Held { state, time_ms: 0, entry: 0 });
        }
        Core {
            states,
            timeout_ms: spec.timeout_ms,
            recency: Recency::new(),
            function,
            initial_unseen: true,
            unlisted: false,
            types: std::marker::PhantomData,
        }
    }

    /// What is restored has long seen the initial states.
    fn forget_initial(&mut self) {
        if std::mem::take(&mut self.initial_unseen) {
            self.states.retain(|_, _| false);
        }
    }

    /// Gives all states, if they are wanted.
    fn give_states(&self, wanted: bool, output: &mut Output<'_, Rows<K, S, I>>) {
        if wanted && !self.states.is_empty() {
            let states = self.states.views();
            let states = states.map(|(key, state)| Mapped::State((key.clone(), state), 1));
            output.give(Chunks::loose(states.collect()));
        }
    }

    /// Makes the list of touches anew, from the states.
    fn list(&mut self) {
        self.unlisted = false;
        if self.timeout_ms.is_none() {
            return;
        }
        let mut recency = Recency::new();
        self.states.retain(|key, held| {
            held.entry = recency.add(stable_hash(key), held.time_ms);
            true
        });
        recency.sort();
        self.recency = recency;
    }

    /// Goes through a batch, and tells once of each key that it touches, in no particular order.
    fn step(
        &mut self,
        tick: Tick,
        rows: Vec<(K, V)>,
        states_wanted: bool,
        mut touched: impl FnMut(Touched<'_, K, S, I::Item>),
    ) {
        let mut groups = group(rows);
        let unseen = std::mem::take(&mut self.initial_unseen);
        if unseen {
            self.states.retain(|key, held| {
                held.time_ms = tick.time_ms;
                if groups.find(stable_hash(key), |group| group.0 == *key).is_none() {
                    let (before, after, emitted) = (None, Some(&*held), Vec::new());
                    let (is_updated, is_news) = (true, true);
                    touched(Touched { key, before, after, is_updated, is_news, emitted });
                }
                true
            });
        }
        if unseen || self.unlisted {
            self.list();
        }
        let wanted = states_wanted && !unseen;
        let mut new_keys = 0;
        for (key, values) in groups.drain() {
            let (function, recency) = (&mut self.function, &mut self.recency);
            let listed = self.timeout_ms.is_some();
            self.states.change(key, |key, held| {
                let was = held.as_ref().map(|held| (held.time_ms, held.entry));
                let before = held.as_ref().filter(|_| wanted).map(|held| held.state.clone());
                let mut current = held.map(|held| held.state);
                let (mut is_updated, mut is_removed, mut emitted) = (false, false, Vec::new());
                for value in values {
                    let mut state = State::of(current.take());
                    emitted.extend(function(Visit { key, value: Some(value), tick }, &mut state));
                    is_updated |= state.is_updated();
                    is_removed |= state.is_removed();
                    current = state.into_inner();
                }
                let after = current.map(|state| {
                    let time_ms = match was {
                        Some((time_ms, _)) if !is_updated && !listed => time_ms,
                        _ => tick.time_ms,
                    };
                    let entry = match was {
                        _ if !listed => 0,
                        Some((_, entry)) => {
                            recency.touch(entry, time_ms);
                            entry
                        }
                        None => recency.add(stable_hash(key), time_ms),
                    };
                    Held { state, time_ms, entry }
                });
                if let (Some((_, entry)), None, true) = (was, &after, listed) {
                    recency.remove(entry);
                }
                new_keys += usize::from(was.is_none() && after.is_some());
                let is_kept = was.is_some() || after.is_some();
                let is_updated = is_kept && (is_updated || is_removed || unseen);
                let is_touched = was.map(|was| was.0) != after.as_ref().map(|held| held.time_ms);
                let is_news = is_updated || is_touched;
                let after_seen = after.as_ref();
                touched(Touched { key, before, after: after_seen, is_updated, is_news, emitted });
                after
            });
        }
        self.states.grow_ahead_of(new_keys);
        if let Some(timeout_ms) = self.timeout_ms {
            self.time_out(tick, tick.time_ms.saturating_sub(timeout_ms), states_wanted, touched);
        }
    }

    /// Lets the states go that were touched before `threshold_ms`.
    fn time_out(
        &mut self,
        tick: Tick,
        threshold_ms: i64,
        states_wanted: bool,
        mut touched: impl FnMut(Touched<'_, K, S, I::Item>),
    ) {
        while let Some((entry, hash)) = self.recency.oldest_before(threshold_ms) {
            self.recency.remove(entry);
            let found = self.states.find(hash, |_, held| held.entry == entry);
            let key = found.map(|(key, _)| key.clone()).expect("what is listed has a state");
            let held = self.states.remove(&key).expect("just found");
            let before = states_wanted.then(|| held.state.clone());
            let mut state = State::timing_out(held.state);
            let visit = Visit { key: &key, value: None, tick };
            let emitted = (self.function)(visit, &mut state).into_iter().collect();
            let (is_updated, is_news) = (true, true);
            touched(Touched { key: &key, before, after: None, is_updated, is_news, emitted });
        }
    }
}

/// What the function has given in a batch, by key group and key.
struct Emitted<K, E>(Vec<(u64, K, Vec<E>)>);

impl<K: Record, E> Emitted<K, E> {
    fn add(&mut self, key: &K, rows: Vec<E>) {
        if !rows.is_empty() {
            self.0.push((key_group(stable_hash(key)), key.clone(), rows));
        }
    }

    fn give<S>(mut self, tick: Tick, output: &mut Output<'_, Chunks<Mapped<K, S, E>>>) {
        if self.0.is_empty() {
            return;
        }
        self.0.sort_unstable_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        let mut chunks = Chunks::new();
        for (group, _, rows) in self.0 {
            let tag = Tag { lane: 0, partition: group as u32, sequence: tick.id };
            chunks.push(tag, rows.into_iter().map(Mapped::Emitted));
        }
        output.give(chunks);
    }
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
        MapWithState { core: Core::new(spec, function), states_wanted, slide: 1, updated: 0 }
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
        let (mut emitted, mut states, mut updated) = (Emitted(Vec::new()), Vec::new(), 0);
        self.core.step(tick, order::in_stream_order(input), wanted, |touched| {
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

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |(key, _)| key.clone(), |(_, state)| state.is_none())
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.core.forget_initial();
        self.core.unlisted = true;
        for (key, held) in saved {
            match held {
                Some((state, time_ms)) => {
                    self.core.states.insert(key, Held { state, time_ms, entry: 0 });
                }
                None => drop(self.core.states.remove(&key)),
            }
        }
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        if batch.tick_or_panic().id < self.slide {
            // No batch has been: the first one is still to show the initial states.
            return;
        }
        self.core.forget_initial();
        self.core.give_states(self.states_wanted.get(), output);
    }

    fn size(&self) -> StateSize {
        StateSize {
            keys: self.core.states.len() as u64,
            bytes: (self.core.states.bytes() + self.core.recency.bytes()) as u64,
            updated: self.updated,
        }
    }
}

/// [`MapWithState`] without incremental state: in each batch it goes through the whole history
/// again, from the initial states. What it gives of the states is the table's full contents.
///
/// Kept: every record. A batch costs all batches before it, which is what recomputing a state that
/// depends on its history means.
///
/// ```
/// use tidegate_operators::keyed::{Mapped, ReplayMapWithState, State, StateSpec, Visit};
/// use tidegate_operators::local::Local;
///
/// let last = |visit: Visit<'_, char, i64>, last: &mut State<i64>| {
///     let before = last.get().copied();
///     visit.value.into_iter().for_each(|value| last.update(value));
///     before
/// };
/// let mut states = Local::new(ReplayMapWithState::new(StateSpec::new(), last));
/// states.rows(vec![('a', 1)]);
/// let rows = states.rows(vec![('a', 2)]);
/// assert_eq!(rows, [Mapped::State(('a', 2), 1), Mapped::Emitted(1)]);
/// ```
pub struct ReplayMapWithState<K, V, S, I, F> {
    spec: StateSpec<K, S>,
    function: F,
    history: Vec<(Tick, Vec<(K, V)>)>,
    size: StateSize,
    slide: u64,
    states_wanted: Rc<Cell<bool>>,
    types: std::marker::PhantomData<fn() -> I>,
}

impl<K, V, S, I, F> ReplayMapWithState<K, V, S, I, F>
where
    K: Record,
    V: Record,
    S: Record,
    I: IntoIterator,
    F: FnMut(Visit<'_, K, V>, &mut State<S>) -> I + Clone,
{
    /// An operator that starts from the initial states of `spec`: those of the keys that this
    /// worker owns.
    pub fn new(spec: StateSpec<K, S>, function: F) -> Self {
        ReplayMapWithState {
            spec,
            function,
            history: Vec::new(),
            size: StateSize::default(),
            slide: 1,
            states_wanted: Rc::new(Cell::new(true)),
            types: std::marker::PhantomData,
        }
    }

    /// For a stream that has a batch only where the tick covers a multiple of `slide`: nothing
    /// times out in between.
    pub fn slide(mut self, slide: u64) -> Self {
        self.slide = slide;
        self
    }

    /// Whether the table of states is given too.
    pub fn states_wanted(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.states_wanted)
    }

    fn account(&mut self, rows: &[(K, V)]) {
        let owned: usize = rows.iter().map(heap_bytes).sum();
        self.size.keys += rows.len() as u64;
        self.size.bytes += (owned + size_of_val(rows)) as u64;
        self.size.updated = rows.len() as u64;
    }
}

impl<T, K, V, S, I, F> BatchOperator<T> for ReplayMapWithState<K, V, S, I, F>
where
    T: Epoch,
    K: Record,
    V: Record,
    S: Record,
    I: IntoIterator<Item: Record> + 'static,
    F: FnMut(Visit<'_, K, V>, &mut State<S>) -> I + Clone + 'static,
{
    type Input = Chunks<(K, V)>;
    type Output = Chunks<Mapped<K, S, I::Item>>;
    /// A record, with the id and time of its batch; `None` marks a batch.
    type Saved = (Tick, Option<(K, V)>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let tick = batch.tick_or_panic();
        if !tick.covers_multiple_of(self.slide) {
            self.size.updated = 0;
            return;
        }
        let rows = order::in_stream_order(input);
        tap.record(|| (tick, None));
        rows.iter().for_each(|row| tap.record(|| (tick, Some(row.clone()))));
        self.account(&rows);
        self.history.push((tick, rows));

        let mut core = Core::new(self.spec.clone(), self.function.clone());
        let mut emitted = Emitted(Vec::new());
        for (then, rows) in &self.history {
            core.step(*then, rows.clone(), false, |touched| {
                if *then == tick {
                    emitted.add(touched.key, touched.emitted);
                }
            });
        }
        core.give_states(self.states_wanted.get(), output);
        emitted.give(tick, output);
    }

    fn route(saved: &Self::Saved) -> Route {
        match &saved.1 {
            Some((key, _)) => Route::of_key(key),
            // Every worker marks a batch.
            None => Route::Everywhere,
        }
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        for (tick, row) in saved {
            self.account(row.as_slice());
            match self.history.last_mut() {
                // Every worker has marked the batch.
                Some((last, rows)) if *last == tick => rows.extend(row),
                _ => self.history.push((tick, row.into_iter().collect())),
            }
        }
    }

    fn size(&self) -> StateSize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::oracle::Numbers;
    use super::*;
    use crate::local::Local;

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
