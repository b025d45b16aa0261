//! What becomes of rows that come when their window is over.

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::event_time::{Paced, Stamp, TimeWindow, Watermark};
use crate::{Chunks, Epoch, Record};

/// What becomes of a record whose window the watermark has passed.
///
/// Whatever is chosen, each record is either in a result or counted as late: the counts add up to
/// the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Late {
    /// It is dropped and counted.
    #[default]
    Drop,
    /// It is counted, and given in a stream of its own.
    SideOutput,
    /// The result is corrected: what was given is taken back and given anew. State is kept for so
    /// long after the window has closed; what comes later than that is dropped and counted.
    Correct {
        /// For how long results can be corrected.
        keep_ms: i64,
    },
    /// The result is held back for so long after the watermark has passed the window, and what
    /// comes until then is in it. What comes later is dropped and counted.
    Hold {
        /// For how long results are held.
        hold_ms: i64,
    },
}

impl Late {
    /// For how long after its end a window takes records.
    pub(super) fn takes_for_ms(self) -> i64 {
        match self {
            Late::Drop | Late::SideOutput => 0,
            Late::Correct { keep_ms } => keep_ms,
            Late::Hold { hold_ms } => hold_ms,
        }
    }

    /// Whether what lies in a window that ends at `end_ms` is late.
    ///
    /// ```
    /// use tidegate_operators::event_time::{Late, Watermark};
    ///
    /// assert!(Late::Drop.is_late(10, Watermark::at(10)));
    /// assert!(!Late::Drop.is_late(11, Watermark::at(10)));
    /// assert!(!Late::Correct { keep_ms: 5 }.is_late(10, Watermark::at(14)));
    /// ```
    pub fn is_late(self, end_ms: i64, watermark: Watermark) -> bool {
        self.gone_at(end_ms) <= watermark.late_ms
    }

    /// The window of a record, or [`TimeWindow::OVER`], if by its own watermark it is late for it.
    ///
    /// ```
    /// use tidegate_operators::event_time::{Late, Stamp, TimeWindow};
    ///
    /// let window = TimeWindow { start_ms: 0, end_ms: 10 };
    /// let read_at = |mark_ms| Late::Drop.own_window(window, Stamp { at_us: 7_000, mark_ms });
    /// assert_eq!([read_at(9), read_at(10)], [window, TimeWindow::OVER]);
    /// ```
    pub fn own_window(self, window: TimeWindow, stamp: Stamp) -> TimeWindow {
        let is_late = stamp.is_marked() && self.gone_at(window.end_ms) <= stamp.mark_ms;
        if is_late { TimeWindow::OVER } else { window }
    }

    /// The watermark that closes a window that ends at `end_ms`.
    pub(super) fn closed_at(self, end_ms: i64) -> i64 {
        match self {
            Late::Hold { hold_ms } => end_ms.saturating_add(hold_ms),
            _ => end_ms,
        }
    }

    /// The watermark with which nothing is kept any longer of a window that ends at `end_ms`.
    pub(super) fn gone_at(self, end_ms: i64) -> i64 {
        end_ms.saturating_add(self.takes_for_ms())
    }

    /// Whether a window that ends at `end_ms` is closed when the watermark has reached
    /// `through_ms`.
    pub fn is_closed(self, end_ms: i64, through_ms: i64) -> bool {
        self.closed_at(end_ms) <= through_ms
    }

    /// Whether nothing is kept any longer of a window that ends at `end_ms`.
    pub fn is_gone(self, end_ms: i64, through_ms: i64) -> bool {
        self.gone_at(end_ms) <= through_ms
    }

    /// The next watermark at which something becomes of a window that ends at `end_ms`, when
    /// `through_ms` is reached.
    pub(super) fn next(self, end_ms: i64, through_ms: i64) -> i64 {
        let is_closed = self.is_closed(end_ms, through_ms);
        if is_closed { self.gone_at(end_ms) } else { self.closed_at(end_ms) }
    }
}

/// Keeps the rows of a batch that a rule keeps, by the batch's watermark.
///
/// ```
/// use tidegate_operators::Chunks;
/// use tidegate_operators::event_time::{Paced, Sift, Watermark};
/// use tidegate_operators::local::Local;
///
/// let mut late = Local::new(Sift::new(|time: &i64, mark: Watermark| *time <= mark.late_ms));
/// let rows = Paced::Rows(Chunks::loose(vec![3, 9, 5]));
/// let kept = late.close(vec![rows, Paced::Watermark(Watermark::at(5))]);
/// assert_eq!(kept[0].rows(), [3, 5]);
/// ```
pub struct Sift<D, F> {
    keep: F,
    rows: std::marker::PhantomData<fn(D)>,
}

impl<D, F: FnMut(&D, Watermark) -> bool> Sift<D, F> {
    /// Keeps the rows for which `keep` holds.
    pub fn new(keep: F) -> Self {
        Sift { keep, rows: std::marker::PhantomData }
    }
}

impl<T, D, F> BatchOperator<T> for Sift<D, F>
where
    T: Epoch,
    D: Record,
    F: FnMut(&D, Watermark) -> bool + 'static,
{
    type Input = Paced<Chunks<D>>;
    type Output = Chunks<D>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Chunks<D>>,
        _tap: &mut Tap<()>,
    ) {
        let (messages, watermark) = Paced::apart(input);
        let watermark = watermark.unwrap_or(Watermark::NONE);
        for mut rows in messages {
            rows.retain(|row| (self.keep)(row, watermark));
            output.give(rows);
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
