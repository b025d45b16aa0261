//! Workloads on ads.

use clap::ValueEnum;
use tidegate::source::generator::AdEvent;
use tidegate::workloads::windowed_join;

use super::build::Build;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdWorkload {
    /// How often each ad was clicked at, where impression and click are both in a sliding window
    /// (ad events as JSON)
    WindowedJoin,
}

impl AdWorkload {
    pub(super) fn build(self, build: &Build<'_, '_>) {
        let (events, (window, slide)) = (build.read::<AdEvent>(), build.window());
        match self {
            AdWorkload::WindowedJoin => {
                let clicks = windowed_join(events, window, slide);
                build.write_table(clicks, |(ad, clicks)| format!("{ad} {clicks}"));
            }
        }
    }
}
