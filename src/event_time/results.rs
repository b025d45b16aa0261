//! What comes out of operators by event time: rows that may still change, and rows that are final.

use tidegate_operators::event_time::Emitted;
use tidegate_operators::{Diff, Record, Sum, differences};

use crate::batch::{ChunkStream, chunkwise};
use crate::context::Context;
use crate::dstream::{DStream, Order, RowOrder};
use crate::table::{Change, Table};

/// What happened to rows, batch by batch.
pub(super) struct Results<'s, R> {
    pub(super) ctx: Context<'s>,
    emitted: ChunkStream<'s, Emitted<R>>,
    slide: u64,
    /// Whether no change of a batch cancels another.
    consolidated: bool,
}

impl<R: Clone + 'static> Clone for Results<'_, R> {
    fn clone(&self) -> Self {
        Results { emitted: self.emitted.clone(), ..*self }
    }
}

impl<'s, R: Record> Results<'s, R> {
    pub(super) fn new(ctx: Context<'s>, emitted: ChunkStream<'s, Emitted<R>>, slide: u64) -> Self {
        Results { ctx, emitted, slide, consolidated: true }
    }

    /// The same, where a change of a batch may cancel another.
    pub(super) fn unconsolidated(self) -> Self {
        Results { consolidated: false, ..self }
    }

    /// The same of other rows, which changes of other rows may now cancel.
    pub(super) fn map<E: Record>(self, mut logic: impl FnMut(R) -> E + 'static) -> Results<'s, E> {
        let emitted = chunkwise(self.emitted, "Results", move |chunks| {
            chunks.map(|event| event.map(&mut logic))
        });
        Results::new(self.ctx, emitted, self.slide).unconsolidated()
    }

    /// Some of what happened, as a stream.
    fn stream_of<E>(
        &self,
        name: &str,
        order: Order<E>,
        mut logic: impl FnMut(Emitted<R>) -> Option<E> + 'static,
    ) -> DStream<'s, E>
    where
        E: 'static,
    {
        let chunks =
            chunkwise(self.emitted.clone(), name, move |chunks| chunks.flat_map(&mut logic));
        let options = Default::default();
        DStream { ctx: self.ctx, chunks, order, lanes: 1, slide: self.slide, options }
    }

    /// How many records of each batch came too late.
    pub(super) fn late_count(&self) -> DStream<'s, i64> {
        let counts = self.stream_of("Late", Order::Tags, |event| match event {
            Emitted::Late(records) => Some(records),
            _ => None,
        });
        counts.total(Sum, Some(0))
    }
}

impl<'s, K: Record, V: Record> Results<'s, (K, V)> {
    /// Some of what happened to rows, as a table.
    fn table_of(
        self,
        name: &str,
        mut logic: impl FnMut(Emitted<(K, V)>) -> Option<((K, V), Diff)> + 'static,
    ) -> Table<'s, (K, V)> {
        let rows = chunkwise(self.emitted, name, move |chunks| chunks.flat_map(&mut logic));
        let table = Table::keyed(self.ctx, differences::timed(rows).inner, self.slide);
        if self.consolidated { table } else { table.unconsolidated() }
    }

    /// The rows that went and came; that one is final is no change.
    pub(super) fn changes(self) -> DStream<'s, Change<(K, V)>> {
        let changes = self.table_of("Changes of results", |event| match event {
            Emitted::Open(row, diff) | Emitted::Revised(row, diff) => Some((row, diff)),
            Emitted::Settled(row) => Some((row, 1)),
            Emitted::Closed(_) | Emitted::Late(_) => None,
        });
        changes.changes()
    }

    /// The rows that may still change.
    pub(super) fn open(self) -> Table<'s, (K, V)> {
        let open = self.table_of("Open results", |event| match event {
            Emitted::Open(row, diff) => Some((row, diff)),
            Emitted::Closed(row) => Some((row, -1)),
            Emitted::Settled(_) | Emitted::Revised(..) | Emitted::Late(_) => None,
        });
        open.unconsolidated()
    }

    /// The rows that become final, and those that a correction brings.
    pub(super) fn finals(&self) -> DStream<'s, (K, V)> {
        self.stream_of("Finals", Order::Rows(RowOrder::by_key()), |event| match event {
            Emitted::Closed(row) | Emitted::Settled(row) | Emitted::Revised(row, 1) => Some(row),
            _ => None,
        })
    }

    /// The rows that become final.
    pub(super) fn closed(&self) -> DStream<'s, (K, V)> {
        self.stream_of("Closed", Order::Rows(RowOrder::by_key()), |event| match event {
            Emitted::Closed(row) | Emitted::Settled(row) => Some(row),
            _ => None,
        })
    }

    /// The rows that become final, and their corrections.
    pub(super) fn revisions(self) -> DStream<'s, Change<(K, V)>> {
        let closed = self.table_of("Closed results", |event| match event {
            Emitted::Closed(row) | Emitted::Settled(row) => Some((row, 1)),
            Emitted::Revised(row, diff) => Some((row, diff)),
            Emitted::Open(..) | Emitted::Late(_) => None,
        });
        closed.unconsolidated().changes()
    }
}
