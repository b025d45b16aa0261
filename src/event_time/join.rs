//! Two streams joined by key and event time.

use std::ops::RangeBounds;

use tidegate_operators::Record;
use tidegate_operators::event_time::{
    Bounds, EventJoin, JoinSpec, Late, On, PairTime, Shape, Stamp, TimeWindow, TimeWindows,
    Watermark, WatermarkPolicy, upper_ms,
};
use tidegate_operators::keyed::Side;

use super::results::Results;
use super::{Clock, EventJoined, EventStream, paced};
use crate::dstream::DStream;
use crate::error::BuildError;

/// Two streams whose rows meet under their keys: a rule that stores nothing. How they are joined is
/// chosen last.
///
/// Rows of a key meet whatever their times, unless a bound is set: [`within`](EventPairs::within),
/// [`at_same_time`](EventPairs::at_same_time) or [`in_windows`](EventPairs::in_windows). With a
/// bound and a watermark a row is kept until the watermark has passed whatever it could meet;
/// without, for ever.
///
/// ```
/// # use tidegate::doc::batches;
/// // Which views were clicked at in less than four milliseconds, and which were not?
/// let input = vec![vec!["view 10", "view 12"], vec!["click 14"], vec!["view 30", "click 30"], vec![]];
/// let views = batches(input, |lines| {
///     let of = |what: &'static str| {
///         let rows = lines.clone().flat_map(move |line: String| {
///             let (other, at) = line.split_once(' ')?;
///             if other == what { at.parse::<i64>().ok() } else { None }
///         });
///         rows.with_watermark(|at| *at, 0).key_by(|_| 'a')
///     };
///     let clicked = of("view").pair_with(of("click")).within(0..4).left_outer_join();
///     clicked.finals().map(|(_, (view, click))| (view, click))
/// });
/// // In the last batch the watermark is 30: nothing will come for the view at 10.
/// assert_eq!(views, [
///     vec![],
///     vec![(12, Some(14))],
///     vec![(30, Some(30))],
///     vec![(10, None)],
/// ]);
/// ```
pub struct EventPairs<'s, K, V, W> {
    left: EventStream<'s, (K, V)>,
    right: EventStream<'s, (K, W)>,
    bounds: Bounds,
    on: On<V, W>,
    late: Late,
    time: PairTime,
}

impl<K: Clone + 'static, V: Clone + 'static, W: Clone + 'static> Clone for EventPairs<'_, K, V, W> {
    fn clone(&self) -> Self {
        EventPairs {
            left: self.left.clone(),
            right: self.right.clone(),
            on: self.on.clone(),
            ..*self
        }
    }
}

impl<'s, K: Record, V: Record> EventStream<'s, (K, V)> {
    /// This stream on the left and another one on the right, to be joined by key. Both go by the
    /// lower of their watermarks, unless they [share](EventStream::share_watermark) one already. If
    /// only one has a watermark, rows of the other are never late, and rows that wait for those of
    /// the other do so for ever.
    ///
    /// Without a key there is no join:
    ///
    /// ```compile_fail,E0599
    /// # use tidegate::doc::batches;
    /// batches(vec![], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     events.clone().pair_with(events).join().finals()
    /// });
    /// ```
    pub fn pair_with<W: Record>(self, other: EventStream<'s, (K, W)>) -> EventPairs<'s, K, V, W> {
        let (mut left, mut right) = match (&self.clock, &other.clock) {
            (Some(_), Some(_)) => self.share_watermark(other, WatermarkPolicy::Min),
            _ => (self, other),
        };
        let clocks = || [&left.clock, &right.clock].into_iter().flatten();
        let follows = clocks().any(|clock| clock.follows);
        for clock in [&mut left.clock, &mut right.clock].into_iter().flatten() {
            clock.follows = follows;
        }
        let (on, late, time) = (On::new(), Late::Drop, PairTime::Left);
        EventPairs { left, right, bounds: Bounds::ANY, on, late, time }
    }

    /// Each record in each of its windows, which become part of its key; its time is the window's
    /// last instant.
    fn by_window(self, windows: TimeWindows) -> EventStream<'s, ((TimeWindow, K), V)> {
        let rows = self.rows.flat_map(move |(stamp, (key, value))| {
            windows.of(stamp.at_ms()).map(move |window| {
                let stamp = Stamp { at_us: window.last_us(), ..stamp };
                (stamp, ((window, key.clone()), value.clone()))
            })
        });
        EventStream { rows, clock: self.clock }
    }
}

