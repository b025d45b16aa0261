//! Tables by window of event time, and how they leave.

use tidegate_operators::Record;
use tidegate_operators::event_time::{Emitted, Stamp, TimeWindow};

use super::results::Results;
use super::{Clock, EventStream};
use crate::batch::ChunkStream;
use crate::dstream::DStream;
use crate::table::{Change, Table};

/// A table by window of event time. What is kept of a window goes when the watermark closes it.
///
/// It leaves as [`changes`](EventTable::changes), Spark's update mode; as
/// [`finals`](EventTable::finals), its append mode; or as the windows that are open
/// ([`snapshots`](EventTable::snapshots), [`open`](EventTable::open)). Without a watermark every
/// window stays open, and the snapshots are Spark's complete mode.
pub struct EventTable<'s, K, V> {
    results: Results<'s, (K, V)>,
    clock: Option<Clock<'s>>,
    window_of: fn(&(K, V)) -> TimeWindow,
}

impl<K: Clone + 'static, V: Clone + 'static> Clone for EventTable<'_, K, V> {
    fn clone(&self) -> Self {
        EventTable { results: self.results.clone(), clock: self.clock.clone(), ..*self }
    }
}

impl<'s, K: Record, V: Record> EventTable<'s, K, V> {
    pub(super) fn new<D>(
        events: &EventStream<'s, D>,
        emitted: ChunkStream<'s, Emitted<(K, V)>>,
        window_of: fn(&(K, V)) -> TimeWindow,
    ) -> Self {
        let results = Results::new(events.rows.ctx, emitted, events.rows.slide);
        EventTable { results, clock: events.clock.clone(), window_of }
    }

    /// The rows that went and came in each batch; that a window closes is no change. Rows that
    /// came are Spark's update mode.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let changes = batches(vec![vec!["1"], vec!["2"], vec!["9"], vec![]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     let changes = events.window(TimeWindows::tumbling(5)).count().changes();
    ///     changes.map(|change| (change.row.0.end_ms, change.row.1, change.diff as i64))
    /// });
    /// let second = vec![(5, 1, -1), (5, 2, 1)];
    /// assert_eq!(changes, [vec![(5, 1, 1)], second, vec![(10, 1, 1)], vec![]]);
    /// ```
    pub fn changes(self) -> DStream<'s, Change<(K, V)>> {
        self.results.changes()
    }

    /// The windows that are open, as a table: a window that closes goes from it.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let open = batches(vec![vec!["1"], vec!["9"], vec![]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     let open = events.window(TimeWindows::tumbling(5)).count().open();
    ///     open.map(|(window, _)| window.end_ms).snapshots()
    /// });
    /// assert_eq!(open, [vec![5], vec![5, 10], vec![10]]);
    /// ```
    pub fn open(self) -> Table<'s, (K, V)> {
        self.results.open()
    }

    /// All rows of the windows that are open, in each batch.
    pub fn snapshots(self) -> DStream<'s, (K, V)> {
        self.open().snapshots()
    }

    /// The rows of the windows that close, when they close: Spark's append mode. With
    /// [`Late::Correct`](crate::Late::Correct) a row that is corrected is given again.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let closed = batches(vec![vec!["1", "2"], vec!["9"], vec!["3"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     let counts = events.window(TimeWindows::tumbling(5)).count();
    ///     counts.finals().map(|(window, count)| (window.end_ms, count))
    /// });
    /// assert_eq!(closed, [vec![], vec![], vec![(5, 2)]]);
    /// ```
    pub fn finals(self) -> DStream<'s, (K, V)> {
        self.results.finals()
    }

    /// The rows of closed windows as they come, and, with
    /// [`Late::Correct`](crate::Late::Correct), as they are taken back and given anew.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Late, TimeWindows};
    ///
    /// let given = batches(vec![vec!["3"], vec!["9"], vec![], vec!["4"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     let windows = events.window(TimeWindows::tumbling(5));
    ///     let counts = windows.late(Late::Correct { keep_ms: 60 }).count();
    ///     counts.revisions().map(|change| (change.row.1, change.diff as i64))
    /// });
    /// assert_eq!(given[2..], [vec![(1, 1)], vec![(1, -1), (2, 1)]]);
    /// ```
    pub fn revisions(self) -> DStream<'s, Change<(K, V)>> {
        self.results.revisions()
    }

    /// The rows of the windows that close, as a stream with event times and the same watermark:
    /// each row at the last microsecond of its window. They are not late in the batch in which
    /// they are given, so that windows can follow windows. Corrections are not in it.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let closed = batches(vec![vec!["1", "6", "8"], vec!["10"], vec![]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     let counts = events.window(TimeWindows::tumbling(5)).count().closed();
    ///     let windows = counts.window(TimeWindows::tumbling(10)).count();
    ///     windows.finals().map(|(window, windows)| (window.end_ms, windows))
    /// });
    /// assert_eq!(closed, [vec![], vec![], vec![(10, 2)]]);
    /// ```
    pub fn closed(self) -> EventStream<'s, (K, V)> {
        let window_of = self.window_of;
        let clock = self.clock.as_ref().map(|clock| clock.behind(0));
        let rows =
            self.results.closed().map(move |row| (Stamp::at(window_of(&row).last_us()), row));
        EventStream::new(rows, clock)
    }

    /// How many records of each batch came too late; in sliding windows a record counts once for
    /// each window that it missed.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let late = batches(vec![vec!["9"], vec!["1", "2", "8"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     events.window(TimeWindows::tumbling(5)).count().late_count()
    /// });
    /// assert_eq!(late, [[0], [2]]);
    /// ```
    pub fn late_count(self) -> DStream<'s, i64> {
        self.results.late_count()
    }
}
