//! A user's own state by key, visited for each record.

use std::cell::Cell;
use std::rc::Rc;

use tidegate_operators::keyed::{
    KeyState, MapWithState, Mapped, Process, ProcessByKey, ReplayMapWithState, State, StateSpec,
    Visit,
};
use tidegate_operators::{Chunks, Record};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;

use super::{DStream, Order};
use crate::batch::{BatchId, ChunkStream, Diff, RowStream, keyed_tag};
use crate::config::Strategy;
use crate::context::{Context, Options};
use crate::event_time::PacedStream;
use crate::table::Table;

/// What [`DStream::map_with_state`] and [`DStream::process_by_key`] give: a stream of what the
/// function or process has emitted, and the table of all states.
pub struct StateStream<'s, K, S, E> {
    ctx: Context<'s>,
    rows: ChunkStream<'s, Mapped<K, S, E>>,
    strategy: Strategy,
    slide: u64,
    /// Says to the operator that the table is wanted.
    states_wanted: Rc<Cell<bool>>,
}

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// Calls `function` for each record, in the order of the stream, with the state of its key,
    /// as Spark's `mapWithState` does. What it gives is emitted in the same batch.
    ///
    /// `spec` says which states there are to begin with, and after what time without a record a
    /// state goes: then the function is called once more for its key, without a value. A record
    /// in the batch keeps its key from going. Kept: one state per key. A batch costs the records
    /// that it has and the states that go; keys that are idle cost nothing.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use std::time::Duration;
    /// use tidegate::{State, StateSpec};
    ///
    /// // Says how often a word has come, and when it has not come for two seconds.
    /// let counts = batches(vec![vec!["a", "b", "a"], vec!["b"], vec![], vec![]], |words| {
    ///     let spec = StateSpec::new().timeout(Duration::from_secs(2));
    ///     words
    ///         .map(|word| (word, ()))
    ///         .map_with_state(spec, |visit, count: &mut State<i64>| {
    ///             if visit.value.is_none() {
    ///                 return Some(format!("no {} any more", visit.key));
    ///             }
    ///             count.update(count.get().unwrap_or(&0) + 1);
    ///             count.get().map(|count| format!("{} {count}", visit.key))
    ///         })
    ///         .emitted()
    /// });
    /// assert_eq!(counts[1], ["b 2"]);
    /// assert_eq!(counts[2..], [vec![], vec!["no a any more".to_string()]]);
    /// ```
    ///
    /// # Panics
    ///
    /// The function, if it updates or removes a state that is timing out or has been removed.
    pub fn map_with_state<S, I>(
        self,
        mut spec: StateSpec<K, S>,
        function: impl FnMut(Visit<'_, K, V>, &mut State<S>) -> I + Clone + 'static,
    ) -> StateStream<'s, K, S, I::Item>
    where
        S: Record,
        I: IntoIterator<Item: Record> + 'static,
    {
        let (ctx, options, slide) = (self.ctx, self.options.clone(), self.slide);
        let peers = ctx.peers();
        spec.retain(|key| peers.owner_of_key(key) == peers.index());
        let shipped = self.shipped_by_key();
        let strategy = ctx.strategy(&options);
        let (rows, states_wanted) = match strategy {
            Strategy::HashIndex | Strategy::Arrangement => {
                let operator = MapWithState::new(spec, function).slide(slide);
                let states_wanted = operator.states_wanted();
                (ctx.attach("map_with_state", &options, shipped, operator), states_wanted)
            }
            Strategy::Recompute | Strategy::Partials => {
                let operator = ReplayMapWithState::new(spec, function).slide(slide);
                let states_wanted = operator.states_wanted();
                (ctx.attach("map_with_state", &options, shipped, operator), states_wanted)
            }
        };
        StateStream::new(ctx, rows, strategy, slide, states_wanted)
    }
}

impl<'s, K: Record, S: Record, E: Record> StateStream<'s, K, S, E> {
    /// What an operator gives, which is told by `states_wanted` whether the table is wanted.
    fn new(
        ctx: Context<'s>,
        rows: ChunkStream<'s, Mapped<K, S, E>>,
        strategy: Strategy,
        slide: u64,
        states_wanted: Rc<Cell<bool>>,
    ) -> Self {
        states_wanted.set(false);
        StateStream { ctx, rows, strategy, slide, states_wanted }
    }

