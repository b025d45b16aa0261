//! What a batch may take, as it travels with the tick.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_operators::Tick;

use crate::plan::SourceCut;

/// A tick, with what its batch may take of each source, by the source's number; of a source that is
/// not listed, anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LimitedTick {
    pub(crate) tick: Tick,
    pub(crate) limits: Vec<Limits>,
    /// Whether the state through this batch is saved.
    pub(crate) is_checkpoint: bool,
    /// Whether the batch was planned by an earlier run: it takes as many records as it did then,
    /// neither more nor fewer.
    pub(crate) is_replayed: bool,
    /// Whether its records are dead letters, all of them: no start could get through it.
    pub(crate) is_set_aside: bool,
}

/// The most records that a batch takes of each partition of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Of any partition.
    every: Option<u64>,
    by_partition: BTreeMap<u32, u64>,
    /// Of a partition that worker 0 had not heard of.
    unlisted: Option<u64>,
}

impl Limits {
    /// The same for every partition.
    pub(crate) fn every(records: Option<u64>) -> Self {
        Limits { every: records, ..Limits::default() }
    }

    /// One for each partition, and one for those that are not listed.
    pub(crate) fn by_partition(records: BTreeMap<u32, u64>, unlisted: u64) -> Self {
        Limits { every: None, by_partition: records, unlisted: Some(unlisted) }
    }

    /// What a planned batch takes of a source's partitions.
    pub(crate) fn planned(cut: &SourceCut) -> Self {
        let records = cut.partitions.iter().map(|p| (p.partition, p.rows + p.dead));
        Limits::by_partition(records.collect(), 0)
    }

    /// These limits, and no more than `records` of any partition.
    pub(crate) fn and(mut self, records: Option<u64>) -> Self {
        self.every = least(self.every, records);
        self
    }

    /// The most records of a partition.
    pub(crate) fn of(&self, partition: u32) -> Option<u64> {
        least(self.every, self.by_partition.get(&partition).copied().or(self.unlisted))
    }

    /// As many records as may be taken of whatever partition.
    pub(crate) fn of_any(&self) -> Option<u64> {
        let listed = self.by_partition.values().copied().min();
        least(self.every, least(listed, self.unlisted))
    }
}

fn least(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_counts() {
        assert_eq!(Limits::default().of(3), None);
        assert_eq!(Limits::every(Some(7)).of(3), Some(7));
        let limits = Limits::by_partition(BTreeMap::from([(0, 9), (1, 2)]), 1);
        assert_eq!([0, 1, 2].map(|partition| limits.of(partition)), [Some(9), Some(2), Some(1)]);
        let limits = limits.and(Some(5));
        assert_eq!([0, 1, 2].map(|partition| limits.of(partition)), [Some(5), Some(2), Some(1)]);
        assert_eq!(limits.of_any(), Some(1));
    }
}
