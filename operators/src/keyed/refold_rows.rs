//! Windows that are counted anew from their rows: what a batch engine does.

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::combine::{Combiner, Keyed, Tally};
use crate::window::{Due, Ring};
use crate::{Aggregate, Chunks, Epoch, Record, Tag, WindowRule, heap_bytes};

/// Keeps the rows of the window where they came in, and folds all of them by key whenever it
/// slides: a tally per key, which is then to be brought to the worker that owns it.
///
/// Kept: every row, for the length of the window. A batch at which the window slides costs all of
/// them.
///
/// ```
/// use tidegate_operators::combine::Whole;
/// use tidegate_operators::keyed::RefoldRows;
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Count, WindowRule};
///
/// let rule = Some(WindowRule::new(2, 1));
/// let mut window = Local::new(RefoldRows::new(rule, Whole, Count));
/// assert_eq!(window.rows(vec!['a', 'a']), [('a', 2, ())]);
/// assert_eq!(window.rows(vec!['a']), [('a', 3, ())]);
/// assert_eq!(window.rows(vec![]), [('a', 1, ())]);
/// ```
pub struct RefoldRows<D, S, A>
where
    S: Keyed<D>,
    A: Aggregate<S::Value>,
{
    rule: Option<WindowRule>,
    split: S,
    aggregate: A,
    ring: Ring<Vec<Chunks<D>>>,
    combiner: Combiner<S::Key, A::Acc>,
    size: StateSize,
}

/// When the panes of a window that nothing leaves would go: never.
const NEVER: u64 = u64::MAX;

impl<D: Record, S: Keyed<D>, A: Aggregate<S::Value>> RefoldRows<D, S, A> {
    /// A window with nothing in it; without a rule, one that nothing ever leaves.
    pub fn new(rule: Option<WindowRule>, split: S, aggregate: A) -> Self {
        RefoldRows {
            rule,
            split,
            aggregate,
            ring: Ring::default(),
            combiner: Combiner::default(),
            size: StateSize::default(),
        }
    }

    fn advance(&mut self, batch: &Batch<impl Epoch>) {
        let size = &mut self.size;
        self.ring.advance(&batch.tick_or_panic(), |due| match due {
            Due::Enter(_) => {}
            Due::Exit(pane) | Due::Missed(pane) => {
                for chunks in &pane.content {
                    size.keys -= chunks.len() as u64;
                    size.bytes -= bytes_of(chunks.rows());
                }
            }
        });
    }
}

impl<T, D, S, A> BatchOperator<T> for RefoldRows<D, S, A>
where
    T: Epoch,
    D: Record,
    S: Keyed<D>,
    A: Aggregate<S::Value>,
{
    type Input = Chunks<D>;
    type Output = Chunks<Tally<S::Key, A::Acc>>;
    /// When it comes, when it goes, and the row.
    type Saved = (u64, u64, (Tag, D));

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let tick = batch.tick_or_panic();
        let pane = match self.rule {
            Some(rule) => self.ring.pane(rule, tick.id),
            None => Some(self.ring.waiting_pane(tick.id, NEVER)),
        };
        self.size.updated = 0;
        if let Some(pane) = pane {
            for chunks in input {
                self.size.updated += chunks.len() as u64;
                self.size.bytes += bytes_of(chunks.rows());
                for (tag, rows) in chunks.iter() {
                    for row in rows {
                        tap.record(|| (pane.enter, pane.exit, (tag, row.clone())));
                    }
                }
                pane.content.push(chunks);
            }
            self.size.keys += self.size.updated;
        }
        self.advance(&batch);
        if !tick.covers_multiple_of(self.rule.map_or(1, |rule| rule.slide())) {
            return;
        }
        let RefoldRows { split, aggregate, ring, combiner, .. } = self;
        for chunks in ring.inside().flat_map(|pane| &pane.content) {
            for row in chunks.rows() {
                let (key, value) = split.parts(row);
                let acc = aggregate.lift(value);
                combiner.add_of(key, 1, acc, |acc, other| aggregate.merge(acc, other));
            }
        }
        output.give(Chunks::loose(combiner.drain().collect()));
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
        for (enter, exit, (tag, row)) in saved {
            self.size.keys += 1;
            self.size.bytes += bytes_of(std::slice::from_ref(&row));
            let pane = self.ring.waiting_pane(enter, exit);
            if pane.content.is_empty() {
                pane.content.push(Chunks::new());
            }
            pane.content[0].push(tag, [row]);
        }
    }

    fn contents(&mut self, batch: Batch<T>, _output: &mut Output<'_, Self::Output>) {
        self.advance(&batch);
    }

    fn size(&self) -> StateSize {
        self.size
    }
}

fn bytes_of<D: Record>(rows: &[D]) -> u64 {
    (size_of_val(rows) + rows.iter().map(|row| heap_bytes(row)).sum::<usize>()) as u64
}
