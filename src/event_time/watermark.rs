//! Streams get their event times and their watermarks.

use std::rc::Rc;

use tidegate_operators::event_time::watermark::{broadcast, measured, readings};
use tidegate_operators::event_time::{
    CombineWatermarks, Judged, Reading, Stamp, Stamping, WatermarkPolicy, WatermarkRule,
    Watermarks, micros, pace,
};
use tidegate_operators::{Chunks, Record};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Concat, Operator};

use super::{Clock, EventStream};
use crate::context::Options;
use crate::dstream::{DStream, RowOrder};
use crate::error::BuildError;

impl<'s, D: Record> DStream<'s, D> {
    /// Reads the event time off each record, in milliseconds since 1970, without a watermark:
    /// nothing is late, and no window ever closes.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let counts = batches(vec![vec!["7", "3"], vec!["4"]], |words| {
    ///     let events = words.event_time(|word| word.parse().unwrap_or(0));
    ///     events.window(TimeWindows::tumbling(5)).count().snapshots()
    /// });
    /// let counts: Vec<i64> = counts[1].iter().map(|(_window, count)| *count).collect();
    /// assert_eq!(counts, [2, 1]);
    /// ```
    pub fn event_time(self, time_ms: impl Fn(&D) -> i64 + 'static) -> EventStream<'s, D> {
        EventStream::new(self.map(move |row| (Stamp::at(micros(time_ms(&row))), row)), None)
    }

    /// Reads the event time off each record, in milliseconds since 1970, and follows it with a
    /// watermark: with a number, one that stays so many milliseconds behind, Spark's
    /// `withWatermark`; or by a [`WatermarkRule`].
    ///
    /// The event times of a batch count from the next batch on. Kept: two numbers, on one worker.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::TimeWindows;
    ///
    /// let closed = batches(vec![vec!["7", "3"], vec!["16"], vec!["4"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 10);
    ///     events.window(TimeWindows::tumbling(5)).count().finals()
    /// });
    /// // After the second batch the watermark is 6: the window up to 5 is over.
    /// assert_eq!((closed[1].len(), closed[2][0].0.end_ms, closed[2][0].1), (0, 5, 1));
    /// ```
    ///
    /// Judged [by row](WatermarkRule::by_row), a record is late by those before it in its own
    /// partition, not by those of the batches before. Partitions are brought together for it, which
    /// costs nothing in a stream as it comes from its source; two more numbers are kept for each.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{TimeWindows, WatermarkRule};
    ///
    /// let late = |input, rule: WatermarkRule| -> i64 {
    ///     let late = batches(input, move |words| {
    ///         let events = words.with_watermark(|word| word.parse().unwrap_or(0), rule);
    ///         events.window(TimeWindows::tumbling(5)).count().late_count()
    ///     });
    ///     late.concat().iter().sum()
    /// };
    /// let (one, two) = (vec![vec!["9", "3"]], vec![vec!["9"], vec!["3"]]);
    /// let by_batch = WatermarkRule::new(0);
    /// assert_eq!((late(one.clone(), by_batch), late(two.clone(), by_batch)), (0, 1));
    /// assert_eq!((late(one, by_batch.by_row()), late(two, by_batch.by_row())), (1, 1));
    /// ```
    pub fn with_watermark(
        self,
        time_ms: impl Fn(&D) -> i64 + 'static,
        rule: impl Into<WatermarkRule>,
    ) -> EventStream<'s, D> {
        let (ctx, options, rule) = (self.ctx, self.options.clone(), rule.into());
        let WatermarkRule { delay_ms, judged, idle_after_ms } = rule;
        if delay_ms < 0 {
            ctx.reject(BuildError::NegativeDelay { delay_ms });
        }
        if let Some(idle_after_ms) = idle_after_ms.filter(|idle_after_ms| *idle_after_ms <= 0) {
            ctx.reject(BuildError::IdleTime { idle_after_ms });
        }
        let mut events = self.event_time(time_ms);
        if judged == Judged::ByRow {
            let tagged = events.rows.tagged();
            events.rows = DStream { chunks: tagged.clone().by_partition(), ..tagged };
        }
        let owner = ctx.peers().owner_of_key(&());
        let (chunks, stats) = measured(events.rows.chunks, owner, judged);
        let operator = Watermarks::new(rule, ctx.peers().index() == owner);
        let headings = broadcast(ctx.attach("watermark", &options, stats, operator));
        events.rows.chunks = match judged {
            Judged::ByBatch => chunks,
            Judged::ByRow => {
                let paced = pace(chunks, headings.clone());
                ctx.attach_per_batch("Stamp", paced, Stamping::new(delay_ms))
            }
        };
        let readings = readings(headings);
        let clock = Clock { readings, identity: Rc::new(()), delay_ms, follows: false };
        EventStream { clock: Some(clock), ..events }
    }
}