impl<'s, K: Record, V: Record, W: Record> EventPairs<'s, K, V, W> {
    /// Rows meet only if the right one's time, less the left one's, is within these bounds, in
    /// milliseconds; a bound that is excluded is so to the microsecond. `0..=5_000`: up to five
    /// seconds later; `..-5_000`: more than five seconds earlier.
    ///
    /// A left row waits for right ones as long as the upper bound says, and a right row for left
    /// ones as long as the lower bound says: one without an end waits for ever.
    pub fn within(mut self, bounds: impl RangeBounds<i64>) -> Self {
        self.bounds = Bounds::within(bounds);
        self
    }

    /// Rows meet only if their times are equal, as if the time were a part of the key.
    pub fn at_same_time(mut self) -> Self {
        self.bounds = Bounds::SAME_TIME;
        self
    }

    /// Rows meet only if they are in the same window, which becomes a part of the key. Rows of a
    /// window are late, and go, when the watermark has reached its end.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let pairs = batches(vec![vec!["3", "14"], vec!["4"], vec!["35"], vec!["5"]], |words| {
    ///     let times = words.map(|word| word.parse().unwrap_or(0i64));
    ///     let events = times.with_watermark(|at| *at, 10).key_by(|_| 'a');
    ///     let (even, odd) = (events.clone().filter(|(_, at)| at % 2 == 0), events);
    ///     let pairs = even.pair_with(odd.filter(|(_, at)| at % 2 == 1));
    ///     let pairs = pairs.in_windows(TimeWindows::tumbling(10)).full_outer_join();
    ///     pairs.finals().map(|((window, _), pair)| (window.start_ms, pair))
    /// });
    /// // After the third batch the watermark is 25: the row at 14 stays alone, and 5 is late.
    /// assert_eq!(pairs, [
    ///     vec![],
    ///     vec![(0, (Some(4), Some(3)))],
    ///     vec![],
    ///     vec![(10, (Some(14), None))],
    /// ]);
    /// ```
    pub fn in_windows(self, windows: TimeWindows) -> EventPairs<'s, (TimeWindow, K), V, W> {
        let EventPairs { left, right, on, late, time, .. } = self;
        let (left, right) = (left.by_window(windows), right.by_window(windows));
        EventPairs { left, right, bounds: Bounds::SAME_TIME, on, late, time }
    }

    /// Rows meet only if this holds for both of them.
    pub fn on(mut self, condition: impl Fn(&V, &W) -> bool + 'static) -> Self {
        self.on = self.on.both(condition);
        self
    }

    /// A left row meets others only if this holds: if not, it is not kept, and an outer or anti
    /// join gives it at once.
    pub fn on_left(mut self, condition: impl Fn(&V) -> bool + 'static) -> Self {
        self.on = self.on.left(condition);
        self
    }

    /// A right row meets others only if this holds: if not, it is not kept, and an outer join
    /// gives it at once.
    pub fn on_right(mut self, condition: impl Fn(&W) -> bool + 'static) -> Self {
        self.on = self.on.right(condition);
        self
    }

    /// What becomes of rows that the watermark has reached when they come; by default they are
    /// dropped and counted. With [`Late::Correct`] rows are kept for so much longer to meet them:
    /// a row that was given alone is taken back. With [`Late::Hold`] no row is given alone before.
    pub fn late(mut self, late: Late) -> Self {
        self.late = late;
        self
    }

    /// Which event time the rows have that come out, in [`events`](EventJoined::events): by default
    /// that of the left row.
    pub fn timed_by(mut self, time: PairTime) -> Self {
        self.time = time;
        self
    }

    /// The records on the left and on the right that came too late, with [`Late::SideOutput`].
    /// Nothing is kept.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Late;
    ///
    /// let late = batches(vec![vec!["9"], vec!["4", "12"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0).key_by(|_| 'a');
    ///     let pairs = events.clone().pair_with(events).within(0..=5).late(Late::SideOutput);
    ///     pairs.late_rows().0.values()
    /// });
    /// assert_eq!(late, [vec![], vec!["4".to_string()]]);
    /// ```
    pub fn late_rows(&self) -> (DStream<'s, (K, V)>, DStream<'s, (K, W)>) {
        let late = self.late;
        if late != Late::SideOutput {
            self.left.ctx().reject(BuildError::NoSideOutput);
        }
        let is_late = move |at: Stamp, mark| late.is_late(upper_ms(at.at_us), at.judged_by(mark));
        let lefts = self.left.sift("Late", move |row, mark| is_late(row.0, mark));
        let rights = self.right.sift("Late", move |row, mark| is_late(row.0, mark));
        (lefts.map(|(_, row)| row), rights.map(|(_, row)| row))
    }

    /// Every pair of rows that meet. A batch costs its own rows and their pairs.
    pub fn join(self) -> EventJoined<'s, K, (V, W)> {
        self.joined(Shape::inner())
    }

    /// Every pair, and each left row that meets none, alone.
    pub fn left_outer_join(self) -> EventJoined<'s, K, (V, Option<W>)> {
        self.joined(Shape::left_outer())
    }

    /// Every pair, and each right row that meets none, alone.
    pub fn right_outer_join(self) -> EventJoined<'s, K, (Option<V>, W)> {
        self.joined(Shape::right_outer())
    }

    /// Every pair, and each row of either side that meets none, alone.
    pub fn full_outer_join(self) -> EventJoined<'s, K, (Option<V>, Option<W>)> {
        self.joined(Shape::full_outer())
    }

    /// Each left row that meets others, once, as soon as it meets the first.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let followed = batches(vec![vec!["3", "4"], vec!["5", "9"]], |words| {
    ///     let times = words.map(|word| word.parse().unwrap_or(0i64));
    ///     let events = times.with_watermark(|at| *at, 10).key_by(|_| 'a');
    ///     events.clone().pair_with(events).within(1..=2).semi_join().finals().values()
    /// });
    /// assert_eq!(followed, [[3], [4]]);
    /// ```
    pub fn semi_join(self) -> EventJoined<'s, K, V> {
        self.joined(Shape::left_semi())
    }

    /// Each left row that meets none.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let not_followed = batches(vec![vec!["3", "4"], vec!["9"], vec![]], |words| {
    ///     let times = words.map(|word| word.parse().unwrap_or(0i64));
    ///     let events = times.with_watermark(|at| *at, 0).key_by(|_| 'a');
    ///     events.clone().pair_with(events).within(1..=2).anti_join().finals().values()
    /// });
    /// assert_eq!(not_followed, [vec![], vec![], vec![4]]);
    /// ```
    pub fn anti_join(self) -> EventJoined<'s, K, V> {
        self.joined(Shape::left_anti())
    }

    fn joined<X: Record>(self, shape: Shape<V, W, X>) -> EventJoined<'s, K, X> {
        let EventPairs { left, right, bounds, on, late, time } = self;
        let (ctx, options) = (left.ctx(), left.rows.options.clone());
        let marked = (left.clock.is_some(), right.clock.is_some());
        let spec = JoinSpec::new(bounds, shape).on(on).late(late).time(time);
        let spec = spec.marked(marked.0, marked.1);
        let (behind_ms, waits_for_ever) = (spec.behind_ms(), spec.waits_for_ever());

        let clock: Option<Clock<'s>> = left.clock.or(right.clock);
        let at = move |stamp| at_us(stamp, late);
        let lefts = left.rows.map(move |(stamp, (key, row))| (key, Side::Left((at(stamp), row))));
        let rights =
            right.rows.map(move |(stamp, (key, row))| (key, Side::Right((at(stamp), row))));
        let both = lefts.beside("join", rights);
        let slide = both.slide;
        let paced = paced(ctx, clock.as_ref(), both.shipped_by_key());
        let emitted = ctx.attach("stream_join", &options, paced, EventJoin::new(spec));
        let results = Results::new(ctx, emitted, slide).unconsolidated();
        EventJoined { results, clock, behind_ms, waits_for_ever }
    }
}

/// Before all event times: where a row lies that its own watermark has passed.
const OVER_US: i64 = i64::MIN / 4;

/// The event time by which a row is joined, which is over if by its own watermark it is late.
fn at_us(stamp: Stamp, late: Late) -> i64 {
    let own = Watermark::at(stamp.mark_ms);
    let is_late = stamp.is_marked() && late.is_late(upper_ms(stamp.at_us), own);
    if is_late { OVER_US } else { stamp.at_us }
}
