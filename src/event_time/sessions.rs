//! Session windows.

use std::rc::Rc;

use tidegate_operators::combine::{Pairs, combine};
use tidegate_operators::event_time::{
    BySession, Gap, Late, OwnSessions, SessionAggregate, SpanRecompute, Stamp, TimeWindow,
    Watermark, own_session,
};
use tidegate_operators::{Aggregate, Count, Record, ship};

use super::{EventStream, EventTable};
use crate::dstream::DStream;
use crate::error::BuildError;

/// A stream whose keys have sessions: a rule that stores nothing. What is computed on it is an
/// [`EventTable`].
pub struct EventSessions<'s, K, V> {
    events: EventStream<'s, (K, V)>,
    gap: Gap<K, V>,
    late: Late,
}

impl<'s, K: Record, V: Record> EventStream<'s, (K, V)> {
    /// Puts the records of each key into sessions: a record opens one from its event time for as
    /// long as its gap, in milliseconds, and those that overlap or touch become one. A record whose
    /// gap is not positive is left out. Sessions need a key:
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let sessions = batches(vec![vec!["3", "7"], vec!["5"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 10);
    ///     let counts = events.key_by(|_| 'a').sessions(|_, _| 3).count_by_key();
    ///     counts.snapshots().map(|(_, (window, count))| (window.start_ms, window.end_ms, count))
    /// });
    /// assert_eq!(sessions, [vec![(3, 6, 1), (7, 10, 1)], vec![(3, 10, 3)]]);
    /// ```
    ///
    /// ```compile_fail,E0599
    /// # use tidegate::doc::batches;
    /// batches(vec![], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 10);
    ///     events.sessions(|_, _| 3).count_by_key().snapshots()
    /// });
    /// ```
    pub fn sessions(self, gap_ms: impl Fn(&K, &V) -> i64 + 'static) -> EventSessions<'s, K, V> {
        EventSessions { events: self, gap: Rc::new(gap_ms), late: Late::Drop }
    }
}

impl<'s, K: Record, V: Record> EventSessions<'s, K, V> {
    /// What becomes of records whose own session would be over, or, where the watermark judges
    /// [by row](crate::WatermarkRule::by_row), whose event time it has passed; by default they are
    /// dropped and counted. With [`Late::Correct`] a session that was given can still grow: it is taken back,
    /// and opens again if it then ends later.
    pub fn late(mut self, late: Late) -> Self {
        self.late = late;
        self
    }

    /// The records that came when their session was over, with [`Late::SideOutput`]. Nothing is
    /// kept.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Late;
    ///
    /// let late = batches(vec![vec!["9"], vec!["4", "8"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     events.key_by(|_| 'a').sessions(|_, _| 3).late(Late::SideOutput).late_rows()
    /// });
    /// assert_eq!(late, [vec![], vec![('a', "4".to_string())]]);
    /// ```
    pub fn late_rows(&self) -> DStream<'s, (K, V)> {
        let (gap, late) = (Rc::clone(&self.gap), self.late);
        if late != Late::SideOutput {
            self.events.ctx().reject(BuildError::NoSideOutput);
        }
        let is_late = move |(stamp, row): &(Stamp, (K, V)), mark: Watermark| {
            own_session(*stamp, row, &gap, late, mark) == Some(TimeWindow::OVER)
        };
        self.events.sift("Late", is_late).map(|(_, row)| row)
    }

    /// The number of records in each session.
    pub fn count_by_key(self) -> EventTable<'s, K, (TimeWindow, i64)> {
        self.aggregated("session_count", Count)
    }

    /// The aggregate of the values in each session of each key.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Sum;
    ///
    /// let closed = batches(vec![vec!["3", "5"], vec!["20"], vec![]], |words| {
    ///     let numbers = words.map(|word| word.parse().unwrap_or(0i64));
    ///     let events = numbers.with_watermark(|number| *number, 0).key_by(|_| 'a');
    ///     let sums = events.sessions(|_, _| 3).aggregate_by_key(Sum);
    ///     sums.finals().map(|(_, (window, sum))| (window.end_ms, sum))
    /// });
    /// assert_eq!(closed, [vec![], vec![], vec![(8, 8)]]);
    /// ```
    pub fn aggregate_by_key<A: Aggregate<V>>(
        self,
        aggregate: A,
    ) -> EventTable<'s, K, (TimeWindow, A::Out)> {
        self.aggregated("session_aggregate", aggregate)
    }

    fn aggregated<A: Aggregate<V>>(
        self,
        kind: &str,
        aggregate: A,
    ) -> EventTable<'s, K, (TimeWindow, A::Out)> {
        let EventSessions { events, gap, late } = self;
        let (ctx, options) = (events.ctx(), events.rows.options.clone());
        let judged = events.paced(events.rows.chunks.clone());
        let own = ctx.attach_per_batch("Own sessions", judged, OwnSessions::new(gap, late));
        let emitted = if ctx.strategy(&options).computes_anew() {
            let owners = ctx.peers().clone();
            let shipped =
                ship::ship(own, ctx.peers(), "by key", move |(key, _)| owners.owner_of_key(key));
            let operator = SpanRecompute::over(BySession::<K, V, A>::new(aggregate), late);
            ctx.attach(kind, &options, events.paced(shipped), operator)
        } else {
            let sessions = BySession::<K, V, A>::new(aggregate.clone());
            let tallies = combine(own, ctx.peers(), "sessions", Pairs, sessions);
            let operator = SessionAggregate::<K, V, A>::new(aggregate, late);
            ctx.attach(kind, &options, events.paced(tallies), operator)
        };
        EventTable::new(&events, emitted, |(_, (window, _))| *window)
    }
}
