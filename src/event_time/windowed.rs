//! Tumbling and sliding windows of event time.

use tidegate_operators::combine::Pairs;
use tidegate_operators::event_time::{
    ByWindow, Late, SpanRecompute, Stamp, TimeWindow, TimeWindows, Watermark, WindowAggregate,
    WindowKey,
};
use tidegate_operators::{Aggregate, Count, Record, Reduce, ship};

use super::{EventStream, EventTable};
use crate::dstream::DStream;
use crate::error::BuildError;

/// A stream with windows of event time: a rule that stores nothing. What is computed on it is an
/// [`EventTable`].
pub struct EventWindowed<'s, D> {
    events: EventStream<'s, D>,
    windows: TimeWindows,
    late: Late,
}

impl<'s, D: Record> EventStream<'s, D> {
    /// Puts records into windows of event time.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let closed = batches(vec![vec!["12"], vec!["30"], vec![]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     let counts = events.window(TimeWindows::sliding(10, 5)).count();
    ///     counts.finals().map(|(window, count)| (window.start_ms, count))
    /// });
    /// assert_eq!(closed, [vec![], vec![], vec![(5, 1), (10, 1)]]);
    /// ```
    pub fn window(self, windows: TimeWindows) -> EventWindowed<'s, D> {
        EventWindowed { events: self, windows, late: Late::Drop }
    }
}

impl<'s, D: Record> EventWindowed<'s, D> {
    /// What becomes of records whose window is over; by default they are dropped and counted.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Late, TimeWindows};
    ///
    /// let closed = batches(vec![vec!["3"], vec!["9"], vec!["4"], vec!["12"], vec![]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     let windows = events.window(TimeWindows::tumbling(5)).late(Late::Hold { hold_ms: 6 });
    ///     windows.count().finals().map(|(window, count)| (window.end_ms, count))
    /// });
    /// // The watermark has passed 5 in the third batch, and 11 in the fifth.
    /// assert_eq!(closed, [vec![], vec![], vec![], vec![], vec![(5, 2)]]);
    /// ```
    pub fn late(mut self, late: Late) -> Self {
        self.late = late;
        self
    }

