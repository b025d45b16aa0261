//! Windows that are counted anew from their rows: what a batch engine does.

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::combine::{Combiner, Keyed, Tally, combined_by};
use crate::row_window::RowWindow;
use crate::{Aggregate, Chunks, Epoch, Record, Tag, WindowRule};

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
/// let mut window = Local::new(RefoldRows::new(rule, Whole, Count, 0));
/// assert_eq!(window.rows(vec!['a', 'a']), [('a', 2, ())]);
/// assert_eq!(window.rows(vec!['a']), [('a', 3, ())]);
/// assert_eq!(window.rows(vec![]), [('a', 1, ())]);
/// ```
pub struct RefoldRows<D, S, A>
where
    S: Keyed<D>,
    A: Aggregate<S::Value>,
{
    rows: RowWindow<D>,
    split: S,
    aggregate: A,
    combiner: Combiner<S::Key, A::Acc>,
    worker: usize,
}

impl<D: Record, S: Keyed<D>, A: Aggregate<S::Value>> RefoldRows<D, S, A> {
    /// A window with nothing in it, on this worker; without a rule, one that nothing ever leaves.
    pub fn new(rule: Option<WindowRule>, split: S, aggregate: A, worker: usize) -> Self {
        let (rows, combiner) = (RowWindow::new(rule), Combiner::default());
        RefoldRows { rows, split, aggregate, combiner, worker }
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
        let RefoldRows { rows, split, aggregate, combiner, worker } = self;
        if !rows.take(&batch.tick_or_panic(), input, tap) {
            return;
        }
        for chunks in rows.inside() {
            for row in chunks.rows() {
                let (key, value) = split.parts(row);
                let acc = aggregate.lift(value);
                combiner.add_of(key, 1, acc, |acc, other| aggregate.merge(acc, other));
            }
        }
        output.give(Chunks::of(combined_by(*worker), combiner.drain().collect()));
    }

    fn route(saved: &Self::Saved) -> Route {
        RowWindow::route(saved)
    }

    fn form() -> SavedForm {
        SavedForm::Panes
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        RowWindow::fold(saved, folding)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.rows.restore(saved);
    }

    fn contents(&mut self, batch: Batch<T>, _output: &mut Output<'_, Self::Output>) {
        self.rows.advance(&batch.tick_or_panic());
    }

    fn size(&self) -> StateSize {
        self.rows.size()
    }
}
