//! Question: what does a sliding window cost over an aggregate that can't be subtracted, and does it
//! cost more for a longer window?
//!
//! Expectation: a batch costs at most 1.5 times as much at 600 batches as at 60.
//!
//! Method: the largest value of each key, batches of 10,000 records over 10,000 keys, slide 1;
//! against a loop with a queue for each key in which no value has a larger one behind it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::against::Family;
use crate::bench::Settings;
use crate::bench::data::Keys;
use crate::bench::report::{BenchRow, Report};
use crate::{Max, RunError, Span};

const BENCH: &str = "sliding maximum";
const BATCH: usize = 10_000;
const KEYS: u64 = 10_000;

pub(super) fn run(
    settings: &Settings,
    report: &mut Report,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<(), RunError> {
    let mut medians = Vec::new();
    for length in [60u64, 600] {
        let batches = if settings.quick { length + 50 } else { 2 * length + 400 };
        let records = Keys::uniform(KEYS * 1_000_000, batches * BATCH as u64).keys;
        let dataset = format!("window {length}");
        let family = Family { bench: BENCH, dataset, batch: BATCH, records };
        let row = family.measure(
            settings,
            report,
            progress,
            || Window { length, ..Window::default() },
            Window::slide,
            move |ctx, records, counter| {
                let pairs = records.map(|record| (record % KEYS, record / KEYS));
                let window = pairs.window(Span::batches(length), Span::batches(1));
                counter.count(ctx, window.aggregate_by_key(Max).into_collection().inner);
            },
        )?;
        medians.extend(row.map(|row| row.batch_ms_p50));
    }
    if let [short, long] = medians[..] {
        let question = "a batch at 600 batches, of one at 60, maximum";
        report.at_most(question, Some(long / short), 1.5);
    }
    Ok(())
}

#[derive(Default)]
struct Window {
    length: u64,
    batch: u64,
    /// The values that may yet be a key's largest, largest first, with their batches.
    queues: HashMap<u64, VecDeque<(u64, u64)>>,
    /// The keys of each batch in the window.
    ring: VecDeque<BTreeSet<u64>>,
}

impl Window {
    /// How many rows come and go.
    fn slide(&mut self, batch: &[u64]) -> u64 {
        self.batch += 1;
        let largest = |queues: &HashMap<u64, VecDeque<(u64, u64)>>, key: &u64| {
            queues.get(key).and_then(|queue| queue.front()).map(|(value, _)| *value)
        };
        let keys: BTreeSet<u64> = batch.iter().map(|record| record % KEYS).collect();
        let full = self.ring.len() as u64 == self.length;
        let leaving =
            if full { self.ring.pop_front().unwrap_or_default() } else { BTreeSet::new() };
        let touched: Vec<u64> = keys.union(&leaving).copied().collect();
        let before: Vec<Option<u64>> =
            touched.iter().map(|key| largest(&self.queues, key)).collect();
        for record in batch {
            let (key, value) = (record % KEYS, record / KEYS);
            let queue = self.queues.entry(key).or_default();
            while queue.pop_back_if(|(other, _)| *other <= value).is_some() {}
            queue.push_back((value, self.batch));
        }
        for key in &leaving {
            if let Some(queue) = self.queues.get_mut(key) {
                while queue.pop_front_if(|(_, batch)| *batch + self.length <= self.batch).is_some()
                {
                }
            }
        }
        self.ring.push_back(keys);
        let mut changes = 0;
        for (key, before) in touched.iter().zip(before) {
            let after = largest(&self.queues, key);
            if before != after {
                changes += u64::from(before.is_some()) + u64::from(after.is_some());
            }
        }
        changes
    }
}
