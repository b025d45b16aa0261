//! Sliding windows over aggregates that can't be subtracted: two stacks per key.
//!
//! Each key keeps the partial results of its panes, older ones in a stack whose top is the
//! aggregate of all of them, newer ones in a stack whose aggregate is kept beside it. The window's
//! result is two accumulators merged; a pane that goes is a pop. When the older stack is empty the
//! newer one is turned over. Every partial result is pushed, turned and popped once, so that a
//! batch costs a constant per key that comes or goes, whatever the length of the window
//! (K. Tangwongsan, M. Hirzel, S. Schneider, *Low-latency sliding-window aggregation in worst-case
//! constant time*, DEBS 2017, call it Two-Stacks).
//!
//! Keys would all turn in the same batch if all of them began in the same batch. So the first
//! turn of each key is early, at a length that its hash chooses; every later one follows from it.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::combine::Tally;
use crate::index::{Index, Rule};
use crate::window::{Due, Ring};
use crate::{Aggregate, Chunks, Diff, Epoch, Record, WindowRule, stable_hash};

/// The aggregate of each key over a sliding window, as a table.
///
/// Kept: an accumulator per key and pane, for the length of the window.
///
/// ```
/// use tidegate_operators::keyed::SlideMerge;
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Max, WindowRule};
///
/// let mut highest = Local::new(SlideMerge::<_, u64, _>::new(WindowRule::new(2, 1), Max));
/// assert_eq!(highest.changes(vec![('a', 1, 7)]), [(('a', 7), 1)]);
/// assert_eq!(highest.changes(vec![('a', 1, 5)]), []);
/// assert_eq!(highest.changes(vec![]), [(('a', 5), 1), (('a', 7), -1)]);
/// ```
pub struct SlideMerge<K, V, A>
where
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    rule: WindowRule,
    ring: Ring<PaneKeys<K, A::Acc>>,
    index: Index<K, Merging<V, A>>,
}

/// What a pane brings, until it comes into the window; then who must let go when it leaves.
struct PaneKeys<K, A> {
    tallies: Vec<Tally<K, A>>,
    keys: Vec<K>,
}

impl<K, A> Default for PaneKeys<K, A> {
    fn default() -> Self {
        PaneKeys { tallies: Vec::new(), keys: Vec::new() }
    }
}

struct Merging<V, A> {
    aggregate: A,
    values: PhantomData<fn(V)>,
}

/// The partial results of one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct TwoStacks<A> {
    /// Newest at the bottom: each entry's accumulator is that of the entry and all newer ones
    /// in this stack.
    older: Vec<Partial<A>>,
    /// Oldest first, each entry on its own.
    newer: Vec<Partial<A>>,
    /// All of `newer`, merged.
    newer_total: Option<A>,
    records: i64,
    /// At how many entries the first turn is made.
    first_turn: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Partial<A> {
    exit: u64,
    records: i64,
    acc: A,
}

enum Move<A> {
    Come { partial: Partial<A>, first_turn: u32 },
    Go { through: u64 },
}

impl<V, A: Aggregate<V>> Merging<V, A> {
    fn turn(&self, state: &mut TwoStacks<A::Acc>) {
        state.newer_total = None;
        while let Some(mut partial) = state.newer.pop() {
            if let Some(after) = state.older.last() {
                self.aggregate.merge(&mut partial.acc, after.acc.clone());
            }
            state.older.push(partial);
        }
    }
}

impl<V, A: Aggregate<V>> Rule for Merging<V, A> {
    type State = TwoStacks<A::Acc>;
    type Change = Move<A::Acc>;
    type View = A::Out;

    fn first(&self, change: Move<A::Acc>) -> TwoStacks<A::Acc> {
        let mut state = TwoStacks {
            older: Vec::new(),
            newer: Vec::new(),
            newer_total: None,
            records: 0,
            first_turn: match &change {
                Move::Come { first_turn, .. } => *first_turn,
                Move::Go { .. } => 0,
            },
        };
        self.apply(&mut state, change);
        state
    }

