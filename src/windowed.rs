//! Windows: the rule that says when a record goes again.

use tidegate_operators::batched::Attachment;
use tidegate_operators::combine::{Everything, Keyed, Pairs, Whole};
use tidegate_operators::contents::WindowRows;
use tidegate_operators::keyed::{
    Accumulate, AllRows, Departed, FoldByKey, RefoldPartials, RefoldRows, Slide, SlideMerge,
    SlideRows, accumulate_arranged, reduce_arranged,
};
use tidegate_operators::{Aggregate, Count, Record, Reduce, Sum, WindowRule, differences, ship};

use differential_dataflow::AsCollection;

use crate::batch::BatchId;
use crate::config::Strategy;
use crate::dstream::{DStream, Order};
use crate::error::BuildError;
use crate::fault::{self, Rule};
use crate::recovery::SavedRows;
use crate::table::Table;

/// A stream with a rule that says when its records go again: after a sliding window's length, or
/// never.
///
/// It stores nothing itself. What is computed on it chooses what to keep, and has an output
/// whenever the window slides: partial aggregates by key and slide where values are aggregated,
/// rows where rows are wanted.
pub struct Windowed<'s, D> {
    stream: DStream<'s, D>,
    /// `None`: nothing ever leaves.
    rule: Option<WindowRule>,
    departed: Departed,
}

impl<'s, D: Record> Windowed<'s, D> {
    pub(crate) fn new(stream: DStream<'s, D>, rule: Option<WindowRule>) -> Self {
        Windowed { stream, rule, departed: Departed::Drop }
    }

    /// What becomes of a key whose last record has left the window. By default it goes; Spark's
    /// windows with an inverse function keep it, with what the inverse function has left.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Departed, Reduce, Span};
    ///
    /// let counts = batches(vec![vec!["a"], vec![]], |words| {
    ///     words
    ///         .map(|word| (word, 1i64))
    ///         .window(Span::batches(1), Span::batches(1))
    ///         .departed(Departed::Keep)
    ///         .aggregate_by_key(Reduce::new(|a, b| a + b).with_inverse(|a, b| a - b))
    ///         .snapshots()
    /// });
    /// assert_eq!(counts, [[("a".to_string(), 1)], [("a".to_string(), 0)]]);
    /// ```
    pub fn departed(mut self, departed: Departed) -> Self {
        self.departed = departed;
        self
    }

