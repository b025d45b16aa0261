//! Which ads are clicked at.

use crate::source::generator::AdEvent;
use crate::{DStream, Span, Table};

/// How often each ad was clicked at, of impressions and clicks that are both in a sliding window.
///
/// Kept: the impressions and clicks of the window.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::source::generator::AdEvent::{Click, Impression};
/// use tidegate::workloads::windowed_join;
/// use tidegate::{Config, Local, Span};
///
/// let (events, clicked) = (Queue::new(1), Memory::new());
/// let (source, sink) = (events.clone(), clicked.clone());
/// let mut local = Local::start(Config::new("ads"), move |ctx| {
///     let clicks = windowed_join(ctx.source(source.clone()), Span::batches(2), Span::batches(1));
///     clicks.snapshots().sink(sink.clone());
/// })?;
/// events.push([Impression { impression: 1, ad: 50 }]);
/// local.tick();
/// events.push([Click { impression: 1 }, Click { impression: 9 }]);
/// local.tick();
/// local.tick();
/// local.stop()?;
/// assert_eq!(clicked.rows(), [vec![], vec![(50, 1)], vec![]]);
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn windowed_join(
    events: DStream<'_, AdEvent>,
    length: impl Into<Span>,
    slide: impl Into<Span>,
) -> Table<'_, (u64, i64)> {
    let (length, slide) = (length.into(), slide.into());
    let shown = events.clone().flat_map(|event| match event {
        AdEvent::Impression { impression, ad } => Some((impression, ad)),
        AdEvent::Click { .. } => None,
    });
    let clicks = events.flat_map(|event| match event {
        AdEvent::Impression { .. } => None,
        AdEvent::Click { impression } => Some((impression, ())),
    });
    let shown = shown.uid("impressions").window(length, slide).table();
    let clicks = clicks.uid("clicks").window(length, slide).table();
    shown.join(clicks).map(|(_, (ad, ()))| ad).uid("ads").count_by_value()
}