    fn apply(&self, state: &mut TwoStacks<A::Acc>, change: Move<A::Acc>) {
        match change {
            Move::Come { partial, .. } => {
                state.records += partial.records;
                match &mut state.newer_total {
                    None => state.newer_total = Some(partial.acc.clone()),
                    Some(total) => self.aggregate.merge(total, partial.acc.clone()),
                }
                match state.newer.last_mut() {
                    Some(last) if last.exit == partial.exit => {
                        last.records += partial.records;
                        self.aggregate.merge(&mut last.acc, partial.acc);
                    }
                    _ => state.newer.push(partial),
                }
                if state.older.is_empty() && state.newer.len() > state.first_turn as usize {
                    self.turn(state);
                }
            }
            Move::Go { through } => loop {
                if state.older.is_empty() {
                    if state.newer.first().is_none_or(|oldest| oldest.exit > through) {
                        break;
                    }
                    self.turn(state);
                }
                match state.older.pop_if(|oldest| oldest.exit <= through) {
                    Some(gone) => state.records -= gone.records,
                    None => break,
                }
            },
        }
    }

    fn view(&self, state: &TwoStacks<A::Acc>) -> Option<A::Out> {
        let whole = match (state.older.last(), &state.newer_total) {
            (None, None) => return None,
            (Some(older), None) => older.acc.clone(),
            (None, Some(newer)) => newer.clone(),
            (Some(older), Some(newer)) => {
                let mut whole = older.acc.clone();
                self.aggregate.merge(&mut whole, newer.clone());
                whole
            }
        };
        Some(self.aggregate.finish(state.records, &whole))
    }

    fn is_absent(&self, state: &TwoStacks<A::Acc>) -> bool {
        state.older.is_empty() && state.newer.is_empty()
    }
}

impl<K, V, A> SlideMerge<K, V, A>
where
    K: Record,
    A: Aggregate<V>,
{
    /// A window with nothing in it.
    pub fn new(rule: WindowRule, aggregate: A) -> Self {
        let index = Index::new(Merging { aggregate, values: PhantomData });
        SlideMerge { rule, ring: Ring::default(), index }
    }

    fn advance<T: Epoch>(
        &mut self,
        batch: &Batch<T>,
        output: &mut Output<'_, Vec<((K, A::Out), T, Diff)>>,
    ) {
        let panes = self.rule.length().div_ceil(self.rule.slide());
        let mut moves: Vec<(K, Move<A::Acc>)> = Vec::new();
        let tick = batch.tick_or_panic();
        self.ring.advance(&tick, |due| match due {
            Due::Enter(pane) => {
                for (key, records, acc) in std::mem::take(&mut pane.content.tallies) {
                    let first_turn = (stable_hash(&key) % panes) as u32;
                    let partial = Partial { exit: pane.exit, records, acc };
                    pane.content.keys.push(key.clone());
                    moves.push((key, Move::Come { partial, first_turn }));
                }
            }
            Due::Exit(pane) => {
                let keys = pane.content.keys.into_iter();
                moves.extend(keys.map(|key| (key, Move::Go { through: tick.id })));
            }
            Due::Missed(_) => {}
        });
        let mut differences = Differences::new(output, batch.time);
        self.index.apply(moves, |changed| {
            differences.replace(changed.key, changed.before, changed.after);
        });
    }
}

impl<T, K, V, A> BatchOperator<T> for SlideMerge<K, V, A>
where
    T: Epoch,
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    type Input = Chunks<Tally<K, A::Acc>>;
    type Output = Vec<((K, A::Out), T, Diff)>;
    /// When it comes, when it goes, and what.
    type Saved = (u64, u64, Tally<K, A::Acc>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        if let Some(pane) = self.ring.pane(self.rule, batch.tick_or_panic().id) {
            for tally in input.into_iter().flat_map(Chunks::into_rows) {
                tap.record(|| (pane.enter, pane.exit, tally.clone()));
                pane.content.tallies.push(tally);
            }
        }
        self.advance(&batch, output);
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.2.0)
    }

    fn form() -> SavedForm {
        SavedForm::Panes
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.panes(saved)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        for (enter, exit, tally) in saved {
            self.ring.waiting_pane(enter, exit).content.tallies.push(tally);
        }
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        self.advance(&batch, output);
    }

    fn size(&self) -> StateSize {
        self.index.size()
    }
}
