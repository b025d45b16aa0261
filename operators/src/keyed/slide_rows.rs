//! Sliding windows over rows: the window's contents as a table.

use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::window::{Due, Ring};
use crate::{Chunks, Diff, Epoch, Record, WindowRule, heap_bytes};

/// Holds the rows of a stream in the window: its output is the window's contents, as differences.
///
/// Kept: every row, for the length of the window. A batch costs what comes and what goes.
///
/// ```
/// use tidegate_operators::WindowRule;
/// use tidegate_operators::keyed::SlideRows;
/// use tidegate_operators::local::Local;
///
/// let mut window = Local::new(SlideRows::new(WindowRule::new(2, 1)));
/// assert_eq!(window.changes(vec!['a']), [('a', 1)]);
/// assert_eq!(window.changes(vec!['b']), [('b', 1)]);
/// assert_eq!(window.changes(vec![]), [('a', -1)]);
/// ```
pub struct SlideRows<D> {
    rule: WindowRule,
    ring: Ring<Vec<D>>,
    size: StateSize,
}

impl<D: Record> SlideRows<D> {
    /// A window with nothing in it.
    pub fn new(rule: WindowRule) -> Self {
        SlideRows { rule, ring: Ring::default(), size: StateSize::default() }
    }

    fn advance<T: Epoch>(&mut self, batch: &Batch<T>, output: &mut Output<'_, Vec<(D, T, Diff)>>) {
        let mut differences = Differences::new(output, batch.time);
        let size = &mut self.size;
        self.ring.advance(&batch.tick_or_panic(), |due| match due {
            Due::Enter(pane) => {
                pane.content.shrink_to_fit();
                pane.content.iter().for_each(|row| differences.push(row.clone(), 1));
            }
            Due::Exit(pane) => {
                account(size, &pane.content, -1);
                pane.content.into_iter().for_each(|row| differences.push(row, -1));
            }
            Due::Missed(pane) => account(size, &pane.content, -1),
        });
    }
}

impl<T: Epoch, D: Record> BatchOperator<T> for SlideRows<D> {
    type Input = Chunks<D>;
    type Output = Vec<(D, T, Diff)>;
    /// When it comes, when it goes, and the row.
    type Saved = (u64, u64, D);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        self.size.updated = 0;
        if let Some(pane) = self.ring.pane(self.rule, batch.tick_or_panic().id) {
            let start = pane.content.len();
            pane.content.extend(input.into_iter().flat_map(Chunks::into_rows));
            let added = &pane.content[start..];
            added.iter().for_each(|row| tap.record(|| (pane.enter, pane.exit, row.clone())));
            self.size.updated = added.len() as u64;
            account(&mut self.size, added, 1);
        }
        self.advance(&batch, output);
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.2)
    }

    fn form() -> SavedForm {
        SavedForm::Panes
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.panes(saved)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        for (enter, exit, row) in saved {
            account(&mut self.size, std::slice::from_ref(&row), 1);
            self.ring.waiting_pane(enter, exit).content.push(row);
        }
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        self.advance(&batch, output);
    }

    fn size(&self) -> StateSize {
        self.size
    }
}

fn account<D: Record>(size: &mut StateSize, rows: &[D], sign: i64) {
    let bytes = size_of_val(rows) + rows.iter().map(|row| heap_bytes(row)).sum::<usize>();
    size.keys = size.keys.wrapping_add_signed(sign * rows.len() as i64);
    size.bytes = size.bytes.wrapping_add_signed(sign * bytes as i64);
}
