//! An operator driven by hand: push a batch, read what comes out, kill it and start it again.
//!
//! For testing an operator without any dataflow. What it can't show is the exchange: the rows of
//! a batch all come to this one operator.

use crate::batched::{Batch, BatchOperator, Output, StateSize, Tap};
use crate::{Chunks, Diff, Tick, order};

/// An operator with a clock that moves by one at each batch, and all that its tap has given.
///
/// ```
/// use tidegate_operators::keyed::Distinct;
/// use tidegate_operators::local::Local;
///
/// let mut distinct = Local::new(Distinct::new());
/// assert_eq!(distinct.changes(vec![('a', 1), ('a', 1)]), [('a', 1)]);
/// assert_eq!(distinct.changes(vec![('a', -1)]), []);
///
/// // Killed, and started again from what the tap has given: it still knows of one `a`.
/// let mut distinct = distinct.restart(Distinct::new());
/// assert_eq!(distinct.changes(vec![('a', -1)]), [('a', -1)]);
/// assert_eq!(distinct.size().keys, 0);
/// ```
pub struct Local<O: BatchOperator<u64>> {
    operator: O,
    /// The last batch closed; 0 before the first.
    batch: u64,
    saved: Vec<O::Saved>,
}

impl<O: BatchOperator<u64>> Local<O> {
    /// An operator before its first batch, which is batch 1.
    pub fn new(operator: O) -> Self {
        Local { operator, batch: 0, saved: Vec::new() }
    }

    /// Closes the next batch, with this input; gives the messages that come out.
    pub fn close(&mut self, input: Vec<O::Input>) -> Vec<O::Output> {
        self.batch += 1;
        let (batch, mut tap, mut messages) = (self.now(), Tap::new(true), Vec::new());
        let mut give = |message: &mut O::Output| messages.push(std::mem::take(message));
        self.operator.close(batch, input, &mut Output::new(&mut give), &mut tap);
        self.saved.extend(tap.take());
        messages
    }

    /// Kills the operator, and gives the rows of its state that were saved to a fresh one.
    pub fn restart(self, mut fresh: O) -> Self {
        fresh.restore(self.saved.clone());
        Local { operator: fresh, ..self }
    }

    /// What the operator gives to rebuild whatever is derived from its output.
    pub fn contents(&mut self) -> Vec<O::Output> {
        let (batch, mut messages) = (self.now(), Vec::new());
        let mut give = |message: &mut O::Output| messages.push(std::mem::take(message));
        self.operator.contents(batch, &mut Output::new(&mut give));
        messages
    }

    /// The size of the operator's state.
    pub fn size(&self) -> StateSize {
        self.operator.size()
    }

    /// The rows of the state that the tap has given, oldest first.
    pub fn saved(&self) -> &[O::Saved] {
        &self.saved
    }

    fn now(&self) -> Batch<u64> {
        let (id, time_ms) = (self.batch, self.batch as i64 * 1000);
        let tick = Tick { id, previous: id.saturating_sub(1), time_ms, last: false };
        Batch { time: id, tick: Some(tick) }
    }
}

impl<R, E, O> Local<O>
where
    O: BatchOperator<u64, Input = Chunks<R>, Output = Chunks<E>>,
{
    /// Closes the next batch, with these rows, of an operator on streams; gives the rows that come
    /// out, in the stream's order.
    pub fn rows(&mut self, rows: Vec<R>) -> Vec<E> {
        order::in_stream_order(self.close(vec![Chunks::loose(rows)]))
    }
}

impl<R, E, O> Local<O>
where
    E: Ord,
    O: BatchOperator<u64, Input = Chunks<R>, Output = Vec<(E, u64, Diff)>>,
{
    /// Closes the next batch, with these rows, of an operator that keeps a table; gives what
    /// changed in the table, sorted.
    ///
    /// # Panics
    ///
    /// If a change is at another time than that of the batch.
    pub fn changes(&mut self, rows: Vec<R>) -> Vec<(E, Diff)> {
        let messages = self.close(vec![Chunks::loose(rows)]);
        let mut changes: Vec<(E, Diff)> = messages
            .into_iter()
            .flatten()
            .map(|(row, time, diff)| {
                assert_eq!(time, self.batch, "a change belongs to the batch that is closed");
                (row, diff)
            })
            .collect();
        changes.sort();
        changes
    }

    /// All rows of the table, sorted, as the operator gives them when it has been restarted.
    pub fn table(&mut self) -> Vec<(E, Diff)> {
        let rows = self.contents().into_iter().flatten();
        let mut rows: Vec<(E, Diff)> = rows.map(|(row, _, diff)| (row, diff)).collect();
        rows.sort();
        rows
    }
}
