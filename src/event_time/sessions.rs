//! Session windows.

use std::rc::Rc;

use tidegate_operators::event_time::{Late, SessionAggregate, TimeWindow, Watermark};
use tidegate_operators::{Aggregate, Count, Record, ship};

use super::{EventStream, EventTable};
use crate::dstream::DStream;
use crate::error::BuildError;

/// A stream whose keys have sessions: a rule that stores nothing. What is computed on it is an
/// [`EventTable`].
pub struct EventSessions<'s, K, V> {
    events: EventStream<'s, (K, V)>,
    gap_ms: Rc<dyn Fn(&K, &V) -> i64>,
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
        EventSessions { events: self, gap_ms: Rc::new(gap_ms), late: Late::Drop }
    }
}

/// The session that a record opens.
fn session_of<K, V>(at_us: i64, row: &(K, V), gap_ms: &dyn Fn(&K, &V) -> i64) -> TimeWindow {
    let start_ms = at_us.div_euclid(1000);
    TimeWindow { start_ms, end_ms: start_ms.saturating_add(gap_ms(&row.0, &row.1)) }
}

impl<'s, K: Record, V: Record> EventSessions<'s, K, V> {
    /// What becomes of records whose own session would be over; by default they are dropped and
    /// counted. With [`Late::Correct`] a session that was given can still grow: it is taken back,
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
        let (gap_ms, late) = (Rc::clone(&self.gap_ms), self.late);
        if late != Late::SideOutput {
            self.events.ctx().reject(BuildError::NoSideOutput);
        }
        let is_late = move |(at_us, row): &(i64, (K, V)), mark: Watermark| {
            let window = session_of(*at_us, row, &*gap_ms);
            window.end_ms > window.start_ms && late.is_late(window.end_ms, mark)
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
        let EventSessions { events, gap_ms, late } = self;
        let (ctx, options) = (events.ctx(), events.rows.options.clone());
        let sessions = events.rows.clone().map(move |(at_us, row)| {
            let window = session_of(at_us, &row, &*gap_ms);
            (row.0, (window, row.1))
        });
        let owners = ctx.peers().clone();
        let shipped = ship::ship(sessions.chunks, ctx.peers(), "by key", move |(key, _)| {
            owners.owner_of_key(key)
        });
        let operator = SessionAggregate::<K, V, A>::new(aggregate, late);
        let emitted = ctx.attach(kind, &options, events.paced(shipped), operator);
        EventTable::new(&events, emitted, |(_, (window, _))| *window)
    }
}
