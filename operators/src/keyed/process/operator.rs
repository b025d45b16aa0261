//! The operator that calls a user's process.
//!
//! Why a batch costs only the keys that it touches and those that are due: timers and expiries are
//! in sets ordered by time, and nothing else is looked at.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::due::Due;
use super::{KeyState, Process, Timer, Turn};
use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::event_time::Paced;
use crate::index::Index;
use crate::keyed::Mapped;
use crate::keyed::group::group;
use crate::keyed::latest::{Kept, Latest};
use crate::keyed::mapped::give_by_group;
use crate::ship::key_group;
use crate::{Chunks, Epoch, Record, Tick, order, stable_hash};

/// Calls a [`Process`] for the keys that have rows or due timers, each with its state.
///
/// Input is shipped by key; for a stream with event times it has the watermark of each batch. What
/// is given is ordered by key group; within one, as it was given: see [`Process`] for the order of
/// turns. Kept: the state and the timers of each key, until nothing is left of them; for each
/// timer, and each key of which something expires, the key once more. A batch costs the rows it
/// has, and what is due.
///
/// ```
/// use tidegate_operators::Chunks;
/// use tidegate_operators::event_time::{Paced, Watermark};
/// use tidegate_operators::keyed::{ListState, Mapped, Process, ProcessByKey, Timer, Turn};
/// use tidegate_operators::local::Local;
///
/// /// The numbers of each key in order, as soon as the watermark has reached them.
/// struct Sort;
///
/// impl Process<char, i64> for Sort {
///     type State = ListState<i64>;
///     type Emitted = i64;
///
///     fn on_rows(
///         &mut self,
///         _key: &char,
///         rows: Vec<i64>,
///         waiting: &mut ListState<i64>,
///         turn: &mut Turn<'_, i64>,
///     ) {
///         for number in rows {
///             waiting.push(number);
///             turn.set_timer(Timer::EventTime(number));
///         }
///     }
///
///     fn on_timer(
///         &mut self,
///         _key: &char,
///         timer: Timer,
///         waiting: &mut ListState<i64>,
///         turn: &mut Turn<'_, i64>,
///     ) {
///         if let Timer::EventTime(now) = timer {
///             waiting.iter().filter(|number| **number == now).for_each(|number| turn.emit(*number));
///             waiting.retain(|number| *number != now);
///         }
///     }
/// }
///
/// let operator = ProcessByKey::new(Sort, |_key| true);
/// operator.states_wanted().set(false);
/// let mut local = Local::new(operator);
/// let rows = Paced::Rows(Chunks::loose(vec![('a', 9), ('a', 4), ('a', 6)]));
/// let given = local.close(vec![rows, Paced::Watermark(Watermark::at(6))]);
/// assert_eq!(given[0].rows(), [Mapped::Emitted(4), Mapped::Emitted(6)]);
/// assert_eq!(local.size().keys, 1);
/// ```
pub struct ProcessByKey<K, V, P>
where
    K: Record,
    V: Record,
    P: Process<K, V>,
{
    process: P,
    keys: Index<K, Latest<Held<P::State>>>,
    event_timers: Due<K>,
    batch_timers: Due<K>,
    expiries: Due<K>,
    /// States given at the start are seen for the first time in the first batch.
    initial_unseen: bool,
    /// Keys have been put in place from outside, and what is due for them is not yet known.
    unlisted: bool,
    states_wanted: Rc<Cell<bool>>,
    slide: u64,
    updated: u64,
    values: std::marker::PhantomData<fn(V)>,
}

/// What is kept for a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Held<S> {
    state: S,
    /// In order.
    timers: Vec<Timer>,
}

impl<S: KeyState> Kept for Held<S> {
    type Seen = S;

    fn seen(&self) -> Option<S> {
        (!self.state.is_empty()).then(|| self.state.clone())
    }
}

/// What a batch has come to so far.
struct Round<K, S, E> {
    tick: Tick,
    watermark_ms: Option<i64>,
    states_wanted: bool,
    /// By key group, in the order of turns.
    emitted: Vec<(u64, Vec<E>)>,
    /// The keys of which something is other than before the batch, with the state that they had,
    /// if anybody wants to know.
    touched: BTreeMap<K, Option<S>>,
    new_keys: usize,
}

