//! Spark's updateStateByKey: a user's state per key, visited for every key in every batch.

use super::latest::Latest;
use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::index::Index;
use crate::keyed::group::group;
use crate::{Chunks, Diff, Epoch, Record, Tick, order, stable_hash};

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
    states: Index<K, Latest<Option<S>>>,
    update: F,
    /// States given at the start are seen for the first time in the first batch.
    initial_unseen: bool,
    updated: u64,
    values: std::marker::PhantomData<fn(V)>,
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

    fn form() -> SavedForm {
        SavedForm::Latest
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |(a, _), (b, _)| a.cmp(b), |(_, state)| state.is_none())
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
