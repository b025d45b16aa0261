//! What an operator with windows of event time gives.

use serde::{Deserialize, Serialize};

use crate::batched::{Folding, Output, Route};
use crate::{Chunks, Diff, Record};

/// What happened to a row of a table of windows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Emitted<R> {
    /// It came into a window that is open, or went from it.
    Open(R, Diff),
    /// Its window closed with it: this is the result.
    Closed(R),
    /// It came, and is a result at once: nothing will change it.
    Settled(R),
    /// The result of a closed window was corrected: it went, or it came.
    Revised(R, Diff),
    /// So many records came too late.
    Late(i64),
}

impl<R: Clone + 'static> Emitted<R> {
    /// Gives what a batch came to, and how many of its records came too late.
    pub(super) fn give(mut emitted: Vec<Self>, late: i64, output: &mut Output<'_, Chunks<Self>>) {
        if late > 0 {
            emitted.push(Emitted::Late(late));
        }
        if !emitted.is_empty() {
            output.give(Chunks::loose(emitted));
        }
    }
}

impl<R> Emitted<R> {
    /// The same of another row.
    ///
    /// ```
    /// use tidegate_operators::event_time::Emitted;
    ///
    /// assert_eq!(Emitted::Open(2, -1).map(|row| row * 10), Emitted::Open(20, -1));
    /// ```
    pub fn map<E>(self, logic: impl FnOnce(R) -> E) -> Emitted<E> {
        match self {
            Emitted::Open(row, diff) => Emitted::Open(logic(row), diff),
            Emitted::Closed(row) => Emitted::Closed(logic(row)),
            Emitted::Settled(row) => Emitted::Settled(logic(row)),
            Emitted::Revised(row, diff) => Emitted::Revised(logic(row), diff),
            Emitted::Late(records) => Emitted::Late(records),
        }
    }
}

/// A row of the saved state of windows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SavedWindow<K, S> {
    /// What is kept for a key; `None` once it is gone.
    State(K, Option<S>),
    /// What ends at this time or before is closed.
    ClosedThrough(i64),
}

impl<K: Record, S> SavedWindow<K, S> {
    /// Where it belongs when it comes back.
    pub(super) fn route(&self) -> Route {
        match self {
            SavedWindow::State(key, _) => Route::of_key(key),
            SavedWindow::ClosedThrough(_) => Route::Everywhere,
        }
    }

    /// The latest of each key, and how far windows are closed.
    pub(super) fn fold(saved: Vec<Self>, folding: Folding) -> Vec<Self> {
        fn key<K, S>(row: &SavedWindow<K, S>) -> Option<&K> {
            match row {
                SavedWindow::State(key, _) => Some(key),
                SavedWindow::ClosedThrough(_) => None,
            }
        }
        folding.latest(
            saved,
            |a, b| key(a).cmp(&key(b)),
            |row| matches!(row, SavedWindow::State(_, None)),
        )
    }
}
