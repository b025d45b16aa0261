//! Streams of batches: the user's API, by topic.

mod aggregate;
mod enrich;
mod interop;
mod join;
mod learn;
mod map_with_state;
mod operator;
mod output;
mod pairs;
mod partitions;
mod process;
mod shared;
mod state;
mod stateless;
mod static_join;
mod transform;
mod window;

use std::collections::BTreeMap;
use std::rc::Rc;

use tidegate_operators::batched::{Batch, BatchOperator, Output, Route, Tap};
use tidegate_operators::ship::key_group;
use tidegate_operators::{Chunks, Record, Tag, stable_hash};

use crate::batch::{BatchId, ChunkStream, chunkwise, keyed_tag};
use crate::config::Strategy;
use crate::context::{Context, Options};

pub use learn::Learned;
pub use map_with_state::StateStream;
pub use operator::OperatorOutput;
pub use window::Span;

/// A stream of batches; each record belongs to exactly one batch.
///
/// What is computed on a stream is computed batch by batch, as on Spark's DStreams: `count` of an
/// empty batch is 0, and `reduce_by_key` knows nothing of the batch before. What lives longer than
/// a batch begins with [`window`](DStream::window) or [`running`](DStream::running), which give a
/// [`Windowed`](crate::Windowed), and is a [`Table`](crate::Table).
///
/// The rows of a batch have an order: by source partition, then by offset; in what comes out of a
/// keyed operation, by key. It is the same for any number of workers.
pub struct DStream<'s, D> {
    pub(crate) ctx: Context<'s>,
    pub(crate) chunks: ChunkStream<'s, D>,
    pub(crate) order: Order<D>,
    /// How many branches of unions are in here; tags have lanes below this.
    pub(crate) lanes: u32,
    /// There is a batch whenever the tick covers a multiple of this.
    pub(crate) slide: u64,
    pub(crate) options: Options,
}

impl<D: Clone + 'static> Clone for DStream<'_, D> {
    fn clone(&self) -> Self {
        DStream {
            ctx: self.ctx,
            chunks: self.chunks.clone(),
            order: self.order.clone(),
            lanes: self.lanes,
            slide: self.slide,
            options: self.options.clone(),
        }
    }
}

/// What puts the rows of a batch in order.
pub(crate) enum Order<D> {
    /// The tags of their chunks.
    Tags,
    /// The rows themselves.
    Rows(RowOrder<D>),
}

/// An order that rows have by themselves.
pub(crate) struct RowOrder<D> {
    /// Puts rows in order.
    pub(crate) sort: fn(&mut [D]),
    /// A group to which a row belongs: all rows of a group are on one worker.
    pub(crate) group: Rc<dyn Fn(&D) -> u64>,
}

impl<D> Clone for Order<D> {
    fn clone(&self) -> Self {
        match self {
            Order::Tags => Order::Tags,
            Order::Rows(rows) => Order::Rows(rows.clone()),
        }
    }
}

impl<D> Clone for RowOrder<D> {
    fn clone(&self) -> Self {
        RowOrder { sort: self.sort, group: Rc::clone(&self.group) }
    }
}

impl<K: Record, V: Record> RowOrder<(K, V)> {
    /// Pairs that are on the worker that owns their key.
    pub(crate) fn by_key() -> Self {
        RowOrder {
            sort: <[_]>::sort_unstable,
            group: Rc::new(|(key, _)| key_group(stable_hash(key))),
        }
    }
}

impl<D: Record> RowOrder<D> {
    /// Rows that are all on one worker.
    pub(crate) fn in_one_place() -> Self {
        RowOrder { sort: <[_]>::sort_unstable, group: Rc::new(|_| 0) }
    }
}

impl<'s, D: Record> DStream<'s, D> {
    pub(crate) fn from_source(ctx: Context<'s>, chunks: ChunkStream<'s, D>) -> Self {
        DStream { ctx, chunks, order: Order::Tags, lanes: 1, slide: 1, options: Options::default() }
    }

    /// A stream of what an operator makes of this one's batches, ordered by its rows.
    pub(crate) fn ordered<E>(
        &self,
        chunks: ChunkStream<'s, E>,
        order: RowOrder<E>,
    ) -> DStream<'s, E> {
        DStream {
            ctx: self.ctx,
            chunks,
            order: Order::Rows(order),
            lanes: 1,
            slide: self.slide,
            options: Options::default(),
        }
    }

    /// The same stream under another type of row, the chunks where they were.
    fn with_chunks<E>(&self, chunks: ChunkStream<'s, E>, order: Order<E>) -> DStream<'s, E> {
        DStream {
            ctx: self.ctx,
            chunks,
            order,
            lanes: self.lanes,
            slide: self.slide,
            options: self.options.clone(),
        }
    }

    /// Applies a function to each container.
    fn chunkwise<E: 'static>(
        self,
        name: &str,
        logic: impl FnMut(Chunks<D>) -> Chunks<E> + 'static,
    ) -> ChunkStream<'s, E> {
        chunkwise(self.chunks, name, logic)
    }

    /// The stream with an order that its tags know, so that it stays in order when its rows
    /// become others.
    pub(crate) fn tagged(self) -> Self {
        let Order::Rows(order) = &self.order else { return self };
        let operator = TagRows { order: order.clone() };
        let chunks = self.ctx.attach_per_batch("Tag rows", self.chunks.clone(), operator);
        self.with_chunks(chunks, Order::Tags)
    }

    /// Gives the next stateful operation a name, under which its state will be found again. By
    /// default it is named after what it does, with a number if there are several.
    ///
    /// ```
    /// use tidegate::source::Queue;
    /// use tidegate::sink::Null;
    /// use tidegate::{Config, Local};
    ///
    /// let words = Queue::<String>::new(1);
    /// let input = words.clone();
    /// let mut local = Local::start(Config::new("count"), move |ctx| {
    ///     let counts = ctx.source(input.clone()).uid("words").running().count_by_value();
    ///     counts.changes().sink(Null::default());
    /// })
    /// .unwrap();
    /// words.push(["tide".to_string()]);
    /// assert_eq!(local.tick().state[0].operator, "words");
    /// local.stop().unwrap();
    /// ```
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.options.uid = Some(uid.into());
        self
    }

    /// Says how the next stateful operation keeps its state.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.options.strategy = Some(strategy);
        self
    }

    /// For the next reduction: takes values in the order of the stream, and does not combine them
    /// before they are together. For functions that are associative but not commutative.
    pub fn in_order(mut self) -> Self {
        self.options.ordered = true;
        self
    }
}

/// Sorts the rows of each key group, and tags them with it.
struct TagRows<D> {
    order: RowOrder<D>,
}

impl<D: Record> BatchOperator<BatchId> for TagRows<D> {
    type Input = Chunks<D>;
    type Output = Chunks<D>;
    type Saved = ();

    fn close(
        &mut self,
        batch: Batch<BatchId>,
        input: Vec<Chunks<D>>,
        output: &mut Output<'_, Chunks<D>>,
        _tap: &mut Tap<()>,
    ) {
        let mut groups: BTreeMap<Tag, Vec<D>> = BTreeMap::new();
        for row in input.into_iter().flat_map(Chunks::into_rows) {
            let tag = keyed_tag(batch.time, (self.order.group)(&row));
            groups.entry(tag).or_default().push(row);
        }
        let mut tagged = Chunks::new();
        for (tag, mut rows) in groups {
            (self.order.sort)(&mut rows);
            tagged.push(tag, rows);
        }
        if !tagged.has_no_rows() {
            output.give(tagged);
        }
    }

    fn route(_saved: &()) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
