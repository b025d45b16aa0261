//! Sources that can't be asked again: what they sent is written down before it counts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["recovery::journal";
        what_standard_input_sent_counts_once_whatever_ends_the_job,
        a_savepoint_has_what_was_sent_behind_it,
    ]
}

const JOB: &str = "run wordcount --source stdin --output changes --records-per-partition 40 \
                   --checkpoint state --checkpoint-every 40ms --sink jsonl:out";

/// The numbers of the words that have come; none may come twice, or go.
fn words(place: &Path) -> BTreeSet<u64> {
    words_behind(0, &place.join("out"))
}

/// Those that came in batches behind `batch`.
fn words_behind(batch: u64, out: &Path) -> BTreeSet<u64> {
    let text = fs::read_to_string(out).unwrap_or_default();
    let mut words = BTreeSet::new();
    // The last line may be half there while the job runs.
    for line in text.lines().filter(|line| line.ends_with('}')) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        if line["batch"].as_u64().expect("a number") <= batch {
            continue;
        }
        assert_eq!(
            (&line["row"]["diff"], &line["row"]["row"][1]),
            (&1.into(), &1.into()),
            "{line}"
        );
        let word = line["row"]["row"][0].as_str().expect("a word").trim_start_matches('n');
        let word: u64 = word.parse().expect("a number");
        assert!(words.insert(word), "{word} came twice");
    }
    words
}

fn what_standard_input_sent_counts_once_whatever_ends_the_job() {
    let place = tempfile::tempdir().expect("a directory");
    let mut first = 0;
    let mut all: u64 = 0;
    for _ in 0..4 {
        let input: String = (first..first + 3_000).map(|n| format!("n{n}\n")).collect();
        let before = words(place.path()).len();
        let job = format!("{JOB} --interval 10ms");
        let mut job = tidegate(&job).within(place.path()).input(input).start();
        job.wait_until("has written", |_| words(place.path()).len() > before + 200);
        job.signal(Signal::KILL);
        job.end();
        // What of it was read before the end is in the journal, or is not; the rest is lost.
        first += 3_000;
        all += 200;
    }
    let job = format!("{JOB} --trigger available-now");
    tidegate(&job).within(place.path()).input("").run().well();
    let found = words(place.path());
    assert!(found.len() as u64 > all, "{} words", found.len());
    // Of each input a part from its beginning on, without a gap.
    for input in 0..4 {
        let of_input: Vec<u64> = found.range(input * 3_000..(input + 1) * 3_000).copied().collect();
        let expected: Vec<u64> = (input * 3_000..).take(of_input.len()).collect();
        assert!(of_input == expected, "input {input} has gaps: {} words", of_input.len());
    }
    // Nothing is left that has not counted.
    tidegate(&job).within(place.path()).input("").run().well();
    assert_eq!(words(place.path()), found);
}

fn a_savepoint_has_what_was_sent_behind_it() {
    let place = tempfile::tempdir().expect("a directory");
    // Saved at the end of each run, and at no other batch.
    let job = format!("{JOB} --trigger available-now").replace("40ms", "1h");
    let mut ends = Vec::new();
    for first in [0, 1_000] {
        let input: String = (first..first + 1_000).map(|n| format!("n{n}\n")).collect();
        tidegate(&job).within(place.path()).input(input).run().well();
        let listed = tidegate("checkpoint ls state --json").within(place.path()).run().well();
        let listed = listed.stdout;
        let listed = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let batches = listed.map(|checkpoint| checkpoint["batch"].as_u64().expect("a number"));
        ends.push(batches.max().expect("a checkpoint of the last batch"));
    }
    let oldest = ends[0];
    let savepoint = format!("savepoint state aside --at {oldest}");
    tidegate(&savepoint).within(place.path()).run().well();
    let aside =
        job.replace("jsonl:out", "jsonl:other").replace("--checkpoint state", "--checkpoint aside");
    tidegate(&aside).within(place.path()).input("").run().well();
    let other = words_behind(0, &place.path().join("other"));
    assert_eq!(other, (1_000..2_000).collect());
    assert_eq!(other, words_behind(oldest, &place.path().join("out")));
}
