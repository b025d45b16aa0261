//! The workloads by their names.

use std::sync::LazyLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::ad_activity::AdActivityWorkload;
use super::ads::AdWorkload;
use super::build::Build;
use super::clicks::ClickWorkload;
use super::graphs::GraphWorkload;
use super::lines::LineWorkload;
use super::models::ModelWorkload;
use super::nexmark::NexmarkQuery;

/// A workload, by what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    Lines(LineWorkload),
    Clicks(ClickWorkload),
    Ads(AdWorkload),
    AdActivity(AdActivityWorkload),
    Graphs(GraphWorkload),
    Models(ModelWorkload),
    Nexmark(NexmarkQuery),
}

/// All of a family.
fn family<F: ValueEnum + 'static>(workload: fn(F) -> Workload) -> impl Iterator<Item = Workload> {
    F::value_variants().iter().cloned().map(workload)
}

static WORKLOADS: LazyLock<Vec<Workload>> = LazyLock::new(|| {
    let all = family(Workload::Lines).chain(family(Workload::Clicks)).chain(family(Workload::Ads));
    let all = all.chain(family(Workload::AdActivity)).chain(family(Workload::Graphs));
    let all = all.chain(family(Workload::Models));
    all.chain(family(Workload::Nexmark)).collect()
});

impl ValueEnum for Workload {
    fn value_variants<'a>() -> &'a [Self] {
        &WORKLOADS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Workload::Lines(workload) => workload.to_possible_value(),
            Workload::Clicks(workload) => workload.to_possible_value(),
            Workload::Ads(workload) => workload.to_possible_value(),
            Workload::AdActivity(workload) => workload.to_possible_value(),
            Workload::Graphs(workload) => workload.to_possible_value(),
            Workload::Models(workload) => workload.to_possible_value(),
            // They have a list of their own, at the end of the help.
            Workload::Nexmark(query) => query.to_possible_value().map(|value| value.hide(true)),
        }
    }
}

impl Workload {
    /// As it is written on a command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }

    /// Builds its dataflow.
    pub(super) fn build(self, build: &Build<'_, '_>) {
        match self {
            Workload::Lines(workload) => workload.build(build),
            Workload::Clicks(workload) => workload.build(build),
            Workload::Ads(workload) => workload.build(build),
            Workload::AdActivity(workload) => workload.build(build),
            Workload::Graphs(workload) => workload.build(build),
            Workload::Models(workload) => workload.build(build),
            Workload::Nexmark(query) => query.build(build),
        }
    }
}
