//! Ads, and clicks at them.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::source::Generator;
use tidegate::source::generator::AdEvent;
use tidegate::workloads::windowed_join;

use super::gate::{assert_table, batches, last};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["workloads"; windowed_join_counts_clicks_at_what_is_in_the_window]
}

fn ads() -> Generator<AdEvent> {
    Generator::ads(20, 7)
}

fn windowed_join_counts_clicks_at_what_is_in_the_window() {
    assert_table(
        ads,
        |events| windowed_join(events, batches(2), batches(1)),
        |events| {
            let mut shown = BTreeMap::new();
            for event in last(events, 2) {
                if let AdEvent::Impression { impression, ad } = event {
                    shown.insert(*impression, *ad);
                }
            }
            let mut clicks = BTreeMap::new();
            for event in last(events, 2) {
                if let AdEvent::Click { impression } = event
                    && let Some(ad) = shown.get(impression)
                {
                    *clicks.entry(*ad).or_default() += 1;
                }
            }
            clicks.into_iter().collect()
        },
    );
}