impl<K, V, P> ProcessByKey<K, V, P>
where
    K: Record,
    V: Record,
    P: Process<K, V>,
{
    /// An operator that starts from the process's initial states: those of the keys that this
    /// worker owns, of which `is_owned` knows.
    pub fn new(process: P, is_owned: impl Fn(&K) -> bool) -> Self {
        let mut keys = Index::new(Latest::new());
        for (key, state) in process.initial().into_iter().filter(|(key, _)| is_owned(key)) {
            keys.insert(key, Held { state, timers: Vec::new() });
        }
        ProcessByKey {
            process,
            keys,
            event_timers: Due::new(),
            batch_timers: Due::new(),
            expiries: Due::new(),
            initial_unseen: true,
            unlisted: false,
            states_wanted: Rc::new(Cell::new(true)),
            slide: 1,
            updated: 0,
            values: std::marker::PhantomData,
        }
    }

    /// For a stream that has a batch only where the tick covers a multiple of `slide`: nothing is
    /// due in between.
    pub fn slide(mut self, slide: u64) -> Self {
        self.slide = slide;
        self
    }

    /// Whether the table of states is given too, for which each state that changes is copied.
    pub fn states_wanted(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.states_wanted)
    }

    /// What is restored has long seen the initial states.
    fn forget_initial(&mut self) {
        if std::mem::take(&mut self.initial_unseen) {
            self.keys.retain(|_, _| false);
        }
    }

    /// Finds out what is due for each key.
    fn list(&mut self) {
        self.unlisted = false;
        (self.event_timers, self.batch_timers) = (Due::new(), Due::new());
        self.expiries = Due::new();
        for (key, held) in self.keys.iter() {
            for timer in &held.timers {
                match timer {
                    Timer::EventTime(ms) => self.event_timers.add(*ms, key),
                    Timer::BatchTime(ms) => self.batch_timers.add(*ms, key),
                }
            }
            let expires_ms = held.state.expires_ms();
            if expires_ms < i64::MAX {
                self.expiries.add(expires_ms, key);
            }
        }
    }

    /// The turn of the keys that have a state before the first batch.
    fn begin(&mut self, round: &mut Round<K, P::State, P::Emitted>) {
        let mut initial = Vec::new();
        self.keys.retain(|key, held| {
            held.state.renew(round.tick.time_ms);
            initial.push(key.clone());
            true
        });
        self.list();
        in_order(&mut initial, |key| key);
        for key in initial {
            // All of them are news: nobody has seen them yet.
            round.touched.insert(key.clone(), None);
            self.turn(key, round, |process, key, state, turn| {
                process.on_initial(key, state, turn);
            });
        }
    }

    /// Lets go what has expired, of keys whose turn may not come in this batch.
    fn expire(&mut self, round: &mut Round<K, P::State, P::Emitted>) {
        let now_ms = round.tick.time_ms;
        while let Some((expires_ms, key)) = self.expiries.next(None, now_ms) {
            self.expiries.remove(expires_ms, &key);
            self.turn(key, round, |_, _, _, _| {});
        }
    }

    /// The turns of timers, in the order of their times, then keys. What is set for a time before
    /// that of the last one is left for the next batch, so that there is an end.
    fn fire(
        &mut self,
        timer: fn(i64) -> Timer,
        timers: fn(&Self) -> &Due<K>,
        through_ms: i64,
        round: &mut Round<K, P::State, P::Emitted>,
    ) {
        let mut last = None;
        while let Some((time_ms, key)) = timers(self).next(last, through_ms) {
            last = Some((time_ms, key.clone()));
            let timer = timer(time_ms);
            self.turn(key, round, |process, key, state, turn| {
                turn.delete_timer(timer);
                process.on_timer(key, timer, state, turn);
            });
        }
    }

    /// A key's turn.
    fn turn(
        &mut self,
        key: K,
        round: &mut Round<K, P::State, P::Emitted>,
        call: impl FnOnce(&mut P, &K, &mut P::State, &mut Turn<'_, P::Emitted>),
    ) {
        let (process, tick, watermark_ms) = (&mut self.process, round.tick, round.watermark_ms);
        let (event_timers, batch_timers) = (&mut self.event_timers, &mut self.batch_timers);
        let expiries = &mut self.expiries;
        self.keys.change(key, |key, held| {
            let was_there = held.is_some();
            let mut held =
                held.unwrap_or_else(|| Held { state: process.state(), timers: Vec::new() });
            let expired_ms = held.state.expires_ms();
            let is_first = round.states_wanted && !round.touched.contains_key(key);
            let before = if is_first { held.seen() } else { None };

            held.state.begin(tick.time_ms);
            let (mut emitted, mut news) = (Vec::new(), Vec::new());
            let mut turn = Turn {
                tick,
                watermark_ms,
                emitted: &mut emitted,
                timers: &mut held.timers,
                news: &mut news,
            };
            call(process, key, &mut held.state, &mut turn);
            let is_changed = held.state.end(tick.time_ms) || !news.is_empty();

            if !emitted.is_empty() {
                round.emitted.push((key_group(stable_hash(key)), emitted));
            }
            for (timer, is_set) in news {
                let (timers, time_ms) = match timer {
                    Timer::EventTime(ms) => (&mut *event_timers, ms),
                    Timer::BatchTime(ms) => (&mut *batch_timers, ms),
                };
                if is_set { timers.add(time_ms, key) } else { timers.remove(time_ms, key) }
            }
            let expires_ms = held.state.expires_ms();
            if expires_ms != expired_ms {
                expiries.remove(expired_ms, key);
            }
            if expires_ms < i64::MAX {
                expiries.add(expires_ms, key);
            }
            let is_there = !held.state.is_empty() || !held.timers.is_empty();
            if is_changed && (was_there || is_there) {
                round.touched.entry(key.clone()).or_insert(before);
            }
            round.new_keys += usize::from(is_there && !was_there);
            is_there.then_some(held)
        });
    }
}

