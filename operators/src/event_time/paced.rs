//! Rows and the watermark of their batch, in one input.

use serde::{Deserialize, Serialize};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Concat, Operator};
use timely::dataflow::{Stream, StreamVec};
use timely::{Accountable, Container};

use crate::Epoch;
use crate::batched::RowCount;

/// The watermark of a batch, as an operator uses it.
///
/// The two values differ behind an operator that gives rows as the watermark passes them: its rows
/// of a batch lie between the watermark of the batch before and this one, and are not late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Watermark {
    /// What lies at or before this is late.
    pub late_ms: i64,
    /// What lies at or before this is over when the batch closes.
    pub close_ms: i64,
}

impl Watermark {
    /// The watermark of a stream without: nothing is ever late or over.
    pub const NONE: Watermark = Watermark { late_ms: i64::MIN, close_ms: i64::MIN };

    /// One watermark for both.
    ///
    /// ```
    /// use tidegate_operators::event_time::Watermark;
    ///
    /// assert_eq!(Watermark::at(5), Watermark { late_ms: 5, close_ms: 5 });
    /// ```
    pub fn at(ms: i64) -> Self {
        Watermark { late_ms: ms, close_ms: ms }
    }
}

/// A message of rows, or the watermark of their batch, or whatever else is known when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paced<C, W = Watermark> {
    /// Rows.
    Rows(C),
    /// The watermark.
    Watermark(W),
}

impl<C: Default, W> Default for Paced<C, W> {
    fn default() -> Self {
        Paced::Rows(C::default())
    }
}

impl<C: Accountable, W: 'static> Accountable for Paced<C, W> {
    fn record_count(&self) -> i64 {
        match self {
            Paced::Rows(rows) => rows.record_count(),
            Paced::Watermark(_) => 1,
        }
    }
}

impl<C: RowCount, W> RowCount for Paced<C, W> {
    fn row_count(&self) -> usize {
        match self {
            Paced::Rows(rows) => rows.row_count(),
            Paced::Watermark(_) => 0,
        }
    }
}

impl<C, W> Paced<C, W> {
    /// The messages of a batch apart: its rows, and its watermark.
    ///
    /// ```
    /// use tidegate_operators::event_time::{Paced, Watermark};
    ///
    /// let input = vec![Paced::Rows(vec!['a']), Paced::Watermark(Watermark::at(7))];
    /// assert_eq!(Paced::apart(input), (vec![vec!['a']], Some(Watermark::at(7))));
    /// ```
    pub fn apart(input: Vec<Self>) -> (Vec<C>, Option<W>) {
        let (mut messages, mut watermark) = (Vec::with_capacity(input.len()), None);
        for message in input {
            match message {
                Paced::Rows(rows) => messages.push(rows),
                Paced::Watermark(passed) => watermark = Some(passed),
            }
        }
        (messages, watermark)
    }
}

/// A stream with the watermarks of its batches; the operator behind it closes a batch when both
/// have come.
pub fn pace<'s, T: Epoch, C: Container + Clone, W: Clone + 'static>(
    rows: Stream<'s, T, C>,
    watermarks: StreamVec<'s, T, W>,
) -> Stream<'s, T, Paced<C, W>> {
    let rows = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Paced rows", |_, _| {
        |input, output| {
            input.for_each(|time, rows| {
                let mut rows = Paced::Rows(std::mem::take(rows));
                output.session_with_builder(&time).give_container(&mut rows);
            });
        }
    });
    let watermarks =
        watermarks.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Paced watermarks", |_, _| {
            |input, output| {
                input.for_each(|time, watermarks| {
                    for watermark in watermarks.drain(..) {
                        let mut watermark = Paced::Watermark(watermark);
                        output.session_with_builder(&time).give_container(&mut watermark);
                    }
                });
            }
        });
    rows.concat(watermarks)
}
