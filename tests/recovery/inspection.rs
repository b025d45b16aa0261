//! What is saved, as `tidegate checkpoint` and its neighbours show it; and what a start refuses.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate::recovery::Checkpoints;
use tidegate::sink::Null;
use tidegate::source::Generator;
use tidegate::{Config, Record, RunError, Trigger, check_restore, verify_replay};

use super::damage::files;
use crate::support::process::{Ended, tidegate};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["recovery::inspection";
        checkpoints_are_listed_and_shown_with_their_contents,
        the_difference_of_two_checkpoints_is_what_came_and_went_between_them,
        every_flipped_bit_is_found_by_verify,
        whether_a_job_can_be_started_is_said_without_starting_it,
        operators_that_are_gone_are_forgotten_if_asked,
        checkpoints_where_a_file_is_are_refused_before_anything_starts,
        a_type_that_has_changed_is_told_by_its_fields,
        what_does_not_give_the_same_again_is_found_by_running_it_again,
        a_savepoint_is_a_checkpoint_of_its_own,
        checkpoints_of_an_earlier_version_can_be_read,
    ]
}

const JOB: &str = "wordcount --source file:lines --trigger available-now \
                   --records-per-partition 10 --output changes --checkpoint state \
                   --checkpoint-every 0s --sink jsonl:out";

fn place(lines: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("lines"), lines).expect("written");
    place
}

/// Forty lines of two words each: four batches.
fn lines() -> String {
    (0..40).map(|n| format!("w{} v{}\n", n % 7, n % 11)).collect()
}

fn counts(lines: &str) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    lines.split_whitespace().for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
    counts
}

fn run(command: &str, place: &Path) -> Ended {
    tidegate(command).within(place).run()
}

/// The words and counts in what `checkpoint show --json` says.
fn shown(text: &str) -> BTreeMap<String, i64> {
    let rows = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let row = &line["row"];
        // A key, and what is held for it: how often it is there.
        let count = row[1][0].as_i64().expect("a count");
        (row[0].as_str().expect("a word").to_owned(), count)
    });
    rows.collect()
}

fn checkpoints_are_listed_and_shown_with_their_contents() {
    let text = lines();
    let place = place(&text);
    run("checkpoint ls state", place.path()).failed(2, &["`state` has no checkpoints"]);
    run(&format!("run {JOB}"), place.path()).well();
    let listed = run("checkpoint ls state", place.path()).well().stdout;
    assert!(listed.contains("a restart begins behind batch 4, and runs nothing again"), "{listed}");
    assert_eq!(
        listed.lines().count(),
        6,
        "a title, three checkpoints, what a restart does: {listed}"
    );

    let newest = run("checkpoint show state --json", place.path()).well().stdout;
    assert_eq!(shown(&newest), counts(&text));
    let older = run("checkpoint show state --at 2 --json", place.path()).well().stdout;
    let half: String = text.lines().take(20).map(|line| format!("{line}\n")).collect();
    assert_eq!(shown(&older), counts(&half));

    let people = run("checkpoint show state --rows 3", place.path()).well().stdout;
    for part in ["checkpoint of batch 4", "lines", "words", "rows saved", "... and 15 more"] {
        assert!(people.contains(part), "no `{part}` in:\n{people}");
    }
    run("checkpoint show state --at 1", place.path()).failed(2, &["no checkpoint of batch 1"]);
    run("checkpoint show state --operator x", place.path())
        .failed(2, &["no operator `x`", "`words`"]);
}

fn the_difference_of_two_checkpoints_is_what_came_and_went_between_them() {
    let place = place(&lines());
    run(&format!("run {JOB}"), place.path()).well();
    let text = run("checkpoint diff state 2", place.path()).well();
    assert!(text.stderr.contains("from batch 2 to batch 4"), "{}", text.stderr);
    let mut counts = shown(&run("checkpoint show state --at 2 --json", place.path()).well().stdout);
    let later = shown(&run("checkpoint show state --json", place.path()).well().stdout);
    for line in text.stdout.lines() {
        let (sign, row) = line.split_once(" words ").expect("a sign, an operator, a row");
        let row: Value = serde_json::from_str(row).expect("JSON");
        let (word, count) =
            (row[0].as_str().expect("a word"), row[1][0].as_i64().expect("a count"));
        match sign {
            "-" => assert_eq!(counts.remove(word), Some(count)),
            _ => assert_eq!(counts.insert(word.to_owned(), count), None),
        }
    }
    assert_eq!(counts, later);
}