    /// What a process gives.
    pub(crate) fn of_process<V, P>(
        ctx: Context<'s>,
        options: &Options,
        rows: PacedStream<'s, (K, V)>,
        slide: u64,
        process: P,
    ) -> Self
    where
        V: Record,
        S: KeyState,
        P: Process<K, V, State = S, Emitted = E>,
    {
        let peers = ctx.peers();
        let is_owned = |key: &K| peers.owner_of_key(key) == peers.index();
        let operator = ProcessByKey::new(process, is_owned).slide(slide);
        let states_wanted = operator.states_wanted();
        let rows = ctx.attach("process_by_key", options, rows, operator);
        Self::new(ctx, rows, Strategy::HashIndex, slide, states_wanted)
    }

    /// What the function has given in each batch. What belongs to a key stands together, in the
    /// order in which it was given; keys are ordered by key group, whatever the number of workers.
    /// What a process gives by its timers stands behind what it gives by the rows of its key group.
    pub fn emitted(&self) -> DStream<'s, E> {
        let rows = self.rows.clone();
        let chunks = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Emitted", |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let mut rows = std::mem::take(chunks).flat_map(|row| match row {
                        Mapped::Emitted(row) => Some(row),
                        Mapped::State(..) => None,
                    });
                    if !rows.has_no_rows() {
                        rows.retag(|tag| keyed_tag(tag.sequence, u64::from(tag.partition)));
                        output.session_with_builder(&time).give_container(&mut rows);
                    }
                });
            }
        });
        DStream {
            ctx: self.ctx,
            chunks,
            order: Order::Tags,
            lanes: 1,
            slide: self.slide,
            options: Options::default(),
        }
    }

    /// The states of all keys: its [`snapshots`](Table::snapshots) are Spark's `stateSnapshots`,
    /// its [`changes`](Table::changes) cost no more than the batch.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{State, StateSpec};
    ///
    /// // Carts; whoever pays has none any more.
    /// let carts = batches(vec![vec!["ann buys", "bob buys"], vec!["ann buys", "bob pays"]], |log| {
    ///     let events = log.flat_map(|line: String| {
    ///         line.split_once(' ').map(|(who, what)| (who.to_string(), what.to_string()))
    ///     });
    ///     let carts = events.map_with_state(StateSpec::new(), |visit, items: &mut State<i64>| {
    ///         match visit.value.as_deref() {
    ///             Some("pays") => items.remove(),
    ///             _ => items.update(items.get().unwrap_or(&0) + 1),
    ///         }
    ///         None::<()>
    ///     });
    ///     carts.states().snapshots()
    /// });
    /// let cart = |who: &str, items| (who.to_string(), items);
    /// assert_eq!(carts, [vec![cart("ann", 1), cart("bob", 1)], vec![cart("ann", 2)]]);
    /// ```
    pub fn states(&self) -> Table<'s, (K, S)> {
        self.states_wanted.set(true);
        if self.strategy.computes_anew() {
            return Table::of_contents(self.ctx, contents(self.rows.clone()), self.slide);
        }
        Table::keyed(self.ctx, differences(self.rows.clone()), self.slide)
    }
}

fn differences<'s, K: Record, S: Record, E: Record>(
    rows: ChunkStream<'s, Mapped<K, S, E>>,
) -> RowStream<'s, ((K, S), BatchId, Diff)> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "States", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let rows = std::mem::take(chunks).into_rows().into_iter();
                let mut states: Vec<_> = rows
                    .filter_map(|row| match row {
                        Mapped::State(state, diff) => Some((state, *time.time(), diff)),
                        Mapped::Emitted(_) => None,
                    })
                    .collect();
                if !states.is_empty() {
                    output.session_with_builder(&time).give_container(&mut states);
                }
            });
        }
    })
}

fn contents<'s, K: Record, S: Record, E: Record>(
    rows: ChunkStream<'s, Mapped<K, S, E>>,
) -> ChunkStream<'s, (K, S)> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "States", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let mut states: Chunks<(K, S)> = std::mem::take(chunks).flat_map(|row| match row {
                    Mapped::State(state, _) => Some(state),
                    Mapped::Emitted(_) => None,
                });
                if !states.has_no_rows() {
                    output.session_with_builder(&time).give_container(&mut states);
                }
            });
        }
    })
}
