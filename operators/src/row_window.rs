//! The rows of a window, as they came: what those operators keep that compute everything anew.

use crate::batched::{Folding, Route, StateSize, Tap};
use crate::window::{Due, Ring};
use crate::{Chunks, Record, Tag, Tick, WindowRule, heap_bytes};

/// When a row comes, when it goes, and the row with its place in the stream's order.
pub(crate) type SavedRow<D> = (u64, u64, (Tag, D));

/// Rows by the batches at which they come and go; without a rule, they never go.
pub(crate) struct RowWindow<D> {
    rule: Option<WindowRule>,
    ring: Ring<Vec<Chunks<D>>>,
    size: StateSize,
}

impl<D: Record> RowWindow<D> {
    pub(crate) fn new(rule: Option<WindowRule>) -> Self {
        RowWindow { rule, ring: Ring::default(), size: StateSize::default() }
    }

    /// Takes the rows of a batch; whether the window slides at it.
    pub(crate) fn take(
        &mut self,
        tick: &Tick,
        input: Vec<Chunks<D>>,
        tap: &mut Tap<SavedRow<D>>,
    ) -> bool {
        self.size.updated = 0;
        if let Some(pane) = self.ring.pane_by(self.rule, tick.id) {
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
        self.advance(tick);
        tick.covers_multiple_of(self.rule.map_or(1, |rule| rule.slide()))
    }

    pub(crate) fn advance(&mut self, tick: &Tick) {
        let size = &mut self.size;
        self.ring.advance(tick, |due| match due {
            Due::Enter(_) => {}
            Due::Exit(pane) | Due::Missed(pane) => {
                for chunks in &pane.content {
                    size.keys -= chunks.len() as u64;
                    size.bytes -= bytes_of(chunks.rows());
                }
            }
        });
    }

    /// The rows that are in the window.
    pub(crate) fn inside(&self) -> impl Iterator<Item = &Chunks<D>> {
        self.ring.inside().flat_map(|pane| &pane.content)
    }

    pub(crate) fn route((_, _, (tag, _)): &SavedRow<D>) -> Route {
        Route::of_key(tag)
    }

    pub(crate) fn fold(saved: Vec<SavedRow<D>>, folding: Folding) -> Vec<SavedRow<D>> {
        folding.panes(saved)
    }

    pub(crate) fn restore(&mut self, saved: Vec<SavedRow<D>>) {
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

    pub(crate) fn size(&self) -> StateSize {
        self.size
    }
}

fn bytes_of<D: Record>(rows: &[D]) -> u64 {
    (size_of_val(rows) + rows.iter().map(|row| heap_bytes(row)).sum::<usize>()) as u64
}
