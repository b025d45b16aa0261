//! Workloads on what users do with ads.

use clap::ValueEnum;
use tidegate::source::generator::{AdActivity, ad_campaigns};
use tidegate::workloads::ad_analytics;

use super::build::Build;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdActivityWorkload {
    /// How often the ads of each campaign were seen in each ten seconds, by the times of the events:
    /// the Yahoo streaming benchmark (its events as JSON). Gives changes
    AdAnalytics,
}

impl AdActivityWorkload {
    pub(super) fn build(self, build: &Build<'_, '_>) {
        let (events, delay_ms) = (build.read::<AdActivity>(), build.delay_ms());
        match self {
            AdActivityWorkload::AdAnalytics => {
                build.write_changes(ad_analytics(events, ad_campaigns(), delay_ms));
            }
        }
    }
}
