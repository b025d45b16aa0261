//! What a row of a stream with event times carries beside itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::event_time::{Heading, Paced, Watermark};
use crate::{Chunks, Epoch, Record, order};

/// When a row happened, and how far its partition had come when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Its event time, in microseconds since 1970.
    pub at_us: i64,
    /// The watermark of the rows before it in its own partition; `i64::MIN`, if rows are judged by
    /// the watermark of their batch alone.
    pub mark_ms: i64,
}

impl Stamp {
    /// A row of which only the event time is known, in microseconds.
    ///
    /// ```
    /// use tidegate_operators::event_time::{Stamp, Watermark};
    ///
    /// let stamp = Stamp::at(7_999);
    /// assert_eq!(stamp.at_ms(), 7);
    /// assert_eq!(stamp.judged_by(Watermark::at(5)), Watermark::at(5));
    /// ```
    pub fn at(at_us: i64) -> Self {
        Stamp { at_us, mark_ms: i64::MIN }
    }

    /// Its event time in milliseconds.
    pub fn at_ms(self) -> i64 {
        self.at_us.div_euclid(1000)
    }

    /// Whether the row has a watermark of its own.
    pub fn is_marked(self) -> bool {
        self.mark_ms > i64::MIN
    }

    /// By which watermark the row is late: its own, unless that of its batch has gone further.
    pub fn judged_by(self, batch: Watermark) -> Watermark {
        Watermark { late_ms: batch.late_ms.max(self.mark_ms), ..batch }
    }
}

/// Gives each row the watermark of the rows before it in its own partition, however they are cut
/// into batches.
///
/// A partition's rows must be on one worker. Nothing is kept: how far the partitions have come
/// before a batch is part of its [`Heading`].
///
/// ```
/// use tidegate_operators::Chunks;
/// use tidegate_operators::event_time::{Heading, Paced, Reading, Stamp, Stamping};
/// use tidegate_operators::local::Local;
///
/// let mut stamping = Local::new(Stamping::new(5));
/// let rows = [8_000, 20_000, 9_000].map(|at_us| (Stamp::at(at_us), ())).to_vec();
/// let heading = Heading { reading: Reading::default(), marks: vec![((0, 0), 1)] };
/// let stamped = stamping.close(vec![Paced::Rows(Chunks::loose(rows)), Paced::Watermark(heading)]);
/// let marks: Vec<i64> = stamped[0].rows().iter().map(|(stamp, ())| stamp.mark_ms).collect();
/// assert_eq!(marks, [1, 3, 15]);
/// ```
pub struct Stamping<D> {
    delay_ms: i64,
    rows: std::marker::PhantomData<fn(D)>,
}

impl<D> Stamping<D> {
    /// Watermarks that stay `delay_ms` behind the largest event time.
    pub fn new(delay_ms: i64) -> Self {
        Stamping { delay_ms, rows: std::marker::PhantomData }
    }
}

impl<T: Epoch, D: Record> BatchOperator<T> for Stamping<D> {
    type Input = Paced<Chunks<(Stamp, D)>, Heading>;
    type Output = Chunks<(Stamp, D)>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        let (messages, heading) = Paced::apart(input);
        let marks = heading.map(|heading| heading.marks).unwrap_or_default();
        let mut marks: BTreeMap<_, i64> = marks.into_iter().collect();
        let mut stamped = Chunks::new();
        for (tag, mut rows) in order::by_tag(messages) {
            let mark_ms = marks.entry((tag.lane, tag.partition)).or_default();
            for (stamp, _) in &mut rows {
                stamp.mark_ms = *mark_ms;
                *mark_ms = (*mark_ms).max(stamp.at_ms().saturating_sub(self.delay_ms));
            }
            stamped.push(tag, rows);
        }
        if !stamped.is_empty() {
            output.give(stamped);
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