fn every_flipped_bit_is_found_by_verify() {
    let place = place(&lines());
    run(&format!("run {JOB}"), place.path()).well();
    let well = run("checkpoint verify state", place.path()).well().stdout;
    assert_eq!(well.matches("well: ").count(), 4, "{well}");
    let saved: Vec<_> = ["state", "ckpt", "plan"]
        .iter()
        .flat_map(|part| files(&place.path().join("state").join(part)))
        .collect();
    for (number, path) in saved.iter().enumerate() {
        let whole = fs::read(path).expect("read");
        let mut bytes = whole.clone();
        let at = number * 37 % bytes.len();
        bytes[at] ^= 4;
        fs::write(path, bytes).expect("written");
        let ended = run("checkpoint verify state", place.path());
        let is_plan = path.parent().is_some_and(|parent| parent.ends_with("plan"));
        // A plan log ends where it is torn: what is gone from it is seen by the cut of the next
        // start, not before.
        if !is_plan {
            ended.failed(1, &["1 found to be damaged"]);
        }
        fs::write(path, whole).expect("written");
    }
}

fn whether_a_job_can_be_started_is_said_without_starting_it() {
    let place = place(&lines());
    run(&format!("check-restore {JOB}"), place.path()).failed(2, &["has no checkpoints"]);
    run(&format!("run {JOB}"), place.path()).well();
    let before = files(place.path());
    let found = run(&format!("check-restore {JOB}"), place.path()).well().stdout;
    for part in ["the state is that of batch 4", "words", "rows saved", "0 batches"] {
        assert!(found.contains(part), "no `{part}` in:\n{found}");
    }
    let other = JOB.replace("wordcount", "windowed-wordcount --window 3s");
    let gone = ["state of operator `words`", "does not have", "--drop-state words"];
    run(&format!("check-restore {other}"), place.path()).failed(2, &gone);
    let known = run(&format!("check-restore {other} --drop-state words"), place.path()).well();
    assert!(known.stdout.contains("begins empty"), "{}", known.stdout);
    assert_eq!(files(place.path()), before, "nothing was written");
    let plain = JOB.replace("--checkpoint state --checkpoint-every 0s", "");
    run(&format!("check-restore {plain}"), place.path()).failed(2, &["say where they lie"]);
}

fn operators_that_are_gone_are_forgotten_if_asked() {
    let place = place(&lines());
    run(&format!("run {JOB}"), place.path()).well();
    fs::write(place.path().join("lines"), format!("{}x y\n", lines())).expect("written");
    let other = JOB.replace("wordcount", "windowed-wordcount --window 3s");
    let gone = ["state of operator `words`", "--drop-state words"];
    run(&format!("run {other}"), place.path()).failed(2, &gone);
    let mistaken = format!("run {other} --drop-state words --drop-state word");
    let ended = run(&mistaken, place.path()).well();
    let told = "nothing is saved of the operator `word`; saved are: `words`";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    // Only what came since is in the window.
    let saved = run("checkpoint show state", place.path()).well().stdout;
    assert!(!saved.contains("  words "), "{saved}");
}

fn checkpoints_where_a_file_is_are_refused_before_anything_starts() {
    let place = place(&lines());
    for directory in ["lines", "lines/state"] {
        let job = JOB.replace("--checkpoint state", &format!("--checkpoint {directory}"));
        let refused = [&*format!("in `{directory}`"), "give a directory"];
        run(&format!("run {job}"), place.path()).failed(2, &refused);
    }
    run("checkpoint ls lines", place.path()).failed(2, &["in `lines`", "give a directory"]);
}

mod before {
    use super::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    pub struct Cart {
        pub items: u64,
        pub total: i64,
    }
}

mod after {
    use super::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    pub struct Cart {
        pub items: u64,
        pub coupon: Option<String>,
    }
}

fn config(place: &Path) -> Config {
    let checkpoints = Checkpoints::at(place.join("state")).every(Duration::ZERO);
    Config::new("carts")
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(100)
        .checkpoints(checkpoints)
}

