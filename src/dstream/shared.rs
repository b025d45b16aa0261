//! Values that a stream is given, and totals that it gives.

use std::marker::PhantomData;

use tidegate_operators::batched::{Batch, BatchOperator, Output, Route, Tap};
use tidegate_operators::keyed::Side;
use tidegate_operators::{Aggregate, Chunks, Record, Tag, order, ship};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Concat, Operator};

use super::{DStream, Order};
use crate::batch::{BatchId, ChunkStream, chunkwise};
use crate::context::Context;
use crate::shared::{Accumulator, Broadcast};

impl<'s, D: Record> DStream<'s, D> {
    /// One record for each record, by a value that may change between batches.
    pub fn map_with<T: Record, E: Record>(
        self,
        value: &Broadcast<T>,
        logic: impl FnMut(D, &T) -> E + 'static,
    ) -> DStream<'s, E> {
        let values = announced(self.ctx, value);
        self.map_beside(values, logic)
    }

    /// The same by a value that each worker is told: in its first batch, and whenever it changes.
    pub(crate) fn map_beside<T: Record, E: Record>(
        self,
        values: ChunkStream<'s, T>,
        logic: impl FnMut(D, &T) -> E + 'static,
    ) -> DStream<'s, E> {
        let stream = self.tagged();
        let ctx = stream.ctx;
        let rows = chunkwise(stream.chunks.clone(), "Rows", |rows| rows.map(Side::Left));
        let both = rows.concat(chunkwise(values, "Values", |values| values.map(Side::Right)));
        let operator = MapWith { logic, value: None, rows: PhantomData };
        let mapped = ctx.attach_per_batch("MapWith", both, operator);
        stream.with_chunks(mapped, Order::Tags)
    }

    /// Adds the aggregate of all records so far up in `total`.
    pub fn accumulate<A: Aggregate<D>>(self, aggregate: A, total: &Accumulator<A::Out>) {
        self.running().aggregate(aggregate).sink(total.sink());
    }
}

/// A value on every worker, in each batch in which it is another one.
fn announced<'s, T: Record>(ctx: Context<'s>, value: &Broadcast<T>) -> ChunkStream<'s, T> {
    let (peers, value) = (ctx.peers(), value.clone());
    let (index, count) = (peers.index(), peers.count());
    let mut told = None;
    let letters =
        ctx.ticks().unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Announce", move |_, _| {
            move |input, output| {
                input.for_each(|time, _ticks| {
                    let (version, value) = value.current();
                    if index == 0 && told != Some(version) {
                        told = Some(version);
                        let letters = (0..count).map(|to| (to, value.clone())).collect();
                        let mut letters = Chunks::loose(letters);
                        output.session_with_builder(&time).give_container(&mut letters);
                    }
                });
            }
        });
    let letters = ship::ship(letters, peers, "to all", |(to, _): &(usize, T)| *to);
    chunkwise(letters, "Letters", |letters| letters.map(|(_, value)| value))
}

/// Maps the rows of a batch by the latest value.
struct MapWith<D, T, F> {
    logic: F,
    value: Option<T>,
    rows: PhantomData<fn(D)>,
}

impl<D, T, E, F> BatchOperator<BatchId> for MapWith<D, T, F>
where
    D: Record,
    T: Record,
    E: Record,
    F: FnMut(D, &T) -> E + 'static,
{
    type Input = Chunks<Side<D, T>>;
    type Output = Chunks<E>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<BatchId>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        let mut rows: Vec<(Tag, Vec<D>)> = Vec::new();
        for (tag, chunk) in order::by_tag(input) {
            let mut records = Vec::with_capacity(chunk.len());
            let mut is_letter = false;
            for side in chunk {
                match side {
                    Side::Left(row) => records.push(row),
                    Side::Right(value) => {
                        self.value = Some(value);
                        is_letter = true;
                    }
                }
            }
            // A letter may share its tag with a chunk of records, empty ones included.
            if !is_letter || !records.is_empty() {
                rows.push((tag, records));
            }
        }
        // The first tick has told everybody; only then can there be a batch.
        let Some(value) = &self.value else { return };
        let mut mapped = Chunks::new();
        for (tag, records) in rows {
            mapped.push(tag, records.into_iter().map(|row| (self.logic)(row, value)));
        }
        if !mapped.is_empty() {
            output.give(mapped);
        }
    }

    fn route(_saved: &()) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