impl<'s, D: Record> EventStream<'s, D> {
    /// The watermark of each batch, and the event times that the batch brought. Nothing for a
    /// stream without a watermark.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let readings = batches(vec![vec!["15"], vec!["10", "12", "14"]], |words| {
    ///     words.with_watermark(|word| word.parse().unwrap_or(0), 10).watermark()
    /// });
    /// let stats = readings[1][0].stats.unwrap();
    /// assert_eq!((readings[0][0].now_ms, readings[1][0].now_ms), (0, 5));
    /// assert_eq!((stats.min_ms, stats.max_ms, stats.mean_ms()), (10, 14, 12.0));
    /// ```
    pub fn watermark(&self) -> DStream<'s, Reading> {
        let ctx = self.ctx();
        let is_owner = ctx.peers().owner_of_key(&()) == ctx.peers().index();
        let readings = match &self.clock {
            Some(clock) => clock.readings.clone(),
            None => timely::dataflow::operators::generic::operator::empty(ctx.scope()),
        };
        let chunks =
            readings.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Readings", move |_, _| {
                move |input, output| {
                    input.for_each(|time, readings| {
                        let readings = std::mem::take(readings);
                        if is_owner {
                            let mut readings = Chunks::loose(readings);
                            output.session_with_builder(&time).give_container(&mut readings);
                        }
                    });
                }
            });
        let slide = 1;
        DStream { slide, ..self.rows.ordered(chunks, RowOrder::in_one_place()) }
    }

    /// Gives two streams one watermark: the lower of theirs, or the higher, by the policy. With
    /// the lower one nothing is late because the other stream is ahead, and nothing closes while
    /// one of them has had no record, unless it counts as
    /// [idle](WatermarkRule::idle_after_ms); with the higher one it is the other way round. A job
    /// that goes on from a checkpoint keeps the policy that is saved there, whatever it says now.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::WatermarkPolicy;
    ///
    /// let watermarks = batches(vec![vec!["20"], vec![]], |words| {
    ///     let time = |word: &String| word.parse().unwrap_or(0);
    ///     let (fast, slow) = (words.clone().with_watermark(time, 0), words);
    ///     let slow = slow.with_watermark(time, 5);
    ///     fast.share_watermark(slow, WatermarkPolicy::Min).0.watermark().map(|read| read.now_ms)
    /// });
    /// assert_eq!(watermarks, [[0], [15]]);
    /// ```
    pub fn share_watermark<E: Record>(
        self,
        other: EventStream<'s, E>,
        policy: WatermarkPolicy,
    ) -> (EventStream<'s, D>, EventStream<'s, E>) {
        let (one, two) = match (&self.clock, &other.clock) {
            (Some(one), Some(two)) => (one, two),
            _ => {
                self.ctx().reject(BuildError::NoWatermark { operation: "share_watermark" });
                return (self, other);
            }
        };
        if Rc::ptr_eq(&one.identity, &two.identity) {
            return (self, other);
        }
        let both = one.readings.clone().concat(two.readings.clone());
        let (ctx, peers) = (self.ctx(), self.ctx().peers());
        let is_owner = peers.owner_of_key(&()) == peers.index();
        let operator = CombineWatermarks::new(policy, is_owner);
        let combined = ctx.attach("shared_watermark", &Options::default(), both, operator);
        let clock = Clock {
            readings: broadcast(combined),
            identity: Rc::new(()),
            delay_ms: one.delay_ms.max(two.delay_ms),
            follows: false,
        };
        let one = Clock { follows: one.follows, ..clock.clone() };
        let two = Clock { follows: two.follows, ..clock };
        let this = EventStream { rows: self.rows, clock: Some(one) };
        (this, EventStream { rows: other.rows, clock: Some(two) })
    }

    /// The records of both streams, under the lower of their watermarks; for the higher one, let
    /// them [share it](EventStream::share_watermark) first.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let watermarks = batches(vec![vec!["20", "b"], vec![]], |words| {
    ///     let time = |word: &String| word.parse().unwrap_or(0);
    ///     let numbers = words.clone().filter(|word| word.parse::<i64>().is_ok());
    ///     let others = words.filter(|word| word.parse::<i64>().is_err());
    ///     let both = numbers.with_watermark(time, 0).union(others.with_watermark(time, 0));
    ///     both.watermark().map(|read| (read.stats.map_or(0, |stats| stats.count), read.now_ms))
    /// });
    /// assert_eq!(watermarks, [[(2, 0)], [(0, 0)]]);
    /// ```
    pub fn union(self, other: EventStream<'s, D>) -> EventStream<'s, D> {
        if self.clock.is_none() && other.clock.is_none() {
            return EventStream::new(self.rows.union(other.rows), None);
        }
        let (one, two) = self.share_watermark(other, WatermarkPolicy::Min);
        let follows = [&one.clock, &two.clock].into_iter().flatten().any(|clock| clock.follows);
        let clock = one.clock.map(|clock| Clock { follows, ..clock });
        EventStream::new(one.rows.union(two.rows), clock)
    }
}
