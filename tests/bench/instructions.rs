//! Instructions of a record, with a stand-in for Valgrind that says what it is told to.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["bench";
        instructions_of_a_record_are_what_more_records_cost,
        a_valgrind_that_is_not_there_is_named,
    ]
}

const BENCH: &str = "bench --workload wordcount --workers 1,2 --processes 1 --interval 10ms --rate 1000 \
                     --warm-up 20ms --for 100ms --no-saturation --instructions --json out.json";

/// Runs what it is given, and counts a million for the start, and 300 for each record on the threads of
/// workers.
const STAND_IN: &str = r#"#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift; done
TIDEGATE_PARENT=$$ "$@" || exit
records=$(echo "$@" | sed 's/.*records=\([0-9]*\).*/\1/')
workers=$(echo "$@" | sed 's/.*--workers \([0-9]*\).*/\1/')
echo "totals: 1000000" > counts-01
for worker in $(seq "$workers"); do
    echo "totals: $((5000 + records * 300 / workers))" > "counts-1$worker"
done
"#;

fn instructions_of_a_record_are_what_more_records_cost() {
    let place = tempfile::tempdir().expect("a directory");
    let stand_in = place.path().join("valgrind");
    fs::write(&stand_in, STAND_IN).expect("written");
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).expect("allowed");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", place.path().display());
    let ended = tidegate(BENCH).variable("PATH", &path).within(place.path()).run().well();
    assert!(ended.stdout.contains("busiest thread"), "{}", ended.stdout);
    let text = fs::read_to_string(place.path().join("out.json")).expect("written");
    let found: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["instructions"].clone())
        .filter(|line| !line.is_null())
        .map(|line| json!([line["cell"]["workers"], line["all"], line["busiest"]]))
        .collect();
    assert_eq!(found, [json!([1, 300.0, 300.0]), json!([2, 300.0, 150.0])]);
    let row = ended.stdout.lines().find(|line| line.ends_with("2.00"));
    assert!(row.is_some_and(|row| row.contains("2 workers")), "{}", ended.stdout);
}

fn a_valgrind_that_is_not_there_is_named() {
    let place = tempfile::tempdir().expect("a directory");
    let nowhere = place.path().display().to_string();
    let bench = tidegate(BENCH).variable("PATH", &nowhere).within(place.path());
    bench.run().failed(1, &["no `valgrind` on this machine: install it"]);
}
