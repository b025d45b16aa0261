//! Sessions of users.

use crate::source::generator::Click;
use crate::{DStream, TimeWindow, WatermarkRule};

/// How many clicks each user made in each session: one is over when the watermark says that the user
/// has made none for `gap_ms`. Sessions that are open when the input ends are not given.
///
/// Kept: the open session of each user.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::source::generator::Click;
/// use tidegate::workloads::sessions;
/// use tidegate::{Config, Local};
///
/// let (clicks, over) = (Queue::new(1), Memory::new());
/// let (source, sink) = (clicks.clone(), over.clone());
/// let mut local = Local::start(Config::new("sessions"), move |ctx| {
///     sessions(ctx.source(source.clone()), 30, 0).sink(sink.clone());
/// })?;
/// for times in [vec![10, 20], vec![90], vec![]] {
///     clicks.push(times.into_iter().map(|time_ms| Click { user: 7, page: "/".into(), time_ms }));
///     local.tick();
/// }
/// local.stop()?;
/// let [(user, window, clicks)] = over.rows_of(3)[..] else { panic!("one session is over") };
/// assert_eq!((user, window.start_ms, window.end_ms, clicks), (7, 10, 50, 2));
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn sessions(
    clicks: DStream<'_, Click>,
    gap_ms: i64,
    watermark: impl Into<WatermarkRule>,
) -> DStream<'_, (u64, TimeWindow, i64)> {
    let clicks = clicks.uid("watermark").with_watermark(|click| click.time_ms, watermark);
    let users = clicks.map(|click| (click.user, ())).uid("sessions");
    let counts = users.sessions(move |_, ()| gap_ms).count_by_key().finals();
    counts.map(|(user, (window, clicks))| (user, window, clicks))
}
