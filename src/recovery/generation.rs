//! Generations: each start of a job is one, claimed before anything else is done.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::store::Store;
use crate::error::RecoveryError;
use crate::fault::{self, Point};

/// Who runs.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    generation: u64,
    job: String,
    workers: usize,
    process: u32,
    /// Two starts never say the same.
    #[serde(default)]
    start: u64,
}

/// Where the plan logs of the generations before end: the length in bytes of each.
pub(super) type Cut = BTreeMap<String, u64>;

/// Claims the next generation.
pub(super) fn claim(store: &Store, job: &str, workers: usize) -> Result<u64, RecoveryError> {
    let known = [generations(store, "claim")?, generations(store, "cut")?].concat();
    let mut generation = known.into_iter().max().map_or(1, |last| last + 1);
    let start = getrandom::u64().map_err(|e| store.failed("gen")(io::Error::other(e)))?;
    loop {
        let (job, process) = (job.to_owned(), std::process::id());
        let claim = Claim { generation, job, workers, process, start };
        let name = format!("gen/{generation:010}.claim");
        if store.create(&name, &json(&claim))? {
            fault::at(Point::Claimed).map_err(store.failed(&name))?;
            return Ok(generation);
        }
        generation += 1;
    }
}

/// Says for good where the plan logs of earlier generations end: what is appended to them later is
/// never read. Only who is still the last to have begun may go on then.
pub(super) fn cut(store: &Store, generation: u64, cut: &Cut) -> Result<(), RecoveryError> {
    let name = cut_name(generation);
    match store.create(&name, &json(cut))? {
        true => {
            is_ours(store, generation)?;
            fault::at(Point::Cut).map_err(store.failed(&name))
        }
        false => Err(store.damaged(&name, "it is there before its generation has begun")),
    }
}

/// Where the logs end that some generation has cut off, and the newest that has done so.
pub(super) fn all_cuts(store: &Store) -> Result<(Cut, Option<u64>), RecoveryError> {
    let (mut all, mut newest) = (Cut::new(), None);
    for generation in generations(store, "cut")? {
        for (log, length) in read_cut(store, generation)? {
            // Logs only grow: the first word is the shortest, be it of a generation that was overtaken
            // before it could say so.
            let known = all.entry(log).or_insert(length);
            *known = length.min(*known);
        }
        newest = Some(generation);
    }
    Ok((all, newest))
}

/// What a generation has said of the logs before it.
pub(super) fn read_cut(store: &Store, generation: u64) -> Result<Cut, RecoveryError> {
    let name = cut_name(generation);
    serde_json::from_slice(&store.read(&name)?)
        .map_err(|error| store.damaged(&name, error.to_string()))
}

/// Copies the claim of the newest generation, so that the next one here has a higher number.
pub(super) fn copy_newest(from: &Store, to: &Store) -> Result<(), RecoveryError> {
    let Some(newest) = generations(from, "claim")?.pop() else { return Ok(()) };
    let name = format!("gen/{newest:010}.claim");
    to.create(&name, &from.read(&name)?).map(drop)
}

/// Whether a generation has been claimed and cut here.
pub(super) fn is_known(store: &Store, generation: u64) -> Result<bool, RecoveryError> {
    Ok(generations(store, "cut")?.contains(&generation))
}

/// That no later start of the job has taken over.
pub(super) fn is_ours(store: &Store, generation: u64) -> Result<(), RecoveryError> {
    match generations(store, "claim")?.pop() {
        Some(newest) if newest > generation => Err(store.taken_over(generation, newest)),
        _ => Ok(()),
    }
}

fn cut_name(generation: u64) -> String {
    format!("gen/{generation:010}.cut")
}

fn generations(store: &Store, kind: &str) -> Result<Vec<u64>, RecoveryError> {
    let names = store.list("gen")?;
    let numbers = names.iter().filter_map(|name| {
        let (number, suffix) = name.split_once('.')?;
        number.parse().ok().filter(|_| suffix == kind)
    });
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What is small and read by people, too.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("plain data has a JSON form")
}