/// Keeps a state for each key, which `step` takes from one value to the next.
fn keep<S: Record>(
    records: u64,
    step: impl Fn(Option<S>, u64) -> S + Clone + Send + Sync + 'static,
) -> impl Fn(tidegate::Context<'_>) + Clone + Send + Sync + 'static {
    move |ctx| {
        let step = step.clone();
        let keys = ctx.source(Generator::new("keys", 1, |_, n| (n % 10, n)).records(records));
        keys.update_state_by_key([], move |update, state| {
            update.values.iter().fold(state, |state, n| Some(step(state, *n)))
        })
        .snapshots()
        .sink(Null::default());
    }
}

fn a_type_that_has_changed_is_told_by_its_fields() {
    let place = tempfile::tempdir().expect("a directory");
    let old = |cart: Option<before::Cart>, n: u64| {
        let before::Cart { items, total } = cart.unwrap_or(before::Cart { items: 0, total: 0 });
        before::Cart { items: items + 1, total: total + n as i64 }
    };
    let new = |cart: Option<after::Cart>, _| {
        let items = cart.map_or(0, |cart| cart.items);
        after::Cart { items: items + 1, coupon: None }
    };
    tidegate::run(config(place.path()), keep(300, old)).expect("it runs");
    let refused = [
        tidegate::run(config(place.path()), keep(400, new)).map(drop),
        check_restore(config(place.path()), keep(400, new)).map(drop),
    ];
    for outcome in refused {
        let Err(RunError::Recovery(error)) = outcome else { panic!("it came to {outcome:?}") };
        let text = error.to_string();
        for part in ["`update_state_by_key`", "`Cart` was { items: U64, total: I64 }", "coupon"] {
            assert!(text.contains(part), "no `{part}` in: {text}");
        }
    }
    tidegate::run(config(place.path()), keep(400, old)).expect("what it was can be read");
}

fn what_does_not_give_the_same_again_is_found_by_running_it_again() {
    let place = tempfile::tempdir().expect("a directory");
    let pure = |sum: Option<i64>, n: u64| sum.unwrap_or(0) + n as i64;
    let one = verify_replay(config(place.path()), keep(0, pure));
    assert!(matches!(one, Err(RunError::Recovery(_))), "nothing is there yet");
    tidegate::run(config(place.path()), keep(1_000, pure)).expect("it runs");
    let same = verify_replay(config(place.path()), keep(1_000, pure)).expect("it is run again");
    assert!(same.is_same(), "{same:?}");
    assert_eq!((same.from.id, same.through.id, same.operators[0].rows), (8, 10, Some(10)));

    let called = Arc::new(AtomicI64::new(0));
    let impure = move |sum: Option<i64>, n: u64| {
        sum.unwrap_or(0) + n as i64 + called.fetch_add(1, Ordering::SeqCst)
    };
    let other = verify_replay(config(place.path()), keep(1_000, impure)).expect("it is run again");
    assert!(!other.is_same(), "{other:?}");
    let entries = fs::read_dir(place.path().join("state")).expect("there").flatten();
    let hidden = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".replay"));
    assert_eq!(hidden.count(), 0, "the copy is gone");
}

fn a_savepoint_is_a_checkpoint_of_its_own() {
    let place = place(&lines());
    run(&format!("run {JOB}"), place.path()).well();
    run("savepoint state aside --at 3", place.path()).well();
    run("savepoint state aside", place.path()).failed(2, &["`aside` is not empty"]);
    // From there a job with another sink goes on: batch 4, and what has come since.
    fs::write(place.path().join("lines"), format!("{}x y\n", lines())).expect("written");
    run(&format!("run {JOB}"), place.path()).well();
    let all = fs::read_to_string(place.path().join("out")).expect("written");
    let aside =
        JOB.replace("jsonl:out", "jsonl:other").replace("--checkpoint state", "--checkpoint aside");
    run(&format!("run {aside}"), place.path()).well();
    let other = fs::read_to_string(place.path().join("other")).expect("written");
    let behind = all.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["batch"] != json!(1) && line["batch"] != json!(2) && line["batch"] != json!(3)
    });
    assert_eq!(other.lines().collect::<Vec<_>>(), behind.collect::<Vec<_>>());
}

/// What version 1 of the format wrote: a word count of two batches of ten lines, saved after each.
fn checkpoints_of_an_earlier_version_can_be_read() {
    let place = place(&lines());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recovery/golden/v1");
    for path in files(&golden) {
        let copy = place.path().join("state").join(path.strip_prefix(&golden).expect("below it"));
        fs::create_dir_all(copy.parent().expect("a directory")).expect("created");
        fs::copy(path, copy).expect("copied");
    }
    let shown_then = run("checkpoint show state --json", place.path()).well().stdout;
    let half: String = lines().lines().take(20).map(|line| format!("{line}\n")).collect();
    assert_eq!(shown(&shown_then), counts(&half));
    run(&format!("run {JOB}"), place.path()).well();
    let now = run("checkpoint show state --json", place.path()).well().stdout;
    assert_eq!(shown(&now), counts(&lines()));
}
