//! A user's own state by key: called for every key in every batch, with its values in order.

use std::collections::BTreeMap;
use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::operators::ship::key_group;
use tidegate::operators::stable_hash;
use tidegate::sink::Memory;
use tidegate::{DStream, Span, State, StateSpec, Update, Visit};

use super::check::{
    STRATEGIES, WORKERS, by_key, config, drive, expectations, inside, same, stream,
};
use super::input::{Batch, Input, Row};
use super::streams::groups;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::state";
        every_key_is_updated_in_every_batch_with_its_values_in_order,
        a_table_of_states_is_aggregated_as_any_other,
        initial_states_are_there_from_the_first_batch,
        a_state_is_visited_for_each_record_in_order_and_once_when_it_times_out,
        a_state_behind_a_sliding_window_times_out_where_the_window_slides,
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

/// Writes a key's story on and shows it; forgets it at the value 3, and leaves it alone at 0.
fn visit(visit: Visit<'_, String, i64>, story: &mut State<Story>) -> Vec<(String, Story)> {
    let before = story.get().cloned().unwrap_or_else(|| format!("@{}", visit.tick.time_ms));
    let shown = |story: String| vec![(visit.key.clone(), story)];
    match visit.value {
        None => shown(format!("{before} gone")),
        Some(0) => Vec::new(),
        Some(3) => {
            story.remove();
            shown(format!("{before} forgotten"))
        }
        Some(value) => {
            story.update(format!("{before} {value}"));
            shown(before)
        }
    }
}

type Held = BTreeMap<String, (Story, i64)>;

/// Looks at all states in every batch: what is emitted in the last one, and what is held.
fn visits(
    initial: &[(String, Story)],
    timeout_ms: Option<i64>,
    batches: &[(i64, Vec<Row>)],
) -> (Vec<(String, Story)>, Held) {
    let begun = batches.first().map_or(0, |(time_ms, _)| *time_ms);
    let mut held: Held =
        initial.iter().map(|(key, story)| (key.clone(), (story.clone(), begun))).collect();
    let mut emitted = Vec::new();
    for (time_ms, rows) in batches {
        let tick = tidegate::Tick { time_ms: *time_ms, ..Default::default() };
        emitted.clear();
        for (key, value) in rows {
            let mut state = State::of(held.remove(key).map(|(story, _)| story));
            emitted.extend(visit(Visit { key, value: Some(*value), tick }, &mut state));
            held.extend(state.get().map(|story| (key.clone(), (story.clone(), *time_ms))));
        }
        held.retain(|key, (story, touched)| {
            let stays = timeout_ms.is_none_or(|timeout| *touched >= time_ms - timeout);
            if !stays {
                let mut state = State::timing_out(story.clone());
                emitted.extend(visit(Visit { key, value: None, tick }, &mut state));
            }
            stays
        });
    }
    emitted.sort_by_key(|(key, _)| (key_group(stable_hash(key)), key.clone()));
    // The order of the keyed partitions to which the groups are dealt.
    emitted.sort_by_key(|(key, _)| key_group(stable_hash(key)) % 16);
    (emitted, held)
}

fn a_state_is_visited_for_each_record_in_order_and_once_when_it_times_out() {
    let begun = |key: &str| (key.to_owned(), "begun".to_owned());
    for (seed, partitions, timeout_ms) in [(630, 1, None), (631, 3, Some(0)), (632, 2, Some(3000))]
    {
        let input = Input::random(seed, 20, partitions);
        let initial = vec![begun("a"), begun("nobody")];
        let spec = StateSpec::new().initial(initial.clone());
        let spec = match timeout_ms {
            Some(ms) => spec.timeout(Duration::from_millis(ms)),
            None => spec,
        };
        let timeout_ms = timeout_ms.map(|ms| ms as i64);
        let model = |batches: &[Batch]| {
            let batches: Vec<_> = batches.iter().map(|b| (b.time_ms(), b.rows())).collect();
            visits(&initial, timeout_ms, &batches)
        };
        let emitted = expectations(&input, |batches| Some(model(batches).0));
        let snapshots = expectations(&input, |batches| {
            let held = model(batches).1.into_iter();
            Some(held.map(|(key, (story, _))| (key, story)).collect())
        });
        let changes = super::check::changes(&snapshots, by_key);
        for strategy in STRATEGIES {
            for workers in WORKERS {
                let (given, shown, changed) = (Memory::new(), Memory::new(), Memory::new());
                let sinks = (given.clone(), shown.clone(), changed.clone());
                let spec = spec.clone();
                drive(&input, config(workers, strategy), move |rows: DStream<'_, Row>| {
                    let stories = rows.map_with_state(spec.clone(), visit);
                    stories.emitted().sink(sinks.0.clone());
                    stories.states().snapshots().sink(sinks.1.clone());
                    stories.states().changes().sink(sinks.2.clone());
                });
                let what = format!("{strategy}, {workers} workers");
                same(&input, &format!("emitted, {what}"), &given.batches(), &emitted);
                same(&input, &format!("snapshots, {what}"), &shown.batches(), &snapshots);
                same(&input, &format!("changes, {what}"), &changed.batches(), &changes);
            }
        }
    }
}

fn a_state_behind_a_sliding_window_times_out_where_the_window_slides() {
    let window = Some((2, 3));
    stream(
        640,
        |rows| {
            let last = rows.window(Span::batches(2), Span::batches(3)).snapshots();
            let spec = StateSpec::new().timeout(Duration::from_secs(4));
            last.map_with_state(spec, visit).emitted()
        },
        |batches| {
            batches.last().filter(|last| last.has_output(3))?;
            let slides = (1..=batches.len()).map(|count| &batches[..count]);
            let slides = slides.filter(|batches| batches.last().is_some_and(|b| b.has_output(3)));
            let slides: Vec<_> = slides
                .map(|batches| {
                    let last = batches.last().expect("one");
                    // A window's rows are in the order of partitions first.
                    let rows = (0..last.partitions.len()).flat_map(|partition| {
                        let parts = inside(batches, window).map(move |b| &b.partitions[partition]);
                        parts.flatten().cloned()
                    });
                    (last.time_ms(), rows.collect())
                })
                .collect();
            Some(visits(&[], Some(4000), &slides).0)
        },
    );
}
