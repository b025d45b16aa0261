//! By what rule a stream's watermark advances.

/// How far a watermark stays behind, what a row is judged by, and when a silent partition no
/// longer holds it back. A number of milliseconds is a rule by itself: the delay.
///
/// ```
/// use tidegate_operators::event_time::{Judged, WatermarkRule};
///
/// let rule = WatermarkRule::new(10_000).by_row().idle_after_ms(60_000);
/// assert_eq!((rule.judged, rule.idle_after_ms), (Judged::ByRow, Some(60_000)));
/// assert_eq!(WatermarkRule::from(10_000).judged, Judged::ByBatch);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkRule {
    /// How far the watermark stays behind the largest event time, in milliseconds.
    pub delay_ms: i64,
    /// What a row is judged by.
    pub judged: Judged,
    /// After how much batch time without a row a stream, or a partition where rows are judged one
    /// by one, counts as idle. `None`: never.
    pub idle_after_ms: Option<i64>,
}

/// What a row is judged by when it is asked whether it is late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judged {
    /// By all rows of the batches before: Spark's rule. There is one watermark for all partitions,
    /// and what is late depends on where batches end.
    #[default]
    ByBatch,
    /// By the rows before it in its own partition, and windows close when all partitions have
    /// passed them: what is late depends on the order of the rows alone, not on where batches end.
    ByRow,
}

impl WatermarkRule {
    /// A watermark that stays `delay_ms` behind the largest event time of the batches before.
    pub fn new(delay_ms: i64) -> Self {
        WatermarkRule { delay_ms, judged: Judged::ByBatch, idle_after_ms: None }
    }

    /// Judges each row by those before it in its own partition.
    ///
    /// A partition that falls silent holds the watermark where it was, at 0 if it never had a row,
    /// and so does one that has ended, as a file of a directory does when it has been read: where
    /// there are such, say [after how long](WatermarkRule::idle_after_ms) they count as idle.
    pub fn by_row(self) -> Self {
        WatermarkRule { judged: Judged::ByRow, ..self }
    }

    /// Lets what has had no row for so long no longer hold a watermark back.
    ///
    /// Time is batch time. Beside other streams an idle one is left out, and where rows are judged
    /// one by one, an idle partition is left out beside others. Where all are idle, none holds the
    /// others back, and the highest counts. What comes back is judged by the watermark that the
    /// others have reached: its rows may be late, and are then treated as late ones are.
    pub fn idle_after_ms(self, idle_after_ms: i64) -> Self {
        WatermarkRule { idle_after_ms: Some(idle_after_ms), ..self }
    }
}

impl From<i64> for WatermarkRule {
    fn from(delay_ms: i64) -> Self {
        WatermarkRule::new(delay_ms)
    }
}
