//! The workloads by their names.

use std::ffi::OsStr;
use std::sync::LazyLock;

use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, ValueEnum};

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

/// Understands the name of a workload. Where there is none of that name, the list of those that there
/// are ends with Nexmark's, in short.
#[derive(Clone)]
pub struct WorkloadParser(EnumValueParser<Workload>);

/// For arguments that are workloads.
pub fn workload() -> WorkloadParser {
    WorkloadParser(EnumValueParser::new())
}

impl TypedValueParser for WorkloadParser {
    type Value = Workload;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        text: &OsStr,
    ) -> Result<Workload, clap::Error> {
        self.0.parse_ref(command, argument, text).map_err(|mut error| {
            if let Some(ContextValue::Strings(shown)) = error.get(ContextKind::ValidValue) {
                let mut shown = shown.clone();
                let queries = [NexmarkQuery::Q0, NexmarkQuery::Q22];
                let [first, last] = queries.map(|query| Workload::Nexmark(query).name());
                shown.extend([first, "...".to_owned(), last]);
                error.insert(ContextKind::ValidValue, ContextValue::Strings(shown));
            }
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
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
