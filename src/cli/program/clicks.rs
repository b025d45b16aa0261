//! Workloads on clicks.

use clap::ValueEnum;
use tidegate::source::generator::Click;
use tidegate::workloads::{PageViews, clickstream, distinct, sessions};

use super::build::{Build, millis};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClickWorkload {
    /// How often each user looked at each page in a sliding window (clicks as JSON)
    Clickstream,
    /// How many different users looked at each page in a sliding window (clicks)
    Distinct,
    /// How many clicks each user made in each session, by the times of the clicks (clicks)
    Sessions,
}

impl ClickWorkload {
    pub(super) fn build(self, build: &Build<'_, '_>) {
        let (clicks, (window, slide)) = (build.read::<Click>(), build.window());
        match self {
            ClickWorkload::Clickstream => {
                let views = clickstream(clicks, window, slide);
                build.write_table::<PageViews>(views, |((user, page), count)| {
                    format!("{user} {page} {count}")
                });
            }
            ClickWorkload::Distinct => {
                let users = distinct(clicks, window, slide);
                build.write_table(users, |(page, users)| format!("{page} {users}"));
            }
            ClickWorkload::Sessions => {
                let (gap_ms, delay_ms) = (millis(build.flags().gap), build.delay_ms());
                build.write_stream(sessions(clicks, gap_ms, delay_ms), |(user, window, clicks)| {
                    format!("{user} {}..{} {clicks}", window.start_ms, window.end_ms)
                });
            }
        }
    }
}
