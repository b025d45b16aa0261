//! Clicks: views, users and sessions.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::Trial;
use tidegate::TimeWindow;
use tidegate::source::Generator;
use tidegate::source::generator::Click;
use tidegate::workloads::{clickstream, distinct, sessions};

use super::gate::{assert_stream, assert_table, batches, last};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["workloads";
        clickstream_counts_the_views_of_the_window,
        distinct_counts_each_user_of_the_window_once,
        sessions_are_given_when_the_watermark_has_passed_them,
    ]
}

/// Clicks by many, in a few milliseconds of their own time.
fn clicks() -> Generator<Click> {
    Generator::clicks(2_000, 5, 7)
}

const GAP_MS: i64 = 2;
const DELAY_MS: i64 = 1;

fn clickstream_counts_the_views_of_the_window() {
    assert_table(
        clicks,
        |clicks| clickstream(clicks, batches(3), batches(1)),
        |clicks| {
            let mut views = BTreeMap::new();
            for click in last(clicks, 3) {
                *views.entry((click.user, click.page.clone())).or_default() += 1;
            }
            views.into_iter().collect()
        },
    );
}

fn distinct_counts_each_user_of_the_window_once() {
    assert_table(
        clicks,
        |clicks| distinct(clicks, batches(3), batches(1)),
        |clicks| {
            let mut users: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
            for click in last(clicks, 3) {
                users.entry(click.page.clone()).or_default().insert(click.user);
            }
            users.into_iter().map(|(page, users)| (page, users.len() as i64)).collect()
        },
    );
}

fn sessions_are_given_when_the_watermark_has_passed_them() {
    assert_stream(
        clicks,
        |clicks| sessions(clicks, GAP_MS, DELAY_MS),
        |batches| {
            let mut times: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
            for click in batches.iter().flatten() {
                times.entry(click.user).or_default().push(click.time_ms);
            }
            let mut sessions: Vec<(u64, TimeWindow, i64)> = Vec::new();
            for (user, mut times) in times {
                times.sort();
                for start_ms in times {
                    let end_ms = start_ms + GAP_MS;
                    match sessions.last_mut() {
                        Some((of, window, clicks)) if *of == user && start_ms <= window.end_ms => {
                            window.end_ms = end_ms;
                            *clicks += 1;
                        }
                        _ => sessions.push((user, TimeWindow { start_ms, end_ms }, 1)),
                    }
                }
            }
            let mut watermark = 0;
            let given = batches.iter().map(|batch| {
                let over = |(_, window, _): &mut (u64, TimeWindow, i64)| window.end_ms <= watermark;
                let over = sessions.extract_if(.., over).collect();
                let latest = batch.iter().map(|click| click.time_ms).max().expect("a click");
                watermark = watermark.max(latest - DELAY_MS);
                over
            });
            given.collect()
        },
    );
}
