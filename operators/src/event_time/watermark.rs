//! Watermarks: up to which event time everything is taken to have come.
//!
//! The watermark that holds in a batch is the largest event time of all batches before it, less the
//! delay; it starts at 0 and never goes back. Each worker sends the statistics of its rows of a
//! batch to the worker that keeps the watermark, which reads it off when the batch is complete
//! and broadcasts it at the batch's time. The batch's own rows count from the next batch on,
//! however many lie between in the numbering.
//!
//! Where rows are judged one by one ([`Judged::ByRow`]), each partition has a watermark of its own,
//! and that of the batch is the lowest of them. A row is judged by what its own partition had
//! reached before it, which is never less: so no row comes in time for a window that has closed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use timely::ExchangeData;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::{Stream, StreamVec};

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::event_time::{EventTimeStats, Judged, Stamp, WatermarkRule};
use crate::{Chunks, Epoch, Tag};

/// The watermark of a batch, and what the batch itself brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reading {
    /// The watermark of the batch before.
    pub previous_ms: i64,
    /// The watermark of this batch.
    pub now_ms: i64,
    /// The event times of this batch, if it has rows: they count from the next batch on.
    pub stats: Option<EventTimeStats>,
    /// Whether there has been no row for so long that other streams need not wait for this one.
    pub is_idle: bool,
}

/// A partition: the branch of a union that it came through, and its number.
pub type PartitionId = (u32, u32);

/// What is known of event time when a batch begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Heading {
    /// The watermark.
    pub reading: Reading,
    /// The watermark of each partition, where rows are judged one by one.
    pub marks: Vec<(PartitionId, i64)>,
}

/// The event times of a partition's rows in a batch, or in a message of it; `None`, if there is no
/// row.
pub type PartitionStats = (PartitionId, Option<EventTimeStats>);

/// A row of the saved state of a watermark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SavedWatermark {
    /// The watermark of the batch, that of the next one, and whether the stream is idle then.
    Passed(i64, i64, bool),
    /// What a partition has reached, and the time of the last batch that had rows of it.
    Partition(PartitionId, i64, i64),
}

impl SavedWatermark {
    /// Which partition it tells of, if it is one.
    fn of(&self) -> Option<PartitionId> {
        match self {
            SavedWatermark::Passed(..) => None,
            SavedWatermark::Partition(id, ..) => Some(*id),
        }
    }
}

/// Keeps a watermark, on the worker that is its owner; others give nothing.
///
/// Attach it to the ticks: every batch has a watermark, with rows or without, and idleness goes by
/// batch time. Kept: two numbers, and two more for each partition where rows are judged one by one.
///
/// ```
/// use tidegate_operators::event_time::{EventTimeStats, Watermarks};
/// use tidegate_operators::local::Local;
///
/// let mut watermarks = Local::new(Watermarks::new(10_000, true));
/// let mut read = |times: &[i64]| {
///     let stats = times.iter().map(|time| ((0, 0), Some(EventTimeStats::of(*time)))).collect();
///     watermarks.close(vec![stats])[0][0].reading.now_ms
/// };
/// assert_eq!(read(&[10_000, 15_000]), 0);
/// assert_eq!(read(&[25_000]), 5_000);
/// assert_eq!(read(&[]), 15_000);
/// ```
#[derive(Clone, Debug)]
pub struct Watermarks {
    rule: WatermarkRule,
    is_owner: bool,
    /// The watermark of the last batch.
    previous_ms: i64,
    /// That of the next one.
    next_ms: i64,
    is_idle: bool,
    /// One for all rows together, or one for each partition.
    partitions: BTreeMap<PartitionId, Progress>,
    updated: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    /// Its watermark.
    reached_ms: i64,
    /// The time of the last batch with a row, or of the first one without.
    seen_ms: i64,
}

impl Watermarks {
    /// A watermark that advances by a rule.
    pub fn new(rule: impl Into<WatermarkRule>, is_owner: bool) -> Self {
        Watermarks {
            rule: rule.into(),
            is_owner,
            previous_ms: 0,
            next_ms: 0,
            is_idle: false,
            partitions: BTreeMap::new(),
            updated: 0,
        }
    }

    /// The lowest watermark of those that are not idle, at a time; of those that are, the highest.
    fn reached(&self, time_ms: i64) -> (i64, bool) {
        let is_active = |progress: &&Progress| {
            let silent_ms = time_ms.saturating_sub(progress.seen_ms);
            self.rule.idle_after_ms.is_none_or(|idle_after_ms| silent_ms < idle_after_ms)
        };
        let reached = |progress: &Progress| progress.reached_ms;
        let lowest = self.partitions.values().filter(is_active).map(reached).min();
        let highest = self.partitions.values().map(reached).max();
        (lowest.or(highest).unwrap_or(0), lowest.is_none() && highest.is_some())
    }

