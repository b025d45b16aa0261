//! Tables: collections maintained across batches.

mod aggregate;
mod change;
mod interop;
mod iterate;
mod join;
mod operator;
mod output;
mod queryable;
mod reach;
mod rows;
mod timed_join;

use std::rc::Rc;

use differential_dataflow::AsCollection;
use tidegate_operators::contents::{ContentsChanges, Snapshots};
use tidegate_operators::differences::{self, Consolidate};
use tidegate_operators::ship::key_group;
use tidegate_operators::{Record, ship, stable_hash};

pub use change::Change;
pub use iterate::{InRounds, Iterated, Nested};
pub use join::{ArrangedTable, Joinable};

use crate::batch::{BatchId, ChunkStream, Collection, Diff, RowStream};
use crate::config::Strategy;
use crate::context::{Context, Options};
use crate::dstream::RowOrder;

/// A collection maintained across batches: it has contents at every batch, and changes by
/// differences.
///
/// Inside it is either its differences, or, where a program is recomputed
/// ([`Strategy::Recompute`]), its full contents at each batch. It leaves as
/// [`changes`](Table::changes) or as [`snapshots`](Table::snapshots).
pub struct Table<'s, D: 'static> {
    ctx: Context<'s>,
    inside: Inside<'s, D>,
    /// Where its rows are, if they are where their key, or they themselves, belong.
    place: Option<Place<D>>,
    /// Whether no difference of a batch cancels another.
    consolidated: bool,
    /// There is an output whenever the tick covers a multiple of this.
    slide: u64,
    options: Options,
}

enum Inside<'s, D: 'static> {
    Differences(Collection<'s, D>),
    /// All rows, in each batch that has an output.
    Contents(ChunkStream<'s, D>),
}

/// By what the rows of a table are placed and ordered.
struct Place<D> {
    /// Puts changes in order: by key, what went before what came, then by the whole row.
    sort_changes: fn(&mut [Change<D>]),
    group: Rc<dyn Fn(&D) -> u64>,
}

impl<D> Clone for Place<D> {
    fn clone(&self) -> Self {
        Place { sort_changes: self.sort_changes, group: Rc::clone(&self.group) }
    }
}

impl<K: Record, V: Record> Place<(K, V)> {
    /// Pairs, on the worker that owns their key.
    fn by_key() -> Self {
        Place {
            sort_changes: |changes| change::sort(changes, |left, right| left.0.cmp(&right.0)),
            group: Rc::new(|(key, _)| key_group(stable_hash(key))),
        }
    }
}

impl<D: Record> Place<D> {
    /// Rows, on the worker that owns them.
    fn by_row() -> Self {
        Place {
            sort_changes: |changes| change::sort(changes, Ord::cmp),
            group: Rc::new(|row| key_group(stable_hash(row))),
        }
    }

    /// The order of a snapshot.
    fn of_rows(&self) -> RowOrder<D> {
        RowOrder { sort: <[_]>::sort_unstable, group: Rc::clone(&self.group) }
    }
}

impl<D: Clone + 'static> Clone for Table<'_, D> {
    fn clone(&self) -> Self {
        Table {
            ctx: self.ctx,
            inside: match &self.inside {
                Inside::Differences(collection) => Inside::Differences(collection.clone()),
                Inside::Contents(rows) => Inside::Contents(rows.clone()),
            },
            place: self.place.clone(),
            consolidated: self.consolidated,
            slide: self.slide,
            options: self.options.clone(),
        }
    }
}

impl<'s, K: Record, V: Record> Table<'s, (K, V)> {
    /// A table by key, from the differences that a keyed operator gives.
    pub(crate) fn keyed(
        ctx: Context<'s>,
        differences: RowStream<'s, ((K, V), BatchId, Diff)>,
        slide: u64,
    ) -> Self {
        Table {
            ctx,
            inside: Inside::Differences(differences.as_collection()),
            place: Some(Place::by_key()),
            consolidated: true,
            slide,
            options: Options::default(),
        }
    }

    /// A table by key, from the full contents that a keyed operator gives.
    pub(crate) fn of_contents(ctx: Context<'s>, rows: ChunkStream<'s, (K, V)>, slide: u64) -> Self {
        Table { place: Some(Place::by_key()), ..Self::of_rows(ctx, rows, slide) }
    }
}

impl<'s, D: Record> Table<'s, D> {
    /// The same table, when a difference of a batch may cancel another.
    pub(crate) fn unconsolidated(self) -> Self {
        Table { consolidated: false, ..self }
    }

    /// A table of any collection.
    pub(crate) fn of_collection(ctx: Context<'s>, rows: Collection<'s, D>, slide: u64) -> Self {
        Table {
            ctx,
            inside: Inside::Differences(rows),
            place: None,
            consolidated: false,
            slide,
            options: Options::default(),
        }
    }

    /// A table of full contents.
    pub(crate) fn of_rows(ctx: Context<'s>, rows: ChunkStream<'s, D>, slide: u64) -> Self {
        Table {
            ctx,
            inside: Inside::Contents(rows),
            place: None,
            consolidated: true,
            slide,
            options: Options::default(),
        }
    }

    /// Gives the next operation a name, under which its state will be found again.
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.options.uid = Some(uid.into());
        self
    }

    /// Says how the next operation keeps its state.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.options.strategy = Some(strategy);
        self
    }

