//! Every workload of the command line: the same bytes on two processes as on one worker.

use std::collections::BTreeSet;
use std::fs;

use libtest_mimic::Trial;

use crate::support::process::tidegate;
use crate::support::{test, trials};

/// The workloads, each with the flags that it needs to have something to say.
const WORKLOADS: [(&str, &str); 13] = [
    ("wordcount", ""),
    ("windowed-wordcount", "--window 2s"),
    ("top-k", "--window 2s --k 5"),
    ("clickstream", "--window 2s"),
    ("distinct", "--window 2s"),
    ("sessions", "--gap 2ms --delay 1ms"),
    ("windowed-join", "--window 2s"),
    ("ad-analytics", ""),
    ("connected-components", "--window 2s"),
    ("reachability", "--window 2s"),
    ("pagerank", "--window 2s --rounds-max 5"),
    ("kmeans", ""),
    ("regression", ""),
];

fn nexmark_queries() -> impl Iterator<Item = String> {
    (0..=22).map(|number| format!("nexmark-q{number}"))
}

pub fn trials() -> Vec<Trial> {
    let own = trials!["workloads::processes"; every_workload_has_its_test];
    let workloads = WORKLOADS.map(|(name, flags)| (name.to_owned(), flags));
    let queries = nexmark_queries().map(|name| (name, "--window 2s"));
    let alike = workloads.into_iter().chain(queries).map(|(name, flags)| {
        let sentence = format!("{name} writes the same bytes on two processes");
        test("workloads::processes", &sentence, move || assert_alike(&name, flags))
    });
    own.into_iter().chain(alike).collect()
}

/// The workloads that the command line knows, as its help tells them.
fn every_workload_has_its_test() {
    let help = tidegate("help run").run().well().stdout;
    let (_, values) = help.split_once("Possible values:").expect("the workloads come first");
    let (values, _) = values.split_once("\n\n").expect("the options follow");
    let listed = values.lines().filter_map(|line| {
        let (name, _) = line.trim().strip_prefix("- ")?.split_once(':')?;
        Some(name.to_owned())
    });
    let queries = help.lines().filter_map(|line| line.trim().split(' ').next());
    let queries = queries.filter(|word| word.starts_with("nexmark-q")).map(str::to_owned);
    let known: BTreeSet<String> = listed.chain(queries).collect();

    let tested = WORKLOADS.iter().map(|(name, _)| (*name).to_owned());
    let tested: BTreeSet<String> = tested.chain(nexmark_queries()).collect();
    assert_eq!(known, tested);
}

fn assert_alike(workload: &str, flags: &str) {
    let place = tempfile::tempdir().expect("a directory");
    let written = |how: &str| {
        let command = format!(
            "{how} run {workload} {flags} --source generate:?records=3000&rate=75&seed=7&partitions=3 \
             --trigger available-now --records-per-partition 149 --sink jsonl:out --quiet"
        );
        tidegate(&command).within(place.path()).run().well();
        let path = place.path().join("out");
        let bytes = fs::read(&path).expect("the rows are written");
        fs::remove_file(&path).expect("removed");
        bytes
    };
    let one = written("");
    assert!(one.len() > 100, "there is something to compare");
    assert!(written("launch -n 2") == one, "two processes differ from one worker");
}
