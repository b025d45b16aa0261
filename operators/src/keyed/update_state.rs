//! Spark's updateStateByKey: a user's state per key, visited for every key in every batch.

use std::collections::BTreeMap;

use crate::batched::{Batch, BatchOperator, Differences, Folding, Output, Route, StateSize, Tap};
use crate::index::{Index, Rule};
use crate::keyed::group::group;
use crate::{Chunks, Diff, Epoch, Record, Tick, heap_bytes, order, stable_hash};

/// What a user's update function is given.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a, K, V> {
    /// The key.
    pub key: &'a K,
    /// Its values in this batch, in the order of the stream; none, for a key that is only known.
    pub values: &'a [V],
    /// The batch.
    pub tick: Tick,
}

/// Keeps a state per key, and asks `update` about every known key, and every key of the batch,
/// in each batch. Its output is the table of states, as differences.
///
/// Kept: the state of each key, until `update` gives `None` for it. A batch costs one call for
/// *every* key, with or without values, as in Spark.
///
/// ```
/// use tidegate_operators::keyed::{Update, UpdateState};
/// use tidegate_operators::local::Local;
///
/// // The sum of a key's values, until a batch brings it none.
/// let update = |update: Update<'_, char, u64>, sum: Option<u64>| {
///     let came: u64 = update.values.iter().sum();
///     (came > 0).then_some(sum.unwrap_or(0) + came)
/// };
/// let mut sums = Local::new(UpdateState::new([], update));
/// assert_eq!(sums.changes(vec![('a', 1), ('a', 2)]), [(('a', 3), 1)]);
/// assert_eq!(sums.changes(vec![('a', 4)]), [(('a', 3), -1), (('a', 7), 1)]);
/// assert_eq!(sums.changes(vec![]), [(('a', 7), -1)]);
/// ```
pub struct UpdateState<K, V, S, F>
where
    K: Record,
    S: Record,
{
    states: Index<K, Latest<S>>,
    update: F,
    /// States given at the start are seen for the first time in the first batch.
    initial_unseen: bool,
    updated: u64,
    values: std::marker::PhantomData<fn(V)>,
}

/// Keeps what was put in last.
pub(super) struct Latest<S>(std::marker::PhantomData<fn(S)>);

impl<S> Latest<S> {
    pub(super) fn new() -> Self {
        Latest(std::marker::PhantomData)
    }
}

impl<S: Record> Rule for Latest<S> {
    type State = Option<S>;
    type Change = Option<S>;
    type View = S;

    fn first(&self, change: Option<S>) -> Option<S> {
        change
    }

    fn apply(&self, state: &mut Option<S>, change: Option<S>) {
        *state = change;
    }

    fn view(&self, state: &Option<S>) -> Option<S> {
        state.clone()
    }

    fn is_absent(&self, state: &Option<S>) -> bool {
        state.is_none()
    }
}

