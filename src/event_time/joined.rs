//! What comes out of a join of streams.

use tidegate_operators::Record;
use tidegate_operators::event_time::Stamp;

use super::results::Results;
use super::{Clock, EventStream};
use crate::dstream::DStream;
use crate::error::BuildError;
use crate::table::Change;

/// The rows of a join of two streams.
///
/// It leaves as [`finals`](EventJoined::finals), Spark's append mode, in which a row is given alone
/// when the watermark says that it will meet no other; as [`changes`](EventJoined::changes), update
/// mode, in which it is given at once, and taken back when another comes; or, in append mode, as a
/// stream with event times that goes on ([`events`](EventJoined::events)).
pub struct EventJoined<'s, K, X> {
    pub(super) results: Results<'s, (K, (i64, X))>,
    pub(super) clock: Option<Clock<'s>>,
    /// How far the rows lie behind the watermark; `None` if there is no end to it.
    pub(super) behind_ms: Option<i64>,
    /// Whether it is never known of a row that it is alone.
    pub(super) waits_for_ever: bool,
}

impl<K: Clone + 'static, X: Clone + 'static> Clone for EventJoined<'_, K, X> {
    fn clone(&self) -> Self {
        EventJoined { results: self.results.clone(), clock: self.clock.clone(), ..*self }
    }
}

impl<'s, K: Record, X: Record> EventJoined<'s, K, X> {
    /// The rows without their times.
    fn timeless(self) -> Results<'s, (K, X)> {
        self.results.map(|(key, (_, row))| (key, row))
    }

    /// Sees to it that rows that are alone come out some day.
    fn ends(&self, operation: &'static str) {
        if self.waits_for_ever {
            self.results.ctx.reject(BuildError::NeverOver { operation });
        }
    }

    /// Every row when it is final: a pair at once, a row that is alone when no other can come that
    /// it would meet. With [`Late::Correct`](crate::Late::Correct) what a correction brings is given
    /// too, and what it takes back is not: that is in [`revisions`](EventJoined::revisions).
    ///
    /// An outer or anti join must have an end, or it would never give a row alone:
    ///
    /// ```
    /// use tidegate::sink::Null;
    /// use tidegate::source::Queue;
    /// use tidegate::{Config, Local};
    ///
    /// let refused = Local::start(Config::new("for ever"), |ctx| {
    ///     let events = ctx.source(Queue::<i64>::new(1)).with_watermark(|at| *at, 0);
    ///     let events = events.key_by(|_| 'a');
    ///     let pairs = events.clone().pair_with(events).within(5..).left_outer_join();
    ///     pairs.finals().sink(Null::default());
    /// });
    /// assert!(refused.is_err());
    /// ```
    pub fn finals(self) -> DStream<'s, (K, X)> {
        self.ends("finals");
        self.timeless().finals()
    }

    /// The rows that went and came in each batch: one that has met no other yet is given at once,
    /// and goes when it meets one. That it is final is no change. Added up, the changes are the
    /// join of all rows so far that were in time.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let changes = batches(vec![vec!["3"], vec!["4"], vec!["90"]], |words| {
    ///     let times = words.map(|word| word.parse().unwrap_or(0i64));
    ///     let events = times.with_watermark(|at| *at, 0).key_by(|_| 'a');
    ///     let pairs = events.clone().pair_with(events).within(1..=2).left_outer_join();
    ///     pairs.changes().map(|change| (change.row.1, change.diff as i64))
    /// });
    /// assert_eq!(changes, [
    ///     vec![((3, None), 1)],
    ///     vec![((3, None), -1), ((3, Some(4)), 1), ((4, None), 1)],
    ///     vec![((90, None), 1)],
    /// ]);
    /// ```
    pub fn changes(self) -> DStream<'s, Change<(K, X)>> {
        self.timeless().changes()
    }

    /// The rows that are final, as they come, and, with [`Late::Correct`](crate::Late::Correct), as
    /// they are taken back.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Late;
    ///
    /// let given = batches(vec![vec!["3"], vec!["9"], vec![], vec!["4"]], |words| {
    ///     let times = words.map(|word| word.parse().unwrap_or(0i64));
    ///     let events = times.with_watermark(|at| *at, 0).key_by(|_| 'a');
    ///     let pairs = events.clone().pair_with(events).within(1..=2);
    ///     let pairs = pairs.late(Late::Correct { keep_ms: 60 }).left_outer_join();
    ///     pairs.revisions().map(|change| (change.row.1, change.diff as i64))
    /// });
    /// // In the fourth batch the watermark is 9, and the row at 4 is itself alone.
    /// assert_eq!(given[2], [((3, None), 1)]);
    /// assert_eq!(given[3], [((3, None), -1), ((3, Some(4)), 1), ((4, None), 1)]);
    /// ```
    pub fn revisions(self) -> DStream<'s, Change<(K, X)>> {
        self.ends("revisions");
        self.timeless().revisions()
    }

    /// The rows when they are final, as a stream with event times, so that windows and joins can
    /// follow. Corrections are not in it.
    ///
    /// A row has the time of its left row, or another by [`timed_by`](super::EventPairs::timed_by);
    /// such times lie behind the watermark, since a row may have waited. The watermark of the stream
    /// is therefore that of the join less the longer of the two waits, as Spark has it; where rows
    /// meet in a window or at the same time it is that of the join. No row is late in the batch in
    /// which it is given. Pairs without an end to their bounds have no watermark at the time of one
    /// side; at the [later](crate::PairTime::Later) of both they have.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let input = vec![vec!["3", "4"], vec!["16"], vec![]];
    /// let counts = batches(input, |words| {
    ///     let times = words.map(|word| word.parse().unwrap_or(0i64));
    ///     let events = times.with_watermark(|at| *at, 0).key_by(|_| 'a');
    ///     let pairs = events.clone().pair_with(events).within(0..=5).join().events();
    ///     let counts = pairs.window(TimeWindows::tumbling(10)).count().finals();
    ///     counts.map(|(window, pairs)| (window.end_ms, pairs))
    /// });
    /// // In the third batch the watermark is 16, and that of the pairs 10: a pair whose left row
    /// // is at 10 or before can't come any more.
    /// assert_eq!(counts, [vec![], vec![], vec![(10, 3)]]);
    /// ```
    pub fn events(self) -> EventStream<'s, (K, X)> {
        const OPERATION: &str = "events";
        self.ends(OPERATION);
        let clock = self.clock.as_ref().and_then(|clock| {
            if self.behind_ms.is_none() {
                self.results.ctx.reject(BuildError::NeverOver { operation: OPERATION });
            }
            Some(clock.behind(self.behind_ms?))
        });
        let rows = self.results.closed().map(|(key, (at_us, row))| (Stamp::at(at_us), (key, row)));
        EventStream::new(rows, clock)
    }

    /// How many records of each batch came too late, of both streams.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let late = batches(vec![vec!["9"], vec!["4", "12"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0).key_by(|_| 'a');
    ///     events.clone().pair_with(events).within(0..=5).join().late_count()
    /// });
    /// assert_eq!(late, [[0], [2]]);
    /// ```
    pub fn late_count(self) -> DStream<'s, i64> {
        self.results.late_count()
    }
}