    /// Gives the next operation a name, under which its state will be found again.
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.stream = self.stream.uid(uid);
        self
    }

    /// Says how the next operation keeps its state.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.stream = self.stream.strategy(strategy);
        self
    }

    /// All rows of the window, whenever it slides: a windowed stream in Spark's sense, on which
    /// every operation of streams works, at the cost of the whole window each time.
    pub fn snapshots(self) -> DStream<'s, D> {
        let (rule, slide) = (self.rule, self.slide());
        let stream = self.stream.tagged();
        let operator = WindowRows::new(rule);
        let chunks = stream.ctx.attach("window", &stream.options, stream.chunks.clone(), operator);
        DStream { chunks, slide, order: Order::Tags, ..stream }
    }

    /// The window's rows as a table: for operations of tables, and for differential dataflow.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// let changes = batches(vec![vec!["a"], vec!["b"]], |words| {
    ///     words.window(Span::batches(1), Span::batches(1)).table().changes()
    /// });
    /// let shown: Vec<String> = changes[1].iter().map(|change| format!("{change:?}")).collect();
    /// assert_eq!(shown, [r#"-1 "a""#, r#"+1 "b""#]);
    /// ```
    pub fn table(self) -> Table<'s, D> {
        let (ctx, options, slide) = (self.stream.ctx, self.stream.options.clone(), self.slide());
        if ctx.strategy(&options).computes_anew() {
            let rows = self.snapshots();
            return Table::of_rows(ctx, rows.chunks, slide);
        }
        let chunks = self.stream.chunks;
        let collection = match self.rule {
            Some(rule) => {
                ctx.attach("window", &options, chunks, SlideRows::new(rule)).as_collection()
            }
            // What is saved is written down as it comes; else it need not even wait for its batch.
            None if ctx.build().config.checkpoints.is_some() => {
                ctx.attach("table", &options, chunks, AllRows::default()).as_collection()
            }
            None => differences::arriving(chunks),
        };
        Table::of_collection(ctx, collection, slide)
    }

    /// The number of records in the window, whenever it slides: 0 for an empty one.
    pub fn count(self) -> DStream<'s, i64> {
        self.aggregated("count", Everything, Count).snapshots().values().total(Sum, Some(0))
    }

    /// All records of the window reduced to one, whenever it slides; nothing for an empty window.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// let longest = batches(vec![vec!["tide"], vec!["in"], vec!["at"]], |words| {
    ///     let window = words.window(Span::batches(2), Span::batches(1));
    ///     window.reduce(|a, b| if a.len() >= b.len() { a.clone() } else { b.clone() })
    /// });
    /// assert_eq!(longest, [["tide"], ["tide"], ["in"]]);
    /// ```
    pub fn reduce(self, function: impl Fn(&D, &D) -> D + Clone + 'static) -> DStream<'s, D> {
        self.aggregated("reduce", Everything, Reduce::new(function)).snapshots().values()
    }

    /// The aggregate of all records of the window, whenever it slides; nothing for an empty window.
    pub fn aggregate<A: Aggregate<D>>(self, aggregate: A) -> DStream<'s, A::Out> {
        self.aggregated("aggregate", Everything, aggregate).snapshots().values()
    }

    /// How often each record occurs in the window.
    pub fn count_by_value(self) -> Table<'s, (D, i64)> {
        self.aggregated("count_by_value", Whole, Count)
    }

    fn slide(&self) -> u64 {
        self.rule.map_or(self.stream.slide, |rule| rule.slide())
    }

    fn aggregated<S, A>(self, kind: &str, split: S, aggregate: A) -> Table<'s, (S::Key, A::Out)>
    where
        S: Keyed<D, Value: Record>,
        A: Aggregate<S::Value>,
    {
        let (ctx, options, slide) = (self.stream.ctx, self.stream.options.clone(), self.slide());
        let strategy = ctx.strategy(&options);
        if self.departed == Departed::Keep && (strategy != Strategy::HashIndex || !A::SUBTRACTS) {
            let what = "keeping departed keys, with an aggregate that can be subtracted,";
            ctx.reject(BuildError::Strategy { what, strategy: strategy.name() });
        }
        if strategy == Strategy::Partials {
            let tallies = self.stream.tallies(split, aggregate.clone());
            let operator = RefoldPartials::<S::Key, S::Value, A>::new(self.rule, aggregate);
            return Table::of_contents(ctx, ctx.attach(kind, &options, tallies, operator), slide);
        }
        if strategy == Strategy::Recompute {
            let tallies = if options.ordered {
                self.snapshots().tallies(split, aggregate.clone())
            } else {
                let worker = ctx.peers().index();
                let operator = RefoldRows::new(self.rule, split, aggregate.clone(), worker);
                let tallies = ctx.attach("window", &options, self.stream.chunks, operator);
                let owners = ctx.peers().clone();
                ship::ship(tallies, ctx.peers(), "by key", move |(key, ..)| {
                    owners.owner_of_key(key)
                })
            };
            let operator = FoldByKey::<S::Key, S::Value, A>::new(aggregate);
            return Table::of_contents(ctx, ctx.attach_per_batch(kind, tallies, operator), slide);
        }
        let Some(rule) = self.rule else {
            let tallies = self.stream.tallies(split, aggregate.clone());
            return Table::keyed(
                ctx,
                ctx.accumulate(kind, &options, tallies, aggregate, (self.departed, Fed::ByRecords)),
                slide,
            );
        };
        if A::SUBTRACTS {
            let tallies = self.stream.tallies(split, aggregate.clone());
            let ring = match strategy {
                Strategy::HashIndex if fault::is_broken(Rule::WindowLetsGo) => {
                    WindowRule::new(rule.length() + 1, rule.slide())
                }
                _ => rule,
            };
            let ring = Slide::<S::Key, S::Value, A>::new(ring, aggregate.clone());
            let window = options.for_part("window");
            let sliding = ctx.attach(&format!("{kind}-window"), &window, tallies, ring);
            return Table::keyed(
                ctx,
                ctx.accumulate(kind, &options, sliding, aggregate, (self.departed, Fed::ByWindow)),
                slide,
            );
        }
        if strategy == Strategy::HashIndex {
            let tallies = self.stream.tallies(split, aggregate.clone());
            let operator = SlideMerge::<S::Key, S::Value, A>::new(rule, aggregate);
            return Table::keyed(ctx, ctx.attach(kind, &options, tallies, operator), slide);
        }
        // What can't be subtracted is aggregated anew from a key's values, in an arrangement.
        let stream = self.stream.tagged();
        let pairs = stream.clone().pairs(split);
        let owners = ctx.peers().clone();
        let shipped =
            ship::ship(pairs, ctx.peers(), "by key", move |(key, _)| owners.owner_of_key(key));
        let window = options.for_part("window");
        let rows = ctx.attach(&format!("{kind}-window"), &window, shipped, SlideRows::new(rule));
        let changes = differences::by_batch::<BatchId, _>(rows.as_collection());
        let (number, uid) = ctx.build().name_operator(kind, options.uid.as_deref());
        let summed = reduce_arranged(changes, &uid, aggregate);
        ctx.report(number, summed.reports);
        Table::keyed(ctx, summed.output.inner, slide)
    }
}

