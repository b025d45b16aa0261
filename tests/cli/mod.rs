//! The command line, as its users see it: each test runs the program itself.
//!
//! Catches bad input that is noticed late, or without a word about what was wrong and what would be
//! right; records that are lost or doubled when a job is told to stop; exit codes that lie. Can't
//! catch what only shows at a terminal, and what needs a real broker (the Kafka tests have that).

mod bad_input;
mod checked_examples;
mod event_time_examples;
mod examples;
mod learning;
mod records;
mod signals;
mod stalled_sink;

use std::collections::BTreeSet;
use std::path::Path;

use libtest_mimic::Trial;

use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    let own = trials![
        "cli";
        every_command_explains_itself,
        the_version_is_the_one_of_the_package,
    ];
    [
        own,
        bad_input::trials(),
        examples::trials(),
        checked_examples::trials(),
        event_time_examples::trials(),
        learning::trials(),
        records::trials(),
        signals::trials(),
        stalled_sink::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn every_command_explains_itself() {
    for (command, named) in [
        ("", vec!["run", "launch", "generate", "bench", "demo", "--verbose", "--quiet"]),
        (
            "run",
            vec![
                "--source",
                "--sink",
                "--output",
                "--window",
                "--slide",
                "--dead-letters",
                "--rounds-max",
                "--must-settle",
                "--dimensions",
                "--clusters",
                "--half-life",
                "--step-size",
                "--iterations",
                "--ridge",
                "--interval",
                "--trigger",
                "--records-per-partition",
                "--first-batch-records",
                "--backpressure",
                "--initial-rate",
                "--max-rate-per-partition",
                "--min-records-per-partition",
                "--in-flight",
                "--queue-mib",
                "--for",
                "--fail-fast",
                "--strategy",
                "--checkpoint",
                "Azure",
                "--metrics",
                "--workers",
                "--processes",
                "--process",
                "--hostfile",
                "--secret-file",
                "--pin",
                "kafka://",
                "file:",
                "dir:",
                "stdin",
                "tcp://",
                "generate",
                "jsonl:",
                "text:",
                "console",
                "Examples",
            ],
        ),
        ("launch", vec!["--processes", "--workers", "Example"]),
        ("generate", vec!["--records", "--rate", "--seed", "--sink", "Examples"]),
        ("bench", vec!["operators", "ingest", "latency", "recovery"]),
        ("bench operators", vec!["--json", "--quick", "--only"]),
        ("bench ingest", vec!["--json", "--quick", "--only", "--broker"]),
        ("bench latency", vec!["--json", "--quick", "--only"]),
        ("record", vec!["--source", "--to", "--for", "--trigger", "kafka://", "Examples"]),
        ("replay", vec!["--batches", "--workers", "--strategy", "--window", "--sink", "Examples"]),
        (
            "compare",
            vec!["--recording", "--quick", "--no-curves", "--json", "--html", "--rows", "Examples"],
        ),
        ("report", vec!["--html", "Examples"]),
        ("check-restore", vec!["--checkpoint", "tidegate help run"]),
        ("verify-replay", vec!["--checkpoint", "tidegate help run"]),
        ("rehearse", vec!["--through", "tidegate help run"]),
        ("checkpoint ls", vec!["s3://", "Google Cloud Storage", "Azure"]),
        ("demo", vec!["--for", "--rate", "--workers", "--seed"]),
    ] {
        let help = tidegate(&format!("{command} --help")).run().well();
        for name in named {
            assert!(help.stdout.contains(name), "no `{name}` in the help of `{command}`");
        }
        assert_eq!(help.stderr, "", "`{command} --help`");
    }
}

fn the_version_is_the_one_of_the_package() {
    let version = tidegate("--version").run().well();
    assert_eq!(version.stdout, concat!("tidegate ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// The rows of a file of JSON lines.
pub fn rows(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("the output is there");
    assert!(text.is_empty() || text.ends_with('\n'), "a line without an end: {text:?}");
    let row = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    text.lines().map(row).collect()
}

/// The words of a word count's changes, each of which came once: `n` of record `n`.
pub fn numbers(path: &Path) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    for line in rows(path) {
        let change = &line["row"];
        let counted = (change["diff"].as_i64(), change["row"][1].as_i64());
        assert_eq!(counted, (Some(1), Some(1)), "a record twice: {line}");
        let word = change["row"][0].as_str().expect("a word");
        assert!(numbers.insert(word.parse().expect("a number")), "a record twice: {line}");
    }
    numbers
}

/// Checks that the records 0, 1, 2, ... came out once each, and as many as were taken in.
#[track_caller]
pub fn assert_each_once(path: &Path, taken_in: u64) {
    let numbers = numbers(path);
    assert!(taken_in > 0, "nothing was read");
    assert_eq!(numbers.len() as u64, taken_in, "as many rows as records");
    assert_eq!(numbers.last().map(|last| last + 1), Some(taken_in), "there is a gap");
}
