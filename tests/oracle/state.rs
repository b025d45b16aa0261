//! A user's own state by key: called for every key in every batch, with its values in order.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::{DStream, Update};

use super::check::{STRATEGIES, WORKERS, by_key, config, drive, expectations, same};
use super::input::{Batch, Input, Row};
use super::streams::groups;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::state";
        every_key_is_updated_in_every_batch_with_its_values_in_order,
        a_table_of_states_is_aggregated_as_any_other,
        initial_states_are_there_from_the_first_batch,
    ]
}

/// What a key has gone through: its values, and a dot for each batch without.
type Story = String;

/// Writes on; forgets a key that has had no value for three batches, and one whose last value is 3.
fn write_on(values: &[i64], time_ms: i64, story: Option<Story>) -> Option<Story> {
    let mut story = story.unwrap_or_else(|| format!("@{time_ms}"));
    match values {
        [] => story.push('.'),
        values => values.iter().for_each(|value| story.push_str(&format!(" {value}"))),
    }
    (!story.ends_with("...") && !story.ends_with(" 3")).then_some(story)
}

fn update(update: Update<'_, String, i64>, story: Option<Story>) -> Option<Story> {
    write_on(update.values, update.tick.time_ms, story)
}

/// The states after each batch, from the first on.
fn states(initial: &[(String, Story)], batches: &[Batch]) -> BTreeMap<String, Story> {
    let mut states: BTreeMap<String, Story> = initial.iter().cloned().collect();
    for batch in batches {
        let mut values = groups(batch.rows());
        for key in states.keys() {
            values.entry(key.clone()).or_default();
        }
        states = values
            .into_iter()
            .filter_map(|(key, values)| {
                let story = write_on(&values, batch.time_ms(), states.remove(&key))?;
                Some((key, story))
            })
            .collect();
    }
    states
}

fn every_key_is_updated_in_every_batch_with_its_values_in_order() {
    for (seed, partitions) in [(600, 1), (601, 3)] {
        check(Input::random(seed, 16, partitions), Vec::new());
    }
}

fn initial_states_are_there_from_the_first_batch() {
    let initial = |key: &str| (key.to_owned(), "begun".to_owned());
    let initial = vec![initial("a"), initial("tide"), initial("nobody")];
    check(Input::random(610, 16, 2), initial);
}

fn check(input: Input, initial: Vec<(String, Story)>) {
    let snapshots =
        expectations(&input, |batches| Some(states(&initial, batches).into_iter().collect()));
    let changes = super::check::changes(&snapshots, by_key);
    for strategy in STRATEGIES {
        for workers in WORKERS {
            let (shown, changed) = (Memory::new(), Memory::new());
            let sinks = (shown.clone(), changed.clone());
            let initial = initial.clone();
            drive(&input, config(workers, strategy), move |rows: DStream<'_, Row>| {
                let table = rows.update_state_by_key(initial.clone(), update);
                table.clone().snapshots().sink(sinks.0.clone());
                table.changes().sink(sinks.1.clone());
            });
            let what = format!("{strategy}, {workers} workers");
            same(&input, &format!("snapshots, {what}"), &shown.batches(), &snapshots);
            same(&input, &format!("changes, {what}"), &changed.batches(), &changes);
        }
    }
}

fn a_table_of_states_is_aggregated_as_any_other() {
    let input = Input::random(620, 16, 2);
    let expected = expectations(&input, |batches| {
        let lengths = states(&[], batches).into_values().map(|story| story.len() as u64);
        let longest = lengths.map(|length| (length % 3, length));
        let longest = groups(longest).into_iter();
        Some(longest.map(|(rest, all)| (rest, all.into_iter().max().expect("one"))).collect())
    });
    for strategy in STRATEGIES {
        for workers in WORKERS {
            let output = Memory::new();
            let sink = output.clone();
            drive(&input, config(workers, strategy), move |rows| {
                let stories = rows.update_state_by_key([], update);
                let lengths =
                    stories.map(|(_, story)| (story.len() as u64 % 3, story.len() as u64));
                lengths.aggregate_by_key(tidegate::Max).snapshots().sink(sink.clone());
            });
            let what = format!("{strategy}, {workers} workers");
            same(&input, &what, &output.batches(), &expected);
        }
    }
}
