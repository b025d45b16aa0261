//! Spark's mapWithState, recomputed from all records in each batch.

use std::cell::Cell;
use std::rc::Rc;

use super::history::History;
use super::mapped::{Emitted, Mapped};
use super::visits::Visits;
use crate::batched::{Batch, BatchOperator, Output, Route, StateSize, Tap};
use crate::keyed::{State, StateSpec, Visit};
use crate::{Chunks, Epoch, Record, Tick, order};

/// [`MapWithState`](super::MapWithState) without incremental state: in each batch it goes through the whole history
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
    history: History<K, V>,
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
            history: History::new(),
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
            self.history.pass();
            return;
        }
        self.history.push(tick, order::in_stream_order(input), tap);

        let mut visits = Visits::new(self.spec.clone(), self.function.clone());
        let mut emitted = Emitted::new();
        for (then, rows) in self.history.batches() {
            visits.step(*then, rows.clone(), false, |touched| {
                if *then == tick {
                    emitted.add(touched.key, touched.emitted);
                }
            });
        }
        visits.give_states(self.states_wanted.get(), output);
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
        self.history.restore(saved);
    }

    fn size(&self) -> StateSize {
        self.history.size()
    }
}
