//! Watermarks: up to which event time everything is taken to have come.
//!
//! The watermark that holds in a batch is the largest event time of all batches before it, less the
//! delay; it starts at 0 and never goes back. Each worker sends the statistics of its rows of a
//! batch to the worker that keeps the watermark, which reads it off when the batch is complete
//! and broadcasts it at the batch's time. The batch's own rows count from the next batch on,
//! however many lie between in the numbering.

use serde::{Deserialize, Serialize};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::{Stream, StreamVec};

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, StateSize, Tap};
use crate::event_time::EventTimeStats;
use crate::{Chunks, Epoch};

/// The watermark of a batch, and what the batch itself brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reading {
    /// The watermark of the batch before.
    pub previous_ms: i64,
    /// The watermark of this batch.
    pub now_ms: i64,
    /// The event times of this batch, if it has rows: they count from the next batch on.
    pub stats: Option<EventTimeStats>,
}

/// Keeps a watermark, on the worker that is its owner; others give nothing.
///
/// Attach it to the ticks: every batch has a watermark, with rows or without. Kept: two numbers.
///
/// ```
/// use tidegate_operators::event_time::{EventTimeStats, Watermarks};
/// use tidegate_operators::local::Local;
///
/// let mut watermarks = Local::new(Watermarks::new(10_000, true));
/// let mut read = |times: &[i64]| {
///     let stats = times.iter().map(|time| EventTimeStats::of(*time)).collect();
///     watermarks.close(vec![stats])[0][0].now_ms
/// };
/// assert_eq!(read(&[10_000, 15_000]), 0);
/// assert_eq!(read(&[25_000]), 5_000);
/// assert_eq!(read(&[]), 15_000);
/// ```
#[derive(Clone, Debug)]
pub struct Watermarks {
    delay_ms: i64,
    is_owner: bool,
    /// The watermark of the last batch.
    previous_ms: i64,
    /// That of the next one.
    next_ms: i64,
    updated: u64,
}

impl Watermarks {
    /// A watermark that stays `delay_ms` behind the largest event time.
    pub fn new(delay_ms: i64, is_owner: bool) -> Self {
        Watermarks { delay_ms, is_owner, previous_ms: 0, next_ms: 0, updated: 0 }
    }
}

impl<T: Epoch> BatchOperator<T> for Watermarks {
    type Input = Vec<EventTimeStats>;
    type Output = Vec<Reading>;
    /// The watermark of the batch, and that of the next one.
    type Saved = (i64, i64);

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Vec<EventTimeStats>>,
        output: &mut Output<'_, Vec<Reading>>,
        tap: &mut Tap<(i64, i64)>,
    ) {
        if !self.is_owner {
            return;
        }
        let stats = input.into_iter().flatten().reduce(|mut stats, others| {
            stats.merge(&others);
            stats
        });
        let now_ms = self.next_ms;
        output.give(vec![Reading { previous_ms: self.previous_ms, now_ms, stats }]);
        let reached = stats.map_or(0, |stats| stats.max_ms.saturating_sub(self.delay_ms));
        let after = (now_ms, now_ms.max(reached));
        self.updated = u64::from(after != (self.previous_ms, now_ms));
        if self.updated > 0 {
            (self.previous_ms, self.next_ms) = after;
            tap.record(|| after);
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn fold(mut saved: Vec<(i64, i64)>, _folding: Folding) -> Vec<(i64, i64)> {
        saved.drain(..saved.len().saturating_sub(1));
        saved
    }

    fn restore(&mut self, saved: Vec<(i64, i64)>) {
        if let Some((previous_ms, next_ms)) = saved.last() {
            (self.previous_ms, self.next_ms) = (*previous_ms, *next_ms);
        }
    }

    fn size(&self) -> StateSize {
        let keys = u64::from(self.is_owner);
        StateSize { keys, bytes: keys * size_of::<Self>() as u64, updated: self.updated }
    }
}

/// The event times of each batch's rows, which are in microseconds, on the worker that keeps the
/// watermark.
pub fn stats_at<'s, T: Epoch, D: Clone + 'static>(
    rows: Stream<'s, T, Chunks<(i64, D)>>,
    owner: usize,
) -> StreamVec<'s, T, EventTimeStats> {
    let stats = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Event times", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let times = chunks.rows().iter().map(|(time_us, _)| time_us.div_euclid(1000));
                let stats = times.fold(None, |stats: Option<EventTimeStats>, time_ms| {
                    let mut stats = stats;
                    match &mut stats {
                        Some(stats) => stats.add(time_ms),
                        None => return Some(EventTimeStats::of(time_ms)),
                    }
                    stats
                });
                if let Some(stats) = stats {
                    output.session_with_builder(&time).give_container(&mut vec![stats]);
                }
            });
        }
    });
    // Timely's own exchange moves whole messages to one worker; no rows of the user's are in them.
    let exchange = Exchange::new(move |_: &EventTimeStats| owner as u64);
    stats.unary::<NoopBuilder<_>, _, _, _>(exchange, "To the owner", |_, _| {
        |input, output| {
            input.for_each(|time, stats| {
                output.session_with_builder(&time).give_container(&mut std::mem::take(stats));
            });
        }
    })
}

/// What is read of a watermark, on every worker.
pub fn broadcast<'s, T: Epoch>(readings: StreamVec<'s, T, Reading>) -> StreamVec<'s, T, Reading> {
    readings.broadcast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Local;

    fn read(local: &mut Local<Watermarks>, times: &[i64]) -> (i64, i64) {
        let stats = times.iter().map(|time| EventTimeStats::of(*time)).collect();
        let reading = local.close(vec![stats])[0][0];
        (reading.previous_ms, reading.now_ms)
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
        assert!(local.close(vec![vec![EventTimeStats::of(7)]]).is_empty());
        assert_eq!(local.size().keys, 0);
    }
}
