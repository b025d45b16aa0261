//! Every moment at which a job can die or its disk can fail, one by one; and each rule of recovery
//! broken on purpose, which must be seen.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;

use crate::support::process::{Ended, tidegate};
use crate::support::{skipped, trials};

pub fn trials() -> Vec<Trial> {
    let names = trials!["recovery::faults";
        a_job_that_dies_or_whose_disk_fails_at_any_point_goes_on_with_the_same_bytes,
        a_commit_before_the_plan_is_durable_is_seen,
        a_checkpoint_before_the_commits_is_seen,
        a_marker_that_does_not_count_is_seen,
    ];
    if cfg!(feature = "faults") {
        return names;
    }
    vec![skipped("recovery::faults", "all", "built without the feature `faults`")]
}

/// The points of a run, in their order; the others are those of a start.
const POINTS: [&str; 12] = [
    "claimed",
    "cut",
    "half-planned",
    "planned",
    "committing",
    "written",
    "committed",
    "saving",
    "saved",
    "publishing",
    "published",
    "tidying",
];

const JOB: &str = "run wordcount --source file:lines --trigger available-now \
                   --records-per-partition 50 --output changes -w 2";
const SAVED: &str = "--checkpoint state --checkpoint-every 3ms --sink jsonl:found";

/// A place with an input, and what an undisturbed run makes of it.
fn place() -> (tempfile::TempDir, Vec<u8>) {
    let place = tempfile::tempdir().expect("a directory");
    let lines: String = (0..1500).map(|n| format!("w{} w{} x\n", n % 97, n * n % 61)).collect();
    fs::write(place.path().join("lines"), lines).expect("written");
    let command = format!("{JOB} --sink jsonl:expected");
    tidegate(&command).within(place.path()).run().well();
    let expected = fs::read(place.path().join("expected")).expect("written");
    (place, expected)
}

fn run(place: &Path, fault: &str, mutation: &str) -> Ended {
    let job = tidegate(&format!("{JOB} {SAVED}")).within(place);
    let job = if fault.is_empty() { job } else { job.variable("TIDEGATE_FAULT", fault) };
    let job = if mutation.is_empty() { job } else { job.variable("TIDEGATE_MUTATION", mutation) };
    job.run()
}

fn a_job_that_dies_or_whose_disk_fails_at_any_point_goes_on_with_the_same_bytes() {
    let (place, expected) = place();
    let at = |name: &str| place.path().join(name);
    for point in POINTS {
        let mut faults = vec![("kill", 1), ("error", 1)];
        if !matches!(point, "claimed" | "cut") {
            faults.extend([("kill", 2), ("kill", 7), ("full", 3)]);
        }
        for (what, moment) in faults {
            let fault = format!("{point}={what}@{moment}");
            let ended = run(place.path(), &fault, "");
            assert_ne!(ended.code, Some(0), "{fault} was not met");
            assert_eq!(ended.code.is_none(), what == "kill", "{fault}:\n{}", ended.stderr);
            run(place.path(), "", "").well();
            let found = fs::read(at("found")).expect("written");
            assert!(found == expected, "{fault}: other bytes");
            for name in ["found", "found.batches"] {
                fs::remove_file(at(name)).expect("removed");
            }
            fs::remove_dir_all(at("state")).expect("removed");
        }
    }
}

/// Whether a broken rule shows after this fault: other bytes, or a start that is refused.
fn is_seen(fault: &str, mutation: &str) -> bool {
    let (place, expected) = place();
    let ended = run(place.path(), fault, mutation);
    assert_eq!(ended.code, None, "{fault} was not met:\n{}", ended.stderr);
    let again = run(place.path(), "", mutation);
    let found = fs::read(place.path().join("found")).expect("written");
    again.code != Some(0) || found != expected
}

/// With the rule kept, the same fault shows nothing; broken, it does.
fn check(fault: &str, mutation: &str) {
    assert!(!is_seen(fault, ""), "{fault} alone does harm");
    // On a busy machine what should lag behind may not, once.
    let is_seen = (0..4).any(|_| is_seen(fault, mutation));
    assert!(is_seen, "{mutation} is broken, and {fault} does not show it");
}

fn a_commit_before_the_plan_is_durable_is_seen() {
    check("half-planned=slow,half-planned=kill@6", "plan-before-commit");
}

fn a_checkpoint_before_the_commits_is_seen() {
    check("committing=slow,published=kill@3", "commit-before-checkpoint");
}

fn a_marker_that_does_not_count_is_seen() {
    check("committed=kill@9", "marker-counts");
}