impl<K, V, S, F> UpdateState<K, V, S, F>
where
    K: Record,
    V: Record,
    S: Record,
    F: FnMut(Update<'_, K, V>, Option<S>) -> Option<S> + 'static,
{
    /// An operator that starts from `initial` states: those of the keys that this worker owns.
    pub fn new(initial: impl IntoIterator<Item = (K, S)>, update: F) -> Self {
        let mut states = Index::new(Latest::new());
        initial.into_iter().for_each(|(key, state)| states.insert(key, Some(state)));
        let values = std::marker::PhantomData;
        UpdateState { states, update, initial_unseen: true, updated: 0, values }
    }
}

impl<K: Record, V, S: Record, F> UpdateState<K, V, S, F> {
    /// What is restored has long seen the initial states.
    fn forget_initial(&mut self) {
        if std::mem::take(&mut self.initial_unseen) {
            self.states.retain(|_, _| false);
        }
    }
}

impl<T, K, V, S, F> BatchOperator<T> for UpdateState<K, V, S, F>
where
    T: Epoch,
    K: Record,
    V: Record,
    S: Record,
    F: FnMut(Update<'_, K, V>, Option<S>) -> Option<S> + 'static,
{
    type Input = Chunks<(K, V)>;
    type Output = Vec<((K, S), T, Diff)>;
    /// A key with its state; `None` once it is gone.
    type Saved = (K, Option<S>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let tick = batch.tick_or_panic();
        let mut differences = Differences::new(output, batch.time);
        let mut groups = group(order::in_stream_order(input));
        let mut updated = 0;
        let unseen = std::mem::take(&mut self.initial_unseen);
        let update = &mut self.update;

        self.states.retain(|key, state| {
            let found = groups.find_entry(stable_hash(key), |group| group.0 == *key);
            let values = found.map(|group| group.remove().0.1).unwrap_or_default();
            let before = state.clone();
            *state = update(Update { key, values: &values, tick }, state.take());
            let changed = *state != before;
            updated += u64::from(changed);
            if changed || unseen {
                tap.record(|| (key.clone(), state.clone()));
                differences.replace(key, before.filter(|_| !unseen), state.clone());
            }
            state.is_some()
        });
        for (key, values) in groups.drain() {
            if let Some(state) = update(Update { key: &key, values: &values, tick }, None) {
                updated += 1;
                tap.record(|| (key.clone(), Some(state.clone())));
                differences.push((key.clone(), state.clone()), 1);
                self.states.insert(key, Some(state));
            }
        }
        self.updated = updated;
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |(key, _)| key.clone(), |(_, state)| state.is_none())
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.forget_initial();
        for (key, state) in saved {
            match state {
                Some(state) => self.states.insert(key, Some(state)),
                None => drop(self.states.remove(&key)),
            }
        }
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        if batch.tick_or_panic().id == 0 {
            // No batch has been: the first one is still to show the initial states.
            return;
        }
        self.forget_initial();
        let mut differences = Differences::new(output, batch.time);
        self.states.views().for_each(|(key, state)| differences.push((key.clone(), state), 1));
    }

    fn size(&self) -> StateSize {
        StateSize {
            keys: self.states.len() as u64,
            bytes: self.states.bytes() as u64,
            updated: self.updated,
        }
    }
}

/// [`UpdateState`] without incremental state: in each batch it goes through the whole history
/// again, from the initial states. Its output is the table of states, as full contents.
///
/// Kept: every record. A batch costs all batches before it, which is what recomputing a state that
/// depends on its history means.
///
/// ```
/// use tidegate_operators::keyed::{ReplayState, Update};
/// use tidegate_operators::local::Local;
///
/// let last = |update: Update<'_, char, u64>, last: Option<u64>| {
///     update.values.last().copied().or(last)
/// };
/// let mut states = Local::new(ReplayState::new([], last));
/// states.rows(vec![('a', 1)]);
/// assert_eq!(states.rows(vec![('b', 2)]), [('a', 1), ('b', 2)]);
/// ```
pub struct ReplayState<K, V, S, F> {
    initial: Vec<(K, S)>,
    update: F,
    history: Vec<(Tick, Vec<(K, V)>)>,
    size: StateSize,
}

impl<K, V, S, F> ReplayState<K, V, S, F>
where
    K: Record,
    V: Record,
    S: Record,
    F: FnMut(Update<'_, K, V>, Option<S>) -> Option<S> + 'static,
{
    /// An operator that starts from `initial` states: those of the keys that this worker owns.
    pub fn new(initial: impl IntoIterator<Item = (K, S)>, update: F) -> Self {
        let initial = initial.into_iter().collect();
        ReplayState { initial, update, history: Vec::new(), size: StateSize::default() }
    }

    fn account(&mut self, rows: &[(K, V)]) {
        let owned: usize = rows.iter().map(heap_bytes).sum();
        self.size.keys += rows.len() as u64;
        self.size.bytes += (owned + size_of_val(rows)) as u64;
        self.size.updated = rows.len() as u64;
    }
}

impl<T, K, V, S, F> BatchOperator<T> for ReplayState<K, V, S, F>
where
    T: Epoch,
    K: Record,
    V: Record,
    S: Record,
    F: FnMut(Update<'_, K, V>, Option<S>) -> Option<S> + 'static,
{
    type Input = Chunks<(K, V)>;
    type Output = Chunks<(K, S)>;
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
        let rows = order::in_stream_order(input);
        tap.record(|| (tick, None));
        rows.iter().for_each(|row| tap.record(|| (tick, Some(row.clone()))));
        self.account(&rows);
        self.history.push((tick, rows));

        let mut states: BTreeMap<K, S> = self.initial.iter().cloned().collect();
        for (tick, rows) in &self.history {
            let mut groups = group(rows.clone());
            let mut next = BTreeMap::new();
            for (key, state) in states {
                let found = groups.find_entry(stable_hash(&key), |group| group.0 == key);
                let values = found.map(|group| group.remove().0.1).unwrap_or_default();
                let update = Update { key: &key, values: &values, tick: *tick };
                if let Some(state) = (self.update)(update, Some(state)) {
                    next.insert(key, state);
                }
            }
            for (key, values) in groups.drain() {
                let update = Update { key: &key, values: &values, tick: *tick };
                if let Some(state) = (self.update)(update, None) {
                    next.insert(key, state);
                }
            }
            states = next;
        }
        output.give(Chunks::loose(states.into_iter().collect()));
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
