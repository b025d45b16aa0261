//! Event time: what is computed by the times that records carry, not by when they arrive.
//!
//! A [`watermark`](mod@watermark) says up to which event time everything is taken to have come. It
//! is made of the maxima of the batches before, on one worker, and sent to all at the time of the
//! batch in which it holds; an operator that acts on it takes it as data ([`Paced`]) and so closes
//! a batch only when that batch's own watermark is there. That is why the result depends neither on
//! the number of workers nor on how many batches are in flight. Where rows are judged one by one
//! ([`Judged::ByRow`]), each carries the watermark of those before it in its own partition
//! ([`Stamp`]), and it does not depend on where batches end either.
//!
//! Windows and sessions are [`Spans`]: what is computed is said by one of two rules, how, by an
//! operator that keeps results up to date or by one that makes them anew.
//!
//! Event times of rows are microseconds, so that a closed window can be given the last instant that
//! lies in it (its end less one microsecond); windows and watermarks are milliseconds.

mod closing;
mod dedup;
mod dedup_recompute;
mod due;
mod emitted;
mod groups;
mod join;
mod late;
mod paced;
mod policy;
mod rule;
mod session;
mod span_aggregate;
mod span_recompute;
mod spans;
mod stamp;
mod stats;
mod time_window;
pub mod watermark;
mod window_aggregate;

pub use dedup::{Dedup, Expiry};
pub use dedup_recompute::DedupRecompute;
pub use emitted::{Emitted, SavedWindow};
pub use join::{Bounds, EventJoin, JoinSpec, Kept, On, PairTime, SavedJoin, Shape};
pub use late::{Late, Sift};
pub use paced::{Paced, Watermark, pace};
pub use policy::{CombineWatermarks, WatermarkPolicy};
pub use rule::{Judged, WatermarkRule};
pub use session::{BySession, Gap, OwnSessions, SessionAggregate, own_session};
pub use span_aggregate::SpanAggregate;
pub use span_recompute::SpanRecompute;
pub use spans::Spans;
pub use stamp::{Stamp, Stamping};
pub use stats::EventTimeStats;
pub use time_window::{TimeWindow, TimeWindows, WindowKey};
pub use watermark::{Heading, PartitionId, PartitionStats, Reading, SavedWatermark, Watermarks};
pub use window_aggregate::{ByWindow, WindowAggregate};

/// Milliseconds as the microseconds that event times are in; the ends of the range stay ends.
///
/// ```
/// use tidegate_operators::event_time::micros;
///
/// assert_eq!(micros(5), 5_000);
/// assert_eq!(micros(i64::MIN), i64::MIN);
/// ```
pub fn micros(ms: i64) -> i64 {
    ms.saturating_mul(1000)
}

/// The first whole millisecond that is not before an event time in microseconds: a row is late, and
/// over, when the watermark has reached that.
///
/// ```
/// use tidegate_operators::event_time::upper_ms;
///
/// assert_eq!((upper_ms(5_000), upper_ms(4_999), upper_ms(-1)), (5, 5, 0));
/// ```
pub fn upper_ms(time_us: i64) -> i64 {
    time_us.saturating_add(999).div_euclid(1000)
}