    /// The records that came when all their windows were over, with
    /// [`Late::SideOutput`]. Nothing is kept.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Late, TimeWindows};
    ///
    /// let late = batches(vec![vec!["9"], vec!["4", "6"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     events.window(TimeWindows::tumbling(5)).late(Late::SideOutput).late_rows()
    /// });
    /// assert_eq!(late, [vec![], vec!["4".to_string()]]);
    /// ```
    pub fn late_rows(&self) -> DStream<'s, D> {
        let (windows, late) = (self.windows, self.late);
        if late != Late::SideOutput {
            self.events.ctx().reject(BuildError::NoSideOutput);
        }
        let is_late = move |(stamp, _): &(Stamp, D), mark: Watermark| {
            let ends = windows.of(stamp.at_ms()).map(|window| window.end_ms);
            ends.last().is_some_and(|last| late.is_late(last, stamp.judged_by(mark)))
        };
        self.events.sift("Late", is_late).map(|(_, row)| row)
    }

    /// The number of records in each window.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let changes = batches(vec![vec!["3", "4", "7"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     events.window(TimeWindows::tumbling(5)).count().changes()
    /// });
    /// let counts: Vec<i64> = changes[0].iter().map(|change| change.row.1).collect();
    /// assert_eq!(counts, [2, 1]);
    /// ```
    pub fn count(self) -> EventTable<'s, TimeWindow, i64> {
        self.aggregated("window_count", |window, _| (window, ()), Count)
    }

    /// The aggregate of all records in each window.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Max, TimeWindows};
    ///
    /// let changes = batches(vec![vec!["3", "4", "7"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     events.window(TimeWindows::tumbling(5)).aggregate(Max).changes()
    /// });
    /// let largest: Vec<String> = changes[0].iter().map(|change| change.row.1.clone()).collect();
    /// assert_eq!(largest, ["4", "7"]);
    /// ```
    pub fn aggregate<A: Aggregate<D>>(self, aggregate: A) -> EventTable<'s, TimeWindow, A::Out> {
        self.aggregated("window_aggregate", |window, row| (window, row), aggregate)
    }

    /// How often each record occurs in each window.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let changes = batches(vec![vec!["3", "4", "3"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     events.window(TimeWindows::tumbling(5)).count_by_value().changes()
    /// });
    /// let counts: Vec<i64> = changes[0].iter().map(|change| change.row.1).collect();
    /// assert_eq!(counts, [2, 1]);
    /// ```
    pub fn count_by_value(self) -> EventTable<'s, (TimeWindow, D), i64> {
        self.aggregated("window_count_by_value", |window, row| ((window, row), ()), Count)
    }

    fn aggregated<K, V, A>(
        self,
        kind: &str,
        split: impl Fn(TimeWindow, D) -> (K, V) + 'static,
        aggregate: A,
    ) -> EventTable<'s, K, A::Out>
    where
        K: WindowKey,
        V: Record,
        A: Aggregate<V>,
    {
        let EventWindowed { events, windows, late } = self;
        let (ctx, options) = (events.ctx(), events.rows.options.clone());
        let split = std::rc::Rc::new(split);
        let pairs = events.rows.clone().flat_map(move |(stamp, row)| {
            let split = std::rc::Rc::clone(&split);
            let windows = windows.of(stamp.at_ms());
            windows.map(move |window| split(late.own_window(window, stamp), row.clone()))
        });
        let emitted = if ctx.strategy(&options).computes_anew() {
            let owners = ctx.peers().clone();
            let shipped = ship::ship(pairs.chunks, ctx.peers(), "by window", move |(key, _)| {
                owners.owner_of_key(key)
            });
            let operator = SpanRecompute::over(ByWindow::<K, V, A>::new(aggregate), late);
            ctx.attach(kind, &options, events.paced(shipped), operator)
        } else {
            let tallies = pairs.tallies(Pairs, aggregate.clone());
            let operator = WindowAggregate::<K, V, A>::new(aggregate, late);
            ctx.attach(kind, &options, events.paced(tallies), operator)
        };
        EventTable::new(&events, emitted, |(key, _)| key.window())
    }
}

impl<'s, K: Record, V: Record> EventWindowed<'s, (K, V)> {
    /// The aggregate of each key's values in each window.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Sum, TimeWindows};
    ///
    /// let sums = batches(vec![vec!["3", "4", "7"]], |words| {
    ///     let numbers = words.map(|word| word.parse().unwrap_or(0i64));
    ///     let events = numbers.with_watermark(|number| *number, 0).key_by(|number| number % 2);
    ///     let sums = events.window(TimeWindows::tumbling(10)).aggregate_by_key(Sum);
    ///     sums.changes().map(|change| (change.row.0.1, change.row.1))
    /// });
    /// assert_eq!(sums, [[(0, 4), (1, 10)]]);
    /// ```
    pub fn aggregate_by_key<A: Aggregate<V>>(
        self,
        aggregate: A,
    ) -> EventTable<'s, (TimeWindow, K), A::Out> {
        let split = |window, (key, value)| ((window, key), value);
        self.aggregated("window_aggregate_by_key", split, aggregate)
    }

    /// The values of each key in each window reduced to one, by a function of two of them that is
    /// associative and commutative.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let longest = batches(vec![vec!["in", "tide"]], |words| {
    ///     let events = words.with_watermark(|_| 1, 0).key_by(|_| 'a');
    ///     let windows = events.window(TimeWindows::tumbling(10));
    ///     windows.reduce_by_key(|a, b| a.max(b).clone()).changes().map(|change| change.row.1)
    /// });
    /// assert_eq!(longest, [["tide"]]);
    /// ```
    pub fn reduce_by_key(
        self,
        function: impl Fn(&V, &V) -> V + Clone + 'static,
    ) -> EventTable<'s, (TimeWindow, K), V> {
        let split = |window, (key, value)| ((window, key), value);
        self.aggregated("window_reduce_by_key", split, Reduce::new(function))
    }
}