    /// The differences of each batch, wherever they are.
    fn differences(self) -> (ChunkStream<'s, differences::Change<D>>, Option<Place<D>>, bool) {
        match self.inside {
            Inside::Differences(collection) => {
                (differences::by_batch(collection), self.place, self.consolidated)
            }
            Inside::Contents(_) => {
                let ctx = self.ctx;
                let (rows, place, slide) = self.placed_contents();
                let operator = ContentsChanges::new(slide);
                let changes = ctx.attach_derived("changes", &Options::default(), rows, operator);
                (changes, Some(place), true)
            }
        }
    }

    /// The differences of each batch, those of a row on one worker, and none cancelling another.
    fn settled(self) -> (ChunkStream<'s, differences::Change<D>>, Place<D>) {
        let ctx = self.ctx;
        let (changes, place, consolidated) = self.differences();
        match place {
            Some(place) if consolidated => (changes, place),
            Some(place) => {
                let operator = Consolidate::new();
                (ctx.attach_per_batch("Consolidate", changes, operator), place)
            }
            None => {
                let owners = ctx.peers().clone();
                let shipped = ship::ship(changes, ctx.peers(), "by row", move |(row, _)| {
                    owners.owner_of_key(row)
                });
                let operator = Consolidate::new();
                (ctx.attach_per_batch("Consolidate", shipped, operator), Place::by_row())
            }
        }
    }

    /// The contents in each batch with an output, wherever they are.
    fn contents(self) -> (ChunkStream<'s, D>, Option<Place<D>>) {
        let (ctx, slide) = (self.ctx, self.slide);
        match self.inside {
            Inside::Contents(rows) => (rows, self.place),
            Inside::Differences(_) => {
                let (changes, place) = self.settled();
                let operator = Snapshots::new(slide);
                (
                    ctx.attach_derived("snapshots", &Options::default(), changes, operator),
                    Some(place),
                )
            }
        }
    }

    /// The contents in each batch with an output, those of a row on one worker.
    fn placed_contents(self) -> (ChunkStream<'s, D>, Place<D>, u64) {
        let (ctx, slide) = (self.ctx, self.slide);
        let (rows, place) = self.contents();
        if let Some(place) = place {
            return (rows, place, slide);
        }
        let owners = ctx.peers().clone();
        let shipped = ship::ship(rows, ctx.peers(), "by row", move |row| owners.owner_of_key(row));
        (shipped, Place::by_row(), slide)
    }
}
