//! Question: what do distinct rows and the largest values of a table cost?
//!
//! Method: a running table of records. Distinct rows against a loop with a hash set; the three
//! largest of the records with the same remainder, of a thousand, against a loop with an ordered
//! map for each group that looks at touched groups.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::against::Family;
use crate::RunError;
use crate::bench::Settings;
use crate::bench::data::Keys;
use crate::bench::report::{BenchRow, Report};

const GROUPS: u64 = 1000;
const LARGEST: usize = 3;

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let records = if settings.quick { 300_000 } else { 3_000_000 };
    let keys = Keys::uniform(1_000_000, records);
    let family = |bench| Family {
        bench,
        dataset: keys.name.clone(),
        batch: 100_000,
        records: keys.keys.clone(),
    };
    family("distinct").measure(
        settings,
        report,
        progress,
        HashSet::new,
        |seen: &mut HashSet<u64>, batch| {
            batch.iter().filter(|key| seen.insert(**key)).count() as u64
        },
        |ctx, records, counter| {
            counter.count(ctx, records.running().table().distinct().into_collection().inner);
        },
    )?;
    family("top 3").measure(
        settings,
        report,
        progress,
        HashMap::new,
        largest,
        |ctx, records, counter| {
            let groups = records.map(|record| (record % GROUPS, record));
            counter.count(ctx, groups.running().table().top_k(LARGEST).into_collection().inner);
        },
    )?;
    Ok(())
}

type Groups = HashMap<u64, BTreeMap<u64, usize>>;

/// How many of the largest values of each group come and go.
fn largest(groups: &mut Groups, batch: &[u64]) -> u64 {
    let top = |values: &BTreeMap<u64, usize>| -> Vec<u64> {
        let each =
            values.iter().rev().flat_map(|(value, times)| std::iter::repeat_n(*value, *times));
        each.take(LARGEST).collect()
    };
    let touched: BTreeSet<u64> = batch.iter().map(|record| record % GROUPS).collect();
    let before: Vec<Vec<u64>> =
        touched.iter().map(|group| top(groups.entry(*group).or_default())).collect();
    for record in batch {
        *groups.entry(record % GROUPS).or_default().entry(*record).or_default() += 1;
    }
    let mut changes = 0;
    for (group, before) in touched.iter().zip(before) {
        let mut left = before.clone();
        for value in top(&groups[group]) {
            match left.iter().position(|other| *other == value) {
                Some(place) => drop(left.swap_remove(place)),
                None => changes += 1,
            }
        }
        changes += left.len() as u64;
    }
    changes
}
