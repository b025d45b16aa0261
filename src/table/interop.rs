//! Down to differential, and up again.

#[cfg(feature = "cli")]
use std::sync::Arc;
#[cfg(feature = "cli")]
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_operators::{Record, differences};
#[cfg(feature = "cli")]
use timely::dataflow::operators::InspectCore;

use super::{Inside, Table};
use crate::batch::Collection;
use crate::context::Context;

impl<'s, D: Record> Table<'s, D> {
    /// The table as a differential collection, for everything that differential dataflow can do.
    /// Come up again with [`Context::table`].
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// // Pairs of words that end alike, by differential's own join.
    /// let rhymes = batches(vec![vec!["tide", "ebb"], vec!["wide"]], |words| {
    ///     let ctx = words.context();
    ///     let by_end = words.running().table().into_collection().map(|w| (w[1..].to_string(), w));
    ///     let pairs = by_end.clone().join_map(by_end, |_end, a, b| (a.clone(), b.clone()));
    ///     ctx.table(pairs.filter(|(a, b)| a < b)).snapshots()
    /// });
    /// assert_eq!(rhymes, [vec![], vec![("tide".to_string(), "wide".to_string())]]);
    /// ```
    pub fn into_collection(self) -> Collection<'s, D> {
        match self.inside {
            Inside::Differences(collection) => collection,
            Inside::Contents(_) => differences::timed(self.differences().0),
        }
    }

    /// Counts the rows that leave the table in whichever way it is kept: its differences, or all of
    /// its rows in each batch.
    #[cfg(feature = "cli")]
    pub(crate) fn counted(self, counter: Arc<AtomicU64>) {
        let ctx = self.ctx;
        let count = move |rows: usize| {
            counter.fetch_add(rows as u64, Ordering::Relaxed);
        };
        match self.inside {
            Inside::Differences(collection) => {
                ctx.complete_with(collection.inner.inspect_container(move |event| {
                    if let Ok((_, rows)) = event {
                        count(rows.len());
                    }
                }));
            }
            Inside::Contents(rows) => {
                ctx.complete_with(rows.inspect_container(move |event| {
                    if let Ok((_, chunks)) = event {
                        count(chunks.rows().len());
                    }
                }));
            }
        }
    }

    /// The context in which this table was made.
    pub fn context(&self) -> Context<'s> {
        self.ctx
    }
}

impl<'s> Context<'s> {
    /// Makes a table of a differential collection. Its updates must be at the times of batches.
    pub fn table<D: Record>(self, collection: Collection<'s, D>) -> Table<'s, D> {
        Table::of_collection(self, collection, 1)
    }
}
