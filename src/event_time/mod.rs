//! Event time: streams whose records carry their own times, and what is computed by these.

mod dedup;
mod join;
mod joined;
mod process;
mod results;
mod sessions;
mod table;
mod watermark;
mod windowed;

use std::rc::Rc;

use tidegate_operators::event_time::{Reading, Sift, Stamp, Watermark, micros, pace};
use tidegate_operators::{Chunks, Record};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::empty;

pub use join::EventPairs;
pub use joined::EventJoined;
pub use sessions::EventSessions;
pub use table::EventTable;
pub use windowed::EventWindowed;

use crate::batch::{BatchId, ChunkStream, RowStream, chunkwise};
use crate::config::Strategy;
use crate::context::{Context, Options};
use crate::dstream::{DStream, Order, RowOrder};

/// A stream whose records have event times, and, if it has one, the watermark that follows them.
///
/// The watermark that holds in a batch is the largest event time of all batches before it, less
/// the delay; it starts at 0 and never goes back. A record at or before the watermark is late, and
/// so is one in a window that ends there or before. The result does not depend on the number of
/// workers, nor on how many batches are in flight. It depends on where batches end, unless the
/// watermark judges records [one by one](crate::WatermarkRule::by_row).
pub struct EventStream<'s, D> {
    /// Records with their event times.
    rows: DStream<'s, (Stamp, D)>,
    clock: Option<Clock<'s>>,
}

/// A watermark.
#[derive(Clone)]
struct Clock<'s> {
    /// One for each batch, on every worker.
    readings: RowStream<'s, Reading>,
    /// What tells one watermark from another.
    identity: Rc<()>,
    delay_ms: i64,
    /// Whether the rows are those that the watermark has passed: they are late only if they lie
    /// behind the watermark of the batch before.
    follows: bool,
}

impl<D: Clone + 'static> Clone for EventStream<'_, D> {
    fn clone(&self) -> Self {
        EventStream { rows: self.rows.clone(), clock: self.clock.clone() }
    }
}

impl<'s, D: Record> EventStream<'s, D> {
    fn new(rows: DStream<'s, (Stamp, D)>, clock: Option<Clock<'s>>) -> Self {
        EventStream { rows: DStream { options: Options::default(), ..rows }, clock }
    }

