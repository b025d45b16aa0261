//! The Yahoo streaming benchmark: how often the ads of each campaign are seen.

use serde::{Deserialize, Serialize};

use crate::source::generator::{AdActivity, AdEventType};
use crate::{Change, DStream, TimeWindows, WatermarkRule};

/// How often the ads of a campaign were seen in ten seconds: a row of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CampaignViews {
    /// Whose ads.
    pub campaign: String,
    /// When the ten seconds begin.
    pub window_ms: i64,
    /// How often.
    pub views: i64,
}

const LENGTH_MS: i64 = 10_000;

/// Views of the ads of each campaign in each ten seconds of event time, as the Yahoo streaming benchmark
/// computes them (S. Chintapalli et al., *Benchmarking Streaming Computation Engines*, 2016): what is
/// no view is left out, the campaign of each ad is looked up, and what changes goes to a store, batch by
/// batch. A sink with the key `campaign, window_ms` keeps all windows.
///
/// Kept: the counts of the windows that are open; what comes when its window is over is dropped.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Generator;
/// use tidegate::source::generator::{AdActivity, ad_campaigns};
/// use tidegate::workloads::ad_analytics;
/// use tidegate::{Config, Trigger};
///
/// let changes = Memory::new();
/// let sink = changes.clone();
/// tidegate::run(Config::new("ads").trigger(Trigger::AvailableNow), move |ctx| {
///     let events = ctx.source(Generator::ad_activity(100, 7).records(300));
///     ad_analytics(events, ad_campaigns(), 0).sink(sink.clone());
/// })?;
/// let seen: i64 = changes.rows().concat().iter().map(|change| change.row.views).sum();
/// assert!((80..120).contains(&seen), "one event in three is a view: {seen}");
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn ad_analytics(
    events: DStream<'_, AdActivity>,
    campaigns: impl IntoIterator<Item = (String, String)>,
    watermark: impl Into<WatermarkRule>,
) -> DStream<'_, Change<CampaignViews>> {
    let views = events.filter(|event| event.event_type == AdEventType::View);
    let views = views.map(|event| (event.ad_id, event.event_time)).join_static(campaigns).values();
    let views = views.uid("watermark").with_watermark(|(time_ms, _)| *time_ms, watermark);
    let views = views.map(|(_, campaign)| campaign).uid("views");
    views.window(TimeWindows::tumbling(LENGTH_MS)).count_by_value().changes().map(
        |Change { diff, row }| {
            let ((window, campaign), views) = row;
            Change { diff, row: CampaignViews { campaign, window_ms: window.start_ms, views } }
        },
    )
}
