//! A user's process, and what it is given when its turn comes.

use serde::{Deserialize, Serialize};

use super::KeyState;
use crate::{Record, Tick};

/// A time at which a key's turn comes, with or without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// In the first batch whose watermark is this or later: milliseconds of event time.
    EventTime(i64),
    /// In the first batch whose time is this or later: milliseconds since 1970.
    BatchTime(i64),
}

/// What is computed by key with state and timers of one's own: Spark's `StatefulProcessor`, Flink's
/// `KeyedProcessFunction`.
///
/// In each batch the turns are: those of the keys that have rows, in the order of key groups and
/// keys; then the timers in event time that the batch's watermark has reached, then those in
/// batch time, both in the order of their times, then keys. When the input ends, timers that are
/// not due by then never are. What the process is itself, beside the state of keys, must not change
/// what it does: each worker has its own, and none is saved.
///
/// ```
/// use tidegate_operators::event_time::Paced;
/// use tidegate_operators::keyed::{Mapped, Process, ProcessByKey, Timer, Turn, ValueState};
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Chunks, order};
///
/// /// Says which ship has not been heard of for two seconds.
/// #[derive(Clone)]
/// struct Silence;
///
/// impl Process<char, ()> for Silence {
///     type State = ValueState<i64>;
///     type Emitted = (char, i64);
///
///     fn on_rows(
///         &mut self,
///         _ship: &char,
///         _signals: Vec<()>,
///         due: &mut ValueState<i64>,
///         turn: &mut Turn<'_, (char, i64)>,
///     ) {
///         due.get().iter().for_each(|due| turn.delete_timer(Timer::BatchTime(**due)));
///         due.update(turn.tick().time_ms + 2_000);
///         due.get().iter().for_each(|due| turn.set_timer(Timer::BatchTime(**due)));
///     }
///
///     fn on_timer(
///         &mut self,
///         ship: &char,
///         _timer: Timer,
///         due: &mut ValueState<i64>,
///         turn: &mut Turn<'_, (char, i64)>,
///     ) {
///         due.clear();
///         turn.emit((*ship, turn.tick().time_ms));
///     }
/// }
///
/// let operator = ProcessByKey::new(Silence, |_ship| true);
/// operator.states_wanted().set(false);
/// let mut local = Local::new(operator);
/// let mut batch = |ships: &[char]| {
///     let signals = ships.iter().map(|ship| (*ship, ())).collect();
///     order::in_stream_order(local.close(vec![Paced::Rows(Chunks::loose(signals))]))
/// };
/// assert_eq!(batch(&['a', 'b']), []);
/// assert_eq!(batch(&['b']), []);
/// assert_eq!(batch(&[]), [Mapped::Emitted(('a', 3_000))]);
/// assert_eq!(batch(&[]), [Mapped::Emitted(('b', 4_000))]);
/// assert_eq!(batch(&[]), []);
/// ```
pub trait Process<K: Record, V: Record>: 'static {
    /// What is kept for a key: cells, of which some may expire. A key of which nothing is left, and
    /// that has no timer, is forgotten.
    type State: KeyState;

    /// What the process gives.
    type Emitted: Record;

    /// The state of a key that has none: empty cells, with the time to live of those that expire.
    fn state(&self) -> Self::State {
        Self::State::default()
    }

    /// Keys that have a state before the first batch. What expires does so counted from that.
    fn initial(&self) -> Vec<(K, Self::State)> {
        Vec::new()
    }

    /// Called in the first batch, before all else, for each key that has a state before it: to
    /// set timers, for instance.
    fn on_initial(&mut self, key: &K, state: &mut Self::State, turn: &mut Turn<'_, Self::Emitted>) {
        let _ = (key, state, turn);
    }

    /// Called once in a batch for each key that has rows in it, with all of them, in the order of
    /// the stream.
    fn on_rows(
        &mut self,
        key: &K,
        rows: Vec<V>,
        state: &mut Self::State,
        turn: &mut Turn<'_, Self::Emitted>,
    );

    /// Called when a timer of a key is due; by then it is no longer set.
    ///
    /// What a timer sets for a later time of the same kind is due in the same batch, if that time
    /// has come; what it sets for its own time or an earlier one, in the next.
    fn on_timer(
        &mut self,
        key: &K,
        timer: Timer,
        state: &mut Self::State,
        turn: &mut Turn<'_, Self::Emitted>,
    ) {
        let _ = (key, timer, state, turn);
    }
}

/// A key's turn: the batch, what the process gives, and the timers of the key.
pub struct Turn<'a, E> {
    pub(super) tick: Tick,
    pub(super) watermark_ms: Option<i64>,
    pub(super) emitted: &'a mut Vec<E>,
    /// Those that are set, in order.
    pub(super) timers: &'a mut Vec<Timer>,
    /// Those that were set or deleted in this turn, and which of the two.
    pub(super) news: &'a mut Vec<(Timer, bool)>,
}

impl<E> Turn<'_, E> {
    /// The batch.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// The watermark of the batch, in milliseconds; `None` for a stream without.
    pub fn watermark_ms(&self) -> Option<i64> {
        self.watermark_ms
    }

    /// Gives a row, which leaves in this batch.
    pub fn emit(&mut self, row: E) {
        self.emitted.push(row);
    }

    /// Sets a timer of the key; nothing changes, if it is set already. A key can have any number.
    ///
    /// # Panics
    ///
    /// If it is one in event time, and the stream has no watermark.
    pub fn set_timer(&mut self, timer: Timer) {
        assert!(
            self.watermark_ms.is_some() || !matches!(timer, Timer::EventTime(_)),
            "a timer in event time on a stream without a watermark: begin with `with_watermark`"
        );
        if let Err(place) = self.timers.binary_search(&timer) {
            self.timers.insert(place, timer);
            self.news.push((timer, true));
        }
    }

    /// Deletes a timer of the key, if it is set.
    pub fn delete_timer(&mut self, timer: Timer) {
        if let Ok(place) = self.timers.binary_search(&timer) {
            self.timers.remove(place);
            self.news.push((timer, false));
        }
    }

    /// The timers of the key: those in event time first, and earlier ones before later ones.
    pub fn timers(&self) -> &[Timer] {
        self.timers
    }
}
