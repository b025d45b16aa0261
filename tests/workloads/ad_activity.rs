//! The Yahoo streaming benchmark.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::Change;
use tidegate::source::Generator;
use tidegate::source::generator::{AdActivity, AdEventType, ad_campaigns};
use tidegate::workloads::{CampaignViews, ad_analytics};

use super::gate::assert_stream;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["workloads"; ad_analytics_counts_the_views_of_each_campaign_and_window]
}

/// What users do in three minutes.
fn activity() -> Generator<AdActivity> {
    Generator::ad_activity(20, 7)
}

fn ad_analytics_counts_the_views_of_each_campaign_and_window() {
    assert_stream(
        activity,
        |events| ad_analytics(events, ad_campaigns(), 0),
        |batches| {
            let campaigns: BTreeMap<String, String> = ad_campaigns().collect();
            let mut counts: BTreeMap<(String, i64), i64> = BTreeMap::new();
            let changes = batches.iter().map(|batch| {
                let before = counts.clone();
                for event in batch.iter().filter(|event| event.event_type == AdEventType::View) {
                    let window_ms = event.event_time / 10_000 * 10_000;
                    let campaign = campaigns[&event.ad_id].clone();
                    *counts.entry((campaign, window_ms)).or_default() += 1;
                }
                let rows = |counts: &BTreeMap<(String, i64), i64>, diff| {
                    let row = |((campaign, window_ms), views): (&(String, i64), &i64)| Change {
                        diff,
                        row: CampaignViews {
                            campaign: campaign.clone(),
                            window_ms: *window_ms,
                            views: *views,
                        },
                    };
                    counts.iter().map(row).collect::<Vec<_>>()
                };
                let (mut gone, mut come) = (rows(&before, -1), rows(&counts, 1));
                gone.retain(|change| counts[&key(change)] != change.row.views);
                come.retain(|change| before.get(&key(change)) != Some(&change.row.views));
                [gone, come].concat()
            });
            changes.collect()
        },
    );
}

fn key(change: &Change<CampaignViews>) -> (String, i64) {
    (change.row.campaign.clone(), change.row.window_ms)
}
