//! The states of [`MapWithState`](super::MapWithState), and what a batch does to them.

use serde::{Deserialize, Serialize};

use super::latest::{Kept, Latest};
use super::mapped::Mapped;
use super::recency::Recency;
use crate::batched::{Output, StateSize};
use crate::index::Index;
use crate::keyed::group::group;
use crate::keyed::{State, StateSpec};
use crate::{Chunks, Record, Tick, stable_hash};

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

pub(super) type Rows<K, S, I> = Chunks<Mapped<K, S, <I as IntoIterator>::Item>>;

/// A state, when it was last touched, and its entry in the list of touches, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Held<S> {
    pub(super) state: S,
    pub(super) time_ms: i64,
    entry: u32,
}

impl<S: Record> Kept for Held<S> {
    type Seen = S;

    fn seen(&self) -> Option<S> {
        Some(self.state.clone())
    }
}

/// The states, and what a batch does to them.
pub(super) struct Visits<K, V, S, I, F>
where
    K: Record,
    S: Record,
{
    states: Index<K, Latest<Held<S>>>,
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
pub(super) struct Touched<'a, K, S, E> {
    pub(super) key: &'a K,
    /// The state before the batch, if anybody wants to know.
    pub(super) before: Option<S>,
    pub(super) after: Option<&'a Held<S>>,
    /// Whether the state is another one.
    pub(super) is_updated: bool,
    /// Whether what is to be saved is another.
    pub(super) is_news: bool,
    pub(super) emitted: Vec<E>,
}

impl<K, V, S, I, F> Visits<K, V, S, I, F>
where
    K: Record,
    V: Record,
    S: Record,
    I: IntoIterator,
    F: FnMut(Visit<'_, K, V>, &mut State<S>) -> I,
{
    pub(super) fn new(spec: StateSpec<K, S>, function: F) -> Self {
        let mut states = Index::new(Latest::new());
        let timeout_ms = spec.timeout_ms();
        for (key, state) in spec.into_initial() {
            states.insert(key, Held { state, time_ms: 0, entry: 0 });
        }
        Visits {
            states,
            timeout_ms,
            recency: Recency::new(),
            function,
            initial_unseen: true,
            unlisted: false,
            types: std::marker::PhantomData,
        }
    }

    /// What is restored has long seen the initial states.
    pub(super) fn forget_initial(&mut self) {
        if std::mem::take(&mut self.initial_unseen) {
            self.states.retain(|_, _| false);
        }
    }

    /// Puts states in place that were saved, oldest first: `None` for one that has gone.
    pub(super) fn restore(&mut self, saved: Vec<(K, Option<(S, i64)>)>) {
        self.forget_initial();
        self.unlisted = true;
        for (key, held) in saved {
            match held {
                Some((state, time_ms)) => {
                    self.states.insert(key, Held { state, time_ms, entry: 0 });
                }
                None => drop(self.states.remove(&key)),
            }
        }
    }

    /// How large the states are, of which so many were changed in the last batch.
    pub(super) fn size(&self, updated: u64) -> StateSize {
        let bytes = (self.states.bytes() + self.recency.bytes()) as u64;
        StateSize { keys: self.states.len() as u64, bytes, updated }
    }

    /// Gives all states, if they are wanted.
    pub(super) fn give_states(&self, wanted: bool, output: &mut Output<'_, Rows<K, S, I>>) {
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
    pub(super) fn step(
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