    fn ctx(&self) -> Context<'s> {
        self.rows.ctx
    }

    /// Gives the next stateful operation a name, under which its state will be found again.
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.rows = self.rows.uid(uid);
        self
    }

    /// Says how the next stateful operation keeps its state. Windows, sessions and duplicates are
    /// kept in a hash index, or recomputed at each batch from all records that are not over; there
    /// are no arrangements of them.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::{Strategy, TimeWindows};
    ///
    /// let counts = batches(vec![vec!["3"], vec!["4"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 0);
    ///     let events = events.strategy(Strategy::Recompute);
    ///     events.window(TimeWindows::tumbling(5)).count().snapshots().map(|(_, count)| count)
    /// });
    /// assert_eq!(counts, [[1], [2]]);
    /// ```
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.rows = self.rows.strategy(strategy);
        self
    }

    /// The records without their event times: an ordinary stream.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let words = batches(vec![vec!["a"]], |words| words.event_time(|_| 0).into_stream());
    /// assert_eq!(words, [["a"]]);
    /// ```
    pub fn into_stream(self) -> DStream<'s, D> {
        self.rows.map(|(_, row)| row)
    }

    /// Each record with its event time, in microseconds since 1970.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let times = batches(vec![vec!["7"]], |words| {
    ///     words.event_time(|word| word.parse().unwrap_or(0)).with_times()
    /// });
    /// assert_eq!(times, [[(7_000, "7".to_string())]]);
    /// ```
    pub fn with_times(self) -> DStream<'s, (i64, D)> {
        let Order::Rows(order) = &self.rows.order else {
            return self.rows.map(|(stamp, row)| (stamp.at_us, row));
        };
        let group = Rc::clone(&order.group);
        let order = RowOrder {
            sort: <[_]>::sort_unstable,
            group: Rc::new(move |(at_us, row): &(i64, D)| group(&(Stamp::at(*at_us), row.clone()))),
        };
        let strip = |(stamp, row): (Stamp, D)| (stamp.at_us, row);
        let chunks = chunkwise(self.rows.chunks.clone(), "Times", move |rows| rows.map(strip));
        self.rows.ordered(chunks, order)
    }

    /// Applies a function to each record; its event time stays.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let lengths = batches(vec![vec!["tide"]], |words| {
    ///     words.event_time(|_| 0).map(|word| word.len() as u64).into_stream()
    /// });
    /// assert_eq!(lengths, [[4]]);
    /// ```
    pub fn map<E: Record>(self, mut logic: impl FnMut(D) -> E + 'static) -> EventStream<'s, E> {
        EventStream {
            rows: self.rows.map(move |(stamp, row)| (stamp, logic(row))),
            clock: self.clock,
        }
    }

    /// Keeps the records for which `keep` holds.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let long = batches(vec![vec!["in", "tide"]], |words| {
    ///     words.event_time(|_| 0).filter(|word| word.len() > 2).into_stream()
    /// });
    /// assert_eq!(long, [["tide"]]);
    /// ```
    pub fn filter(mut self, mut keep: impl FnMut(&D) -> bool + 'static) -> Self {
        self.rows = self.rows.filter(move |(_, row)| keep(row));
        self
    }

    /// Gives each record a key.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let keyed = batches(vec![vec!["tide"]], |words| {
    ///     words.event_time(|_| 0).key_by(|word| word.len() as u64).into_stream()
    /// });
    /// assert_eq!(keyed, [[(4, "tide".to_string())]]);
    /// ```
    pub fn key_by<K: Record>(
        self,
        mut key: impl FnMut(&D) -> K + 'static,
    ) -> EventStream<'s, (K, D)> {
        self.map(move |row| (key(&row), row))
    }

    /// The records that are in time, and a stream of those that are late. Nothing is kept.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let late = batches(vec![vec!["20"], vec!["15", "4"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 10);
    ///     events.split_late().1
    /// });
    /// assert_eq!(late, [vec![], vec!["4".to_string()]]);
    /// ```
    pub fn split_late(self) -> (EventStream<'s, D>, DStream<'s, D>) {
        let Some(clock) = &self.clock else {
            let none = self.rows.clone().filter(|_| false).map(|(_, row)| row);
            return (self, none);
        };
        let clock = clock.clone();
        let is_late = |(stamp, _): &(Stamp, D), mark: Watermark| {
            stamp.at_us <= micros(stamp.judged_by(mark).late_ms)
        };
        let late = self.sift("Late", is_late).map(|(_, row)| row);
        let in_time = self.sift("In time", move |row, mark| !is_late(row, mark));
        (EventStream { rows: in_time, clock: Some(clock) }, late)
    }

    /// Keeps the records for which a rule holds, by the watermark of their batch.
    fn sift(
        &self,
        name: &str,
        keep: impl FnMut(&(Stamp, D), Watermark) -> bool + 'static,
    ) -> DStream<'s, (Stamp, D)> {
        let rows = self.rows.clone().tagged();
        let paced = self.paced(rows.chunks.clone());
        let chunks = self.ctx().attach_per_batch(name, paced, Sift::new(keep));
        DStream { chunks, ..rows }
    }

    /// Chunks together with the watermarks of their batches.
    fn paced<E: Record>(&self, chunks: ChunkStream<'s, E>) -> PacedStream<'s, E> {
        paced(self.ctx(), self.clock.as_ref(), chunks)
    }
}

/// Chunks together with the watermarks of their batches, if there are any.
fn paced<'s, E: Record>(
    ctx: Context<'s>,
    clock: Option<&Clock<'s>>,
    chunks: ChunkStream<'s, E>,
) -> PacedStream<'s, E> {
    let watermarks = match clock {
        Some(clock) => clock.watermarks(),
        None => empty(ctx.scope()),
    };
    pace(chunks, watermarks)
}

/// Chunks, and the watermarks of their batches.
pub(crate) type PacedStream<'s, E> =
    timely::dataflow::Stream<'s, BatchId, tidegate_operators::event_time::Paced<Chunks<E>>>;

impl<'s> Clock<'s> {
    /// The watermark behind an operator whose rows lie at most so far behind it, and of which those
    /// come out as it passes them.
    fn behind(&self, behind_ms: i64) -> Clock<'s> {
        if behind_ms == 0 {
            return Clock { follows: true, ..self.clone() };
        }
        let readings = self.readings.clone();
        let readings =
            readings.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Behind", move |_, _| {
                move |input, output| {
                    input.for_each(|time, readings| {
                        let later = |ms: i64| ms.saturating_sub(behind_ms);
                        let mut readings: Vec<Reading> = readings
                            .drain(..)
                            .map(|reading| Reading {
                                previous_ms: later(reading.previous_ms),
                                now_ms: later(reading.now_ms),
                                ..reading
                            })
                            .collect();
                        output.session_with_builder(&time).give_container(&mut readings);
                    });
                }
            });
        Clock { readings, identity: Rc::new(()), follows: true, ..*self }
    }

    /// The watermarks as operators use them.
    fn watermarks(&self) -> RowStream<'s, Watermark> {
        let follows = self.follows;
        let readings = self.readings.clone();
        readings.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Watermark", move |_, _| {
            move |input, output| {
                input.for_each(|time, readings| {
                    let watermarks = readings.drain(..).map(|reading| Watermark {
                        late_ms: if follows { reading.previous_ms } else { reading.now_ms },
                        close_ms: reading.now_ms,
                    });
                    let mut watermarks: Vec<Watermark> = watermarks.collect();
                    output.session_with_builder(&time).give_container(&mut watermarks);
                });
            }
        })
    }
}
