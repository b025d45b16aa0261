//! Spark's updateStateByKey, recomputed from all records in each batch.

use std::collections::BTreeMap;

use super::history::History;
use crate::batched::{Batch, BatchOperator, Output, Route, StateSize, Tap};
use crate::keyed::Update;
use crate::keyed::group::group;
use crate::{Chunks, Epoch, Record, Tick, order, stable_hash};

/// [`UpdateState`](super::UpdateState) without incremental state: in each batch it goes through the whole history
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
    history: History<K, V>,
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
        ReplayState { initial, update, history: History::new() }
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
        self.history.push(batch.tick_or_panic(), order::in_stream_order(input), tap);

        let mut states: BTreeMap<K, S> = self.initial.iter().cloned().collect();
        for (tick, rows) in self.history.batches() {
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
        self.history.restore(saved);
    }

    fn size(&self) -> StateSize {
        self.history.size()
    }
}