impl<'s, K: Record, V: Record> Windowed<'s, (K, V)> {
    /// The values of each key in the window reduced to one, by a function of two of them that is
    /// associative and commutative.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let totals = batches(vec![vec!["a"], vec!["a"]], |words| {
    ///     words.map(|word| (word, 2i64)).running().reduce_by_key(|a, b| a + b).snapshots()
    /// });
    /// assert_eq!(totals, [[("a".to_string(), 2)], [("a".to_string(), 4)]]);
    /// ```
    pub fn reduce_by_key(
        self,
        function: impl Fn(&V, &V) -> V + Clone + 'static,
    ) -> Table<'s, (K, V)> {
        self.aggregated("reduce_by_key", Pairs, Reduce::new(function))
    }

    /// The aggregate of each key's values in the window.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Max, Span};
    ///
    /// let longest = batches(vec![vec!["tide"], vec!["in"], vec!["at"]], |words| {
    ///     words
    ///         .map(|word| ((), word.len() as i64))
    ///         .window(Span::batches(2), Span::batches(1))
    ///         .aggregate_by_key(Max)
    ///         .snapshots()
    /// });
    /// assert_eq!(longest, [[((), 4)], [((), 4)], [((), 2)]]);
    /// ```
    pub fn aggregate_by_key<A: Aggregate<V>>(self, aggregate: A) -> Table<'s, (K, A::Out)> {
        self.aggregated("aggregate_by_key", Pairs, aggregate)
    }

    /// All values of each key in the window, whenever it slides, in the order of the stream.
    pub fn group_by_key(self) -> DStream<'s, (K, Vec<V>)> {
        self.snapshots().group_by_key()
    }
}

/// What an aggregate is fed by.
#[derive(Clone, Copy)]
pub(crate) enum Fed {
    /// By the stream's own records: its state is all that remembers them.
    ByRecords,
    /// By a window or a table, which knows its contents.
    ByWindow,
}

/// What becomes of the tallies of keys: the running aggregate, in whichever way it is kept.
impl<'s> crate::Context<'s> {
    pub(crate) fn accumulate<K, V, A>(
        self,
        kind: &str,
        options: &crate::context::Options,
        tallies: crate::batch::ChunkStream<'s, tidegate_operators::combine::Tally<K, A::Acc>>,
        aggregate: A,
        (departed, fed): (Departed, Fed),
    ) -> crate::batch::RowStream<'s, ((K, A::Out), BatchId, crate::Diff)>
    where
        K: Record,
        V: 'static,
        A: Aggregate<V>,
    {
        // What is in a window is given again; keys that have left it are not.
        let is_derived = matches!((fed, departed), (Fed::ByWindow, Departed::Drop));
        if self.strategy(options) == Strategy::Arrangement {
            if is_derived {
                let (number, uid) = self.build().name_operator(kind, options.uid.as_deref());
                let summed = accumulate_arranged(tallies, Attachment::named(uid), aggregate);
                self.report(number, summed.reports);
                return summed.output;
            }
            let rows = SavedRows::of::<Accumulate<K, V, A>>();
            let (named, attachment) = self.named_attachment(kind, options, rows);
            return self.settle(named, accumulate_arranged(tallies, attachment, aggregate));
        }
        let operator = Accumulate::<K, V, A>::new(aggregate, departed);
        match is_derived {
            true => self.attach_derived(kind, options, tallies, operator),
            false => self.attach(kind, options, tallies, operator),
        }
    }
}
