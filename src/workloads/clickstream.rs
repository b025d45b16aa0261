//! Who looks at which page how often.

use crate::source::generator::Click;
use crate::{DStream, Span, Table};

/// A user, a page, and how often the one looked at the other.
pub type PageViews = ((u64, String), i64);

/// How often each user looked at each page in a sliding window.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Generator;
/// use tidegate::workloads::clickstream;
/// use tidegate::{Config, Span, Trigger};
///
/// let views = Memory::new();
/// let sink = views.clone();
/// let config = Config::new("clicks").trigger(Trigger::AvailableNow);
/// tidegate::run(config.records_per_partition_max(100), move |ctx| {
///     let clicks = ctx.source(Generator::clicks(10, 3, 7).records(300));
///     let views = clickstream(clicks, Span::batches(2), Span::batches(1));
///     views.snapshots().sink(sink.clone());
/// })?;
/// let last: i64 = views.rows_of(3).iter().map(|(_who_and_what, count)| count).sum();
/// assert_eq!(last, 200);
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn clickstream(
    clicks: DStream<'_, Click>,
    length: impl Into<Span>,
    slide: impl Into<Span>,
) -> Table<'_, PageViews> {
    clicks.map(|click| (click.user, click.page)).uid("views").window(length, slide).count_by_value()
}