/// Puts what has a key in the order of key groups, then keys.
fn in_order<K: Record, R>(rows: &mut [R], key: impl Fn(&R) -> &K) {
    rows.sort_by_cached_key(|row| (key_group(stable_hash(key(row))), key(row).clone()));
}

impl<T, K, V, P> BatchOperator<T> for ProcessByKey<K, V, P>
where
    T: Epoch,
    K: Record,
    V: Record,
    P: Process<K, V>,
{
    type Input = Paced<Chunks<(K, V)>>;
    type Output = Chunks<Mapped<K, P::State, P::Emitted>>;
    /// A key with its state and its timers; `None` once it is forgotten.
    type Saved = (K, Option<(P::State, Vec<Timer>)>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let tick = batch.tick_or_panic();
        self.updated = 0;
        if !tick.covers_multiple_of(self.slide) {
            return;
        }
        let (messages, watermark) = Paced::apart(input);
        let mut round = Round {
            tick,
            watermark_ms: watermark.map(|watermark| watermark.close_ms),
            states_wanted: self.states_wanted.get(),
            emitted: Vec::new(),
            touched: BTreeMap::new(),
            new_keys: 0,
        };
        if self.unlisted {
            self.list();
        }
        if std::mem::take(&mut self.initial_unseen) {
            self.begin(&mut round);
        }
        self.expire(&mut round);
        let mut groups: Vec<(K, Vec<V>)> =
            group(order::in_stream_order(messages)).drain().collect();
        in_order(&mut groups, |(key, _)| key);
        for (key, rows) in groups {
            self.turn(key, &mut round, |process, key, state, turn| {
                process.on_rows(key, rows, state, turn);
            });
        }
        if let Some(watermark_ms) = round.watermark_ms {
            self.fire(Timer::EventTime, |own| &own.event_timers, watermark_ms, &mut round);
        }
        self.fire(Timer::BatchTime, |own| &own.batch_timers, tick.time_ms, &mut round);
        self.keys.grow_ahead_of(round.new_keys);

        self.updated = round.touched.len() as u64;
        let mut states = Vec::new();
        for (key, before) in round.touched {
            let held = self.keys.get(&key);
            tap.record(|| {
                (key.clone(), held.map(|held| (held.state.clone(), held.timers.clone())))
            });
            if round.states_wanted {
                let after = held.and_then(Held::seen);
                if before != after {
                    states.extend(before.map(|state| Mapped::State((key.clone(), state), -1)));
                    states.extend(after.map(|state| Mapped::State((key, state), 1)));
                }
            }
        }
        if !states.is_empty() {
            output.give(Chunks::loose(states));
        }
        round.emitted.sort_by_key(|(group, _)| *group);
        give_by_group(round.emitted.into_iter(), tick, output);
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
        self.unlisted = true;
        for (key, held) in saved {
            match held {
                Some((state, timers)) => self.keys.insert(key, Held { state, timers }),
                None => drop(self.keys.remove(&key)),
            }
        }
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        if batch.tick_or_panic().id < self.slide {
            // No batch has been: the first one is still to show the initial states.
            return;
        }
        self.forget_initial();
        let states = self.keys.views().map(|(key, state)| Mapped::State((key.clone(), state), 1));
        let states: Vec<_> = states.collect();
        if self.states_wanted.get() && !states.is_empty() {
            output.give(Chunks::loose(states));
        }
    }

    fn size(&self) -> StateSize {
        let due = self.event_timers.bytes() + self.batch_timers.bytes() + self.expiries.bytes();
        let (keys, bytes) = (self.keys.len() as u64, (self.keys.bytes() + due) as u64);
        StateSize { keys, bytes, updated: self.updated }
    }
}
