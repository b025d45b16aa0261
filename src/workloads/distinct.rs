//! How many users look at a page.

use crate::source::generator::Click;
use crate::{DStream, Span, Table};

/// How many different users looked at each page in a sliding window.
///
/// Kept: the users of each page in the window, with how often they looked.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Generator;
/// use tidegate::workloads::distinct;
/// use tidegate::{Config, Span, Trigger};
///
/// let users = Memory::new();
/// let sink = users.clone();
/// let config = Config::new("users").trigger(Trigger::AvailableNow);
/// tidegate::run(config.records_per_partition_max(200), move |ctx| {
///     let clicks = ctx.source(Generator::clicks(10, 1, 7).records(400));
///     distinct(clicks, Span::batches(2), Span::batches(1)).snapshots().sink(sink.clone());
/// })?;
/// assert_eq!(users.rows_of(2), [("/page/0".to_string(), 10)]);
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn distinct(
    clicks: DStream<'_, Click>,
    length: impl Into<Span>,
    slide: impl Into<Span>,
) -> Table<'_, (String, i64)> {
    let views = clicks.map(|click| (click.page, click.user)).uid("views").window(length, slide);
    let users = views.count_by_value().map(|((page, _user), _)| page);
    users.uid("users").count_by_value()
}