    /// Takes in the rows of a batch, for the batches that follow.
    fn advance(&mut self, stats: &[PartitionStats], time_ms: i64, tap: &mut Tap<SavedWatermark>) {
        let unseen = Progress { reached_ms: 0, seen_ms: time_ms };
        let all = (self.rule.judged == Judged::ByBatch).then_some((PartitionId::default(), None));
        let mut after: BTreeMap<PartitionId, Progress> = BTreeMap::new();
        for (id, stats) in all.iter().chain(stats) {
            let known = || self.partitions.get(id).copied().unwrap_or(unseen);
            let progress = after.entry(*id).or_insert_with(known);
            if let Some(stats) = stats {
                let reached_ms = stats.max_ms.saturating_sub(self.rule.delay_ms);
                progress.reached_ms = progress.reached_ms.max(reached_ms);
                progress.seen_ms = time_ms;
            }
        }
        for (id, now) in after {
            let before = self.partitions.insert(id, now);
            // When it was last seen matters to nobody, unless silence does.
            let matters = |before: Progress| {
                let seen = self.rule.idle_after_ms.is_some() && before.seen_ms != now.seen_ms;
                seen || before.reached_ms != now.reached_ms
            };
            if before.is_none_or(matters) {
                self.updated += 1;
                tap.record(|| SavedWatermark::Partition(id, now.reached_ms, now.seen_ms));
            }
        }
    }
}

impl<T: Epoch> BatchOperator<T> for Watermarks {
    type Input = Vec<PartitionStats>;
    type Output = Vec<Heading>;
    type Saved = SavedWatermark;

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Vec<Heading>>,
        tap: &mut Tap<SavedWatermark>,
    ) {
        if !self.is_owner {
            return;
        }
        let input = input.concat();
        let stats = input.iter().filter_map(|(_, stats)| *stats).reduce(|mut stats, others| {
            stats.merge(&others);
            stats
        });
        let (previous_ms, now_ms) = (self.previous_ms, self.next_ms);
        let reading = Reading { previous_ms, now_ms, stats, is_idle: self.is_idle };
        let by_row = self.rule.judged == Judged::ByRow;
        let marks = self.partitions.iter().filter(|_| by_row);
        let marks = marks.map(|(id, progress)| (*id, progress.reached_ms)).collect();
        output.give(vec![Heading { reading, marks }]);

        self.updated = 0;
        let time_ms = batch.tick_or_panic().time_ms;
        self.advance(&input, time_ms, tap);
        let (reached_ms, is_idle) = self.reached(time_ms);
        let after = (now_ms, now_ms.max(reached_ms), is_idle);
        if after != (self.previous_ms, self.next_ms, self.is_idle) {
            (self.previous_ms, self.next_ms, self.is_idle) = after;
            self.updated = self.updated.max(1);
            tap.record(|| SavedWatermark::Passed(after.0, after.1, after.2));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn form() -> SavedForm {
        SavedForm::Latest
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |a, b| a.of().cmp(&b.of()), |_| false)
    }

    fn restore(&mut self, saved: Vec<SavedWatermark>) {
        for row in saved {
            match row {
                SavedWatermark::Passed(previous_ms, next_ms, is_idle) => {
                    (self.previous_ms, self.next_ms, self.is_idle) =
                        (previous_ms, next_ms, is_idle);
                }
                SavedWatermark::Partition(id, reached_ms, seen_ms) => {
                    self.partitions.insert(id, Progress { reached_ms, seen_ms });
                }
            }
        }
    }

    fn size(&self) -> StateSize {
        let keys = u64::from(self.is_owner) * self.partitions.len().max(1) as u64;
        let slot = (size_of::<PartitionId>() + size_of::<Progress>()) as u64;
        StateSize { keys, bytes: keys * slot, updated: self.updated }
    }
}

/// A stream as it is, and the event times of each batch's rows on the worker that keeps the
/// watermark: of all rows together, or by partition, where rows are judged one by one.
pub fn measured<'s, T: Epoch, D: Clone + 'static>(
    rows: Stream<'s, T, Chunks<(Stamp, D)>>,
    owner: usize,
    judged: Judged,
) -> (Stream<'s, T, Chunks<(Stamp, D)>>, StreamVec<'s, T, PartitionStats>) {
    // One operator with two outputs: a stream that is used twice has its rows copied.
    let mut builder = OperatorBuilder::new("Event times".to_owned(), rows.scope());
    let mut input = builder.new_input(rows, Pipeline);
    let (passed, passed_stream) = builder.new_output();
    let mut passed = OutputBuilder::<T, NoopBuilder<Chunks<(Stamp, D)>>>::from(passed);
    let (stats, stats_stream) = builder.new_output();
    let mut stats = OutputBuilder::<T, NoopBuilder<Vec<PartitionStats>>>::from(stats);
    builder.build(move |_| {
        move |_frontiers| {
            let (mut passed, mut stats) = (passed.activate(), stats.activate());
            input.for_each(|time, chunks| {
                let (here, to_owner) = (time.retain(0), time.retain(1));
                let mut times: Vec<PartitionStats> = match judged {
                    Judged::ByBatch => vec![(PartitionId::default(), stats_of(chunks.rows()))],
                    Judged::ByRow => {
                        let of = |tag: Tag| (tag.lane, tag.partition);
                        chunks.iter().map(|(tag, rows)| (of(tag), stats_of(rows))).collect()
                    }
                };
                if !times.is_empty() {
                    stats.session_with_builder(&to_owner).give_container(&mut times);
                }
                passed.session_with_builder(&here).give_container(&mut std::mem::take(chunks));
            });
        }
    });
    // Timely's own exchange moves whole messages to one worker; no rows of the user's are in them.
    let exchange = Exchange::new(move |_: &PartitionStats| owner as u64);
    let at_owner =
        stats_stream.unary::<NoopBuilder<_>, _, _, _>(exchange, "To the owner", |_, _| {
            |input, output| {
                input.for_each(|time, stats| {
                    output.session_with_builder(&time).give_container(&mut std::mem::take(stats));
                });
            }
        });
    (passed_stream, at_owner)
}

