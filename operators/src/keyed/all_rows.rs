//! All rows of a stream, since the beginning: a table that can be saved.

use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::{Chunks, Diff, Epoch, Record};

/// Makes a table of all rows that have come: each comes once, and stays. Nothing is kept, since what
/// follows keeps what it needs; what is saved is how often each row has come.
///
/// ```
/// use tidegate_operators::keyed::AllRows;
/// use tidegate_operators::local::Local;
///
/// let mut rows = Local::new(AllRows::default());
/// assert_eq!(rows.changes(vec!['a', 'b']), [('a', 1), ('b', 1)]);
/// assert_eq!(rows.changes(vec!['a']), [('a', 1)]);
/// ```
pub struct AllRows<D> {
    /// What has come before a restart, until it is given.
    restored: Vec<(D, Diff)>,
    size: StateSize,
}

impl<D> Default for AllRows<D> {
    fn default() -> Self {
        AllRows { restored: Vec::new(), size: StateSize::default() }
    }
}

impl<T: Epoch, D: Record> BatchOperator<T> for AllRows<D> {
    type Input = Chunks<D>;
    type Output = Vec<(D, T, Diff)>;
    /// A row, and how often it has come.
    type Saved = (D, Diff);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        self.size.updated = 0;
        let mut differences = Differences::new(output, batch.time);
        for row in input.into_iter().flat_map(Chunks::into_rows) {
            tap.record(|| (row.clone(), 1));
            differences.push(row, 1);
            self.size.updated += 1;
        }
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn form() -> SavedForm {
        SavedForm::Differences
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.differences(saved)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.restored = saved;
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let mut differences = Differences::new(output, batch.time);
        for (row, times) in std::mem::take(&mut self.restored) {
            differences.push(row, times);
        }
    }

    fn size(&self) -> StateSize {
        self.size
    }
}
