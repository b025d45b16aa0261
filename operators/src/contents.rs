//! Full contents per batch: the rows of a window, and the snapshots of a table.

use std::collections::BTreeMap;

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::differences::Change;
use crate::row_window::RowWindow;
use crate::{Chunks, Epoch, Record, Tag, WindowRule, heap_bytes};

/// All rows of the window, at each slide: what Spark's `window` gives, and what an aggregate that
/// is recomputed from scratch starts from.
///
/// Kept: every row, for the length of the window. A batch at which the window slides costs all of
/// them.
///
/// ```
/// use tidegate_operators::contents::WindowRows;
/// use tidegate_operators::{WindowRule, local::Local};
///
/// let mut window = Local::new(WindowRows::new(Some(WindowRule::new(2, 1))));
/// assert_eq!(window.rows(vec!['a']), ['a']);
/// assert_eq!(window.rows(vec!['b']), ['a', 'b']);
/// assert_eq!(window.rows(vec![]), ['b']);
/// ```
pub struct WindowRows<D> {
    rows: RowWindow<D>,
}

impl<D: Record> WindowRows<D> {
    /// A sliding window; without a rule, a window that nothing ever leaves.
    pub fn new(rule: Option<WindowRule>) -> Self {
        WindowRows { rows: RowWindow::new(rule) }
    }
}

impl<T: Epoch, D: Record> BatchOperator<T> for WindowRows<D> {
    type Input = Chunks<D>;
    type Output = Chunks<D>;
    /// When it comes, when it goes, and the row with its place in the stream's order.
    type Saved = (u64, u64, (Tag, D));

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        if self.rows.take(&batch.tick_or_panic(), input, tap) {
            self.rows.inside().for_each(|chunks| output.give(chunks.clone()));
        }
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

/// The contents of a table at each batch in which it has an output: Spark's complete mode.
///
/// Kept: the table. A batch with an output costs all of it.
///
/// ```
/// use tidegate_operators::{contents::Snapshots, local::Local};
///
/// let mut table = Local::new(Snapshots::new(1));
/// assert_eq!(table.rows(vec![('a', 1), ('b', 2)]), ['a', 'b', 'b']);
/// assert_eq!(table.rows(vec![('b', -1)]), ['a', 'b']);
/// ```
pub struct Snapshots<D> {
    slide: u64,
    rows: BTreeMap<D, i64>,
    heap_bytes: usize,
    updated: u64,
}

impl<D: Record> Snapshots<D> {
    /// A snapshot at each batch that covers a multiple of `slide`.
    pub fn new(slide: u64) -> Self {
        Snapshots { slide, rows: BTreeMap::new(), heap_bytes: 0, updated: 0 }
    }

    fn apply(&mut self, input: Vec<Chunks<Change<D>>>) {
        use std::collections::btree_map::Entry;
        self.updated = 0;
        for (row, diff) in input.into_iter().flat_map(Chunks::into_rows) {
            self.updated += 1;
            match self.rows.entry(row) {
                Entry::Vacant(free) => {
                    self.heap_bytes += heap_bytes(free.key());
                    free.insert(diff as i64);
                }
                Entry::Occupied(mut times) => {
                    *times.get_mut() += diff as i64;
                    if *times.get() == 0 {
                        self.heap_bytes -= heap_bytes(times.key());
                        times.remove();
                    }
                }
            }
        }
    }
}

impl<T: Epoch, D: Record> BatchOperator<T> for Snapshots<D> {
    type Input = Chunks<Change<D>>;
    type Output = Chunks<D>;
    /// Derived from what makes the table: rebuilt, not saved.
    type Saved = ();

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        self.apply(input);
        // Restored contents come at a time without a tick.
        if batch.tick.is_some_and(|tick| tick.covers_multiple_of(self.slide)) {
            let rows = self.rows.iter().flat_map(|(row, times)| {
                std::iter::repeat_n(row, usize::try_from(*times).unwrap_or(0))
            });
            output.give(Chunks::loose(rows.cloned().collect()));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}

    fn size(&self) -> StateSize {
        let slot = size_of::<D>() + size_of::<i64>();
        StateSize {
            keys: self.rows.len() as u64,
            bytes: (self.heap_bytes + self.rows.len() * slot) as u64,
            updated: self.updated,
        }
    }
}

/// The differences between the contents of a table at one output and at the next.
///
/// Kept: the contents. A batch with an output costs all of them. Equal rows must have been shipped
/// to one worker.
///
/// ```
/// use tidegate_operators::{contents::ContentsChanges, local::Local};
///
/// let mut changes = Local::new(ContentsChanges::new(1));
/// assert_eq!(changes.rows(vec!['a', 'b']), [('a', 1), ('b', 1)]);
/// assert_eq!(changes.rows(vec!['b', 'c']), [('c', 1), ('a', -1)]);
/// ```
pub struct ContentsChanges<D> {
    slide: u64,
    rows: BTreeMap<D, i64>,
    size: StateSize,
}

impl<D: Record> ContentsChanges<D> {
    /// Contents come in each batch that covers a multiple of `slide`.
    pub fn new(slide: u64) -> Self {
        ContentsChanges { slide, rows: BTreeMap::new(), size: StateSize::default() }
    }
}

impl<T: Epoch, D: Record> BatchOperator<T> for ContentsChanges<D> {
    type Input = Chunks<D>;
    type Output = Chunks<Change<D>>;
    /// Derived from what makes the table: rebuilt, not saved.
    type Saved = ();

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        if !batch.tick.is_some_and(|tick| tick.covers_multiple_of(self.slide)) {
            return;
        }
        let mut next: BTreeMap<D, i64> = BTreeMap::new();
        for row in input.into_iter().flat_map(Chunks::into_rows) {
            *next.entry(row).or_default() += 1;
        }
        let mut changes: Vec<Change<D>> = Vec::new();
        for (row, times) in &next {
            let before = self.rows.remove(row).unwrap_or(0);
            if before != *times {
                changes.push((row.clone(), (times - before) as isize));
            }
        }
        let gone = std::mem::take(&mut self.rows).into_iter();
        changes.extend(gone.map(|(row, times)| (row, -times as isize)));
        let owned: usize = next.keys().map(heap_bytes).sum();
        self.size = StateSize {
            keys: next.len() as u64,
            bytes: (owned + next.len() * size_of::<(D, i64)>()) as u64,
            updated: changes.len() as u64,
        };
        self.rows = next;
        if !changes.is_empty() {
            output.give(Chunks::loose(changes));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}

    fn size(&self) -> StateSize {
        self.size
    }
}
