//! Windows over streams.

use std::time::Duration;

use tidegate_operators::keyed::CountWindow;
use tidegate_operators::{Record, Reduce, WindowRule};

use super::{DStream, RowOrder};
use crate::error::BuildError;
use crate::table::Table;
use crate::windowed::Windowed;

/// A span of time or a number of batches: a window's length, or its slide.
///
/// ```
/// use std::time::Duration;
/// use tidegate::Span;
///
/// assert_eq!(Span::from(Duration::from_secs(4)), Span::Time(Duration::from_secs(4)));
/// assert_eq!(Span::batches(4), Span::Batches(4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A time, which must be a multiple of the batch interval.
    Time(Duration),
    /// A number of batches.
    Batches(u64),
}

impl Span {
    /// A number of batches.
    pub fn batches(batches: u64) -> Self {
        Span::Batches(batches)
    }
}

impl From<Duration> for Span {
    fn from(time: Duration) -> Self {
        Span::Time(time)
    }
}

impl<'s, D: Record> DStream<'s, D> {
    /// A window of this length, which slides by `slide`: both are multiples of the batch interval,
    /// or numbers of batches.
    ///
    /// What is computed on it has an output whenever the window slides, and knows all records of
    /// the window; it is maintained by what comes and what goes.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// let rows = batches(vec![vec!["a"], vec!["b"], vec!["c"]], |words| {
    ///     words.window(Span::batches(2), Span::batches(1)).snapshots()
    /// });
    /// assert_eq!(rows, [vec!["a"], vec!["a", "b"], vec!["b", "c"]]);
    /// ```
    pub fn window(self, length: impl Into<Span>, slide: impl Into<Span>) -> Windowed<'s, D> {
        let length = self.in_batches("a window's length", length.into());
        let slide = self.in_batches("a window's slide", slide.into());
        // A stream that itself slides has its batches at multiples of its own slide.
        if !slide.is_multiple_of(self.slide) {
            let (left, right) = (self.slide, slide);
            self.ctx.reject(BuildError::Slides { operation: "window", left, right });
        }
        Windowed::new(self, Some(WindowRule::new(length, slide)))
    }

    /// A window that begins with the job and that nothing ever leaves.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["a"], vec!["a", "b"]], |words| {
    ///     words.running().count_by_value().snapshots()
    /// });
    /// let (a, b) = ("a".to_string(), "b".to_string());
    /// assert_eq!(counts, [vec![(a.clone(), 1)], vec![(a, 2), (b, 1)]]);
    /// ```
    pub fn running(self) -> Windowed<'s, D> {
        Windowed::new(self, None)
    }

    /// The number of records in a sliding window, whenever it slides: 0 for an empty one.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// let counts = batches(vec![vec!["a"], vec!["b", "c"], vec![]], |words| {
    ///     words.count_by_window(Span::batches(2), Span::batches(1))
    /// });
    /// assert_eq!(counts, [[1], [3], [2]]);
    /// ```
    pub fn count_by_window(
        self,
        length: impl Into<Span>,
        slide: impl Into<Span>,
    ) -> DStream<'s, i64> {
        self.window(length, slide).count()
    }

    /// All records of a sliding window reduced to one, whenever it slides; nothing for an empty
    /// window.
    pub fn reduce_by_window(
        self,
        function: impl Fn(&D, &D) -> D + Clone + 'static,
        length: impl Into<Span>,
        slide: impl Into<Span>,
    ) -> DStream<'s, D> {
        self.window(length, slide).reduce(function)
    }

    /// How often each record occurs in a sliding window.
    pub fn count_by_value_and_window(
        self,
        length: impl Into<Span>,
        slide: impl Into<Span>,
    ) -> Table<'s, (D, i64)> {
        self.window(length, slide).count_by_value()
    }

    /// The number of batches in a span. Where it is none, the program is rejected, and building
    /// goes on with what comes near.
    fn in_batches(&self, what: &'static str, span: Span) -> u64 {
        let interval = self.ctx.build().config.interval;
        let batches = match span {
            Span::Batches(batches) => batches,
            Span::Time(time) => {
                let (span_ns, interval_ns) = (time.as_nanos(), interval.as_nanos());
                let below = (span_ns / interval_ns) as u32;
                if !span_ns.is_multiple_of(interval_ns) {
                    self.ctx.reject(BuildError::NoMultiple {
                        what,
                        span: time,
                        interval,
                        below: interval * below.max(1),
                        above: interval * (below + 1),
                    });
                }
                u64::from(below)
            }
        };
        if batches == 0 && !matches!(span, Span::Time(time) if !time.is_zero()) {
            self.ctx.reject(BuildError::EmptySpan { what });
        }
        batches.max(1)
    }
}

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// The values of each key in a sliding window reduced to one.
    ///
    /// The function must be associative and commutative. If there is one that undoes it, use
    /// [`Windowed::aggregate_by_key`] with [`Reduce::with_inverse`]: what leaves the window is
    /// then subtracted. Without, partial results are kept, and a batch still costs no more for a
    /// longer window.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::Span;
    ///
    /// let counts = batches(vec![vec!["a"], vec!["a"], vec![]], |words| {
    ///     let pairs = words.map(|word| (word, 1i64));
    ///     pairs.reduce_by_key_and_window(|a, b| a + b, Span::batches(2), Span::batches(1)).snapshots()
    /// });
    /// let a = "a".to_string();
    /// assert_eq!(counts, [[(a.clone(), 1)], [(a.clone(), 2)], [(a, 1)]]);
    /// ```
    pub fn reduce_by_key_and_window(
        self,
        function: impl Fn(&V, &V) -> V + Clone + 'static,
        length: impl Into<Span>,
        slide: impl Into<Span>,
    ) -> Table<'s, (K, V)> {
        self.window(length, slide).aggregate_by_key(Reduce::new(function))
    }

    /// All values of each key in a sliding window, whenever it slides.
    pub fn group_by_key_and_window(
        self,
        length: impl Into<Span>,
        slide: impl Into<Span>,
    ) -> DStream<'s, (K, Vec<V>)> {
        self.window(length, slide).group_by_key()
    }

    /// The last `length` values of a key, whenever `slide` more of them have come: a window that
    /// counts records, not batches. The first windows have fewer.
    ///
    /// Values count in the order of the stream, however they are split into batches. A window comes
    /// out in the batch that completes it; those of a batch are ordered by key, then by content.
    /// Kept: up to `length` values of each key.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let pairs = batches(vec![vec!["in", "at", "on"], vec!["by"]], |words| {
    ///     words.key_by(|word| word.len() as u64).count_window_by_key(2, 2)
    /// });
    /// let of = |words: [&str; 2]| (2, words.map(str::to_string).to_vec());
    /// assert_eq!(pairs, [[of(["in", "at"])], [of(["on", "by"])]]);
    /// ```
    pub fn count_window_by_key(self, length: usize, slide: u64) -> DStream<'s, (K, Vec<V>)> {
        if length == 0 || slide == 0 {
            self.ctx.reject(BuildError::CountWindow { length, slide });
        }
        let (ctx, options) = (self.ctx, self.options.clone());
        let operator = CountWindow::new(length.max(1), slide.max(1));
        let shipped = self.clone().shipped_by_key();
        let windows = ctx.attach("count-window", &options, shipped, operator);
        self.ordered(windows, RowOrder::by_key())
    }
}