fn stats_of<D>(rows: &[(Stamp, D)]) -> Option<EventTimeStats> {
    let mut times = rows.iter().map(|(stamp, _)| stamp.at_ms());
    let first = EventTimeStats::of(times.next()?);
    Some(times.fold(first, |mut stats, time_ms| {
        stats.add(time_ms);
        stats
    }))
}

/// What the owner of a watermark gives, on every worker.
pub fn broadcast<'s, T: Epoch, R: ExchangeData + Clone>(
    of_owner: StreamVec<'s, T, R>,
) -> StreamVec<'s, T, R> {
    of_owner.broadcast()
}

/// The watermarks alone.
pub fn readings<'s, T: Epoch>(headings: StreamVec<'s, T, Heading>) -> StreamVec<'s, T, Reading> {
    headings.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Readings", |_, _| {
        |input, output| {
            input.for_each(|time, headings| {
                let mut readings: Vec<Reading> =
                    headings.drain(..).map(|heading| heading.reading).collect();
                output.session_with_builder(&time).give_container(&mut readings);
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Local;

    fn stats(id: PartitionId, times: &[i64]) -> Vec<PartitionStats> {
        if times.is_empty() {
            return vec![(id, None)];
        }
        times.iter().map(|time| (id, Some(EventTimeStats::of(*time)))).collect()
    }

    fn read(local: &mut Local<Watermarks>, times: &[i64]) -> (i64, i64) {
        let heading = local.close(vec![stats((0, 0), times)])[0][0].clone();
        (heading.reading.previous_ms, heading.reading.now_ms)
    }

    #[test]
    fn a_watermark_never_goes_back_and_survives_a_restart() {
        let mut local = Local::new(Watermarks::new(5, true));
        assert_eq!(read(&mut local, &[100]), (0, 0));
        assert_eq!(read(&mut local, &[50, 60]), (0, 95));
        let mut local = local.restart(Watermarks::new(5, true));
        assert_eq!(read(&mut local, &[i64::MIN]), (95, 95));
        assert_eq!(read(&mut local, &[]), (95, 95));
        assert_eq!(read(&mut local, &[i64::MAX]), (95, 95));
        let mut local = local.restart(Watermarks::new(5, true));
        assert_eq!(read(&mut local, &[]), (95, i64::MAX - 5));
    }

    #[test]
    fn only_the_owner_has_a_watermark() {
        let mut local = Local::new(Watermarks::new(5, false));
        assert!(local.close(vec![stats((0, 0), &[7])]).is_empty());
        assert_eq!(local.size().keys, 0);
    }

    #[test]
    fn the_slowest_partition_that_is_not_idle_holds_the_watermark() {
        let new = || Watermarks::new(WatermarkRule::new(0).by_row().idle_after_ms(2_000), true);
        let mut local = Local::new(new());
        let read = |local: &mut Local<Watermarks>, fast: &[i64], slow: &[i64]| {
            let heading = local.close(vec![stats((0, 0), fast), stats((0, 1), slow)])[0][0].clone();
            (heading.reading.now_ms, heading.reading.is_idle, heading.marks)
        };
        let marks = |fast, slow| vec![((0, 0), fast), ((0, 1), slow)];
        assert_eq!(read(&mut local, &[50], &[10]), (0, false, vec![]));
        assert_eq!(read(&mut local, &[60], &[]), (10, false, marks(50, 10)));
        // A batch is a second: the slow one is silent for two of them, and is left out.
        assert_eq!(read(&mut local, &[70], &[]), (10, false, marks(60, 10)));
        let mut local = local.restart(new());
        assert_eq!(read(&mut local, &[], &[20]), (70, false, marks(70, 10)));
        // It is back: it holds the watermark, which does not go back.
        assert_eq!(read(&mut local, &[80], &[30]), (70, false, marks(70, 20)));
        assert_eq!(read(&mut local, &[], &[]), (70, false, marks(80, 30)));
        assert_eq!(read(&mut local, &[], &[]), (70, false, marks(80, 30)));
        // Both are idle: neither holds the other back.
        assert_eq!(read(&mut local, &[], &[]), (80, true, marks(80, 30)));
    }
}
