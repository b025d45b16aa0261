//! Operators of one's own, in a job.

use std::rc::Rc;

use differential_dataflow::AsCollection;
use serde::Serialize;
use tidegate_operators::batched::BatchOperator;
use tidegate_operators::ship::key_group;
use tidegate_operators::{Chunks, Record, ship, stable_hash};
use timely::Container;
use timely::dataflow::Stream;

use super::{DStream, Order, RowOrder};
use crate::batch::{BatchId, Diff};
use crate::context::{Context, Options};
use crate::table::Table;

/// What an operator of one's own may give in a job: [`Chunks`] of rows, which make a [`DStream`],
/// or differences, which make a [`Table`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the output of an operator in a job",
    note = "`Chunks<E>` makes a stream of `E`, `Vec<(E, BatchId, Diff)>` a table of `E`"
)]
pub trait OperatorOutput: Container + Clone {
    /// The stream or the table.
    type InJob<'s>;

    /// Makes it of the operator's output.
    #[doc(hidden)]
    fn in_job<'s>(
        ctx: Context<'s>,
        output: Stream<'s, BatchId, Self>,
        slide: u64,
    ) -> Self::InJob<'s>;
}

impl<E: Record> OperatorOutput for Chunks<E> {
    type InJob<'s> = DStream<'s, E>;

    fn in_job<'s>(
        ctx: Context<'s>,
        output: Stream<'s, BatchId, Self>,
        slide: u64,
    ) -> DStream<'s, E> {
        // Equal rows may come from different workers: together, they have an order.
        let owners = ctx.peers().clone();
        let chunks = ship::ship(output, ctx.peers(), "by row", move |row| owners.owner_of_key(row));
        let group = Rc::new(|row: &E| key_group(stable_hash(row)));
        let order = Order::Rows(RowOrder { sort: <[_]>::sort_unstable, group });
        DStream { ctx, chunks, order, lanes: 1, slide, options: Options::default() }
    }
}

impl<E: Record> OperatorOutput for Vec<(E, BatchId, Diff)> {
    type InJob<'s> = Table<'s, E>;

    fn in_job<'s>(ctx: Context<'s>, output: Stream<'s, BatchId, Self>, slide: u64) -> Table<'s, E> {
        Table::of_collection(ctx, output.as_collection(), slide)
    }
}

impl<'s, D: Record> DStream<'s, D> {
    /// Puts a [`BatchOperator`] of one's own into the job, on every worker; all records with the
    /// same `key` come to the same one. For a key of all records write `|_| &()`.
    ///
    /// The operator is called once for each batch, empty ones included, with chunks that carry the
    /// tags of the stream's order. If it gives chunks of rows they make a stream, ordered by row;
    /// if it gives differences they make a table. Its state is known by the stream's
    /// [`uid`](DStream::uid), or else by `name`, and its size is reported with each batch. How to
    /// write one: [`tidegate_operators::batched`].
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::operators::keyed::Upsert;
    ///
    /// // `ship=quay` says where a ship is, `ship=` that it has left.
    /// let places = batches(vec![vec!["ann=sea", "bob=quay"], vec!["ann=lock", "bob="]], |lines| {
    ///     let news = lines.flat_map(|line: String| {
    ///         let (ship, place) = line.split_once('=')?;
    ///         Some((ship.to_owned(), Some(place.to_owned()).filter(|place| !place.is_empty())))
    ///     });
    ///     news.operator("places", |(ship, _)| ship, Upsert::new()).snapshots()
    /// });
    /// let at = |ship: &str, place: &str| (ship.to_string(), place.to_string());
    /// assert_eq!(places, [vec![at("ann", "sea"), at("bob", "quay")], vec![at("ann", "lock")]]);
    /// ```
    pub fn operator<K, O>(
        self,
        name: &str,
        key: impl Fn(&D) -> &K + 'static,
        operator: O,
    ) -> <O::Output as OperatorOutput>::InJob<'s>
    where
        K: Serialize + ?Sized,
        O: BatchOperator<BatchId, Input = Chunks<D>, Output: OperatorOutput>,
    {
        let (ctx, options, slide) = (self.ctx, self.options.clone(), self.slide);
        let owners = ctx.peers().clone();
        let shipped = ship::ship(self.tagged().chunks, ctx.peers(), "by key", move |row| {
            owners.owner_of_key(key(row))
        });
        O::Output::in_job(ctx, ctx.attach(name, &options, shipped, operator), slide)
    }
}
