//! Models on the command line, what it says of rounds that were not enough, and of a worker that
//! has too much.

use std::fs;

use libtest_mimic::Trial;

use super::rows;
use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["cli::learning";
        clusters_of_made_up_points_are_found,
        weights_of_made_up_points_are_found,
        points_of_another_dimension_are_dead_letters,
        what_is_no_number_of_something_is_refused,
        a_graph_that_must_settle_ends_the_job_at_the_bound,
        a_worker_that_has_too_much_is_named,
    ]
}

const NOW: &str = "--trigger available-now --records-per-partition 500 --quiet";

/// The numbers in a JSON array.
fn numbers(array: &serde_json::Value) -> Vec<f64> {
    let items = array.as_array().expect("an array").iter();
    items.map(|item| item.as_f64().expect("a number")).collect()
}

fn clusters_of_made_up_points_are_found() {
    let place = tempfile::tempdir().expect("a directory");
    let source = "generate:?records=4000&seed=3&partitions=2";
    let command = format!("run kmeans --source {source} --clusters 2 --dimensions 3 --half-life 1");
    let now = "--trigger available-now --records-per-partition 100 --quiet";
    let run = tidegate(&format!("{command} {now} --sink jsonl:out")).within(place.path());
    run.run().well();
    let batches = rows(&place.path().join("out"));
    let last: Vec<_> = batches[batches.len() - 2..].iter().map(|line| &line["row"]).collect();
    let centres = tidegate::source::Generator::centres(2, 3, 3);
    for centre in centres {
        let near = last.iter().any(|row| {
            let found = numbers(&row[1]["centre"]);
            found.iter().zip(&centre).all(|(found, along)| (found - along.0).abs() < 0.4)
        });
        assert!(near, "nothing near {centre:?}: {last:?}");
    }
}

fn weights_of_made_up_points_are_found() {
    let place = tempfile::tempdir().expect("a directory");
    let made = "generate labelled --records 3000 --seed 4 --quiet --sink text:points";
    tidegate(made).within(place.path()).run().well();
    let file = fs::read_dir(place.path()).expect("there").next().expect("a file").expect("read");
    let command = format!("run regression --source file:{}", file.file_name().to_string_lossy());
    let options = "--step-size 0.5 --sink jsonl:out --output changes -w 2";
    tidegate(&format!("{command} {options} {NOW}")).within(place.path()).run().well();
    let changes = rows(&place.path().join("out"));
    for (number, weight) in [(0, 1.0), (1, -2.0)] {
        let last = changes.iter().rev().find(|line| {
            (line["row"]["diff"].as_i64(), line["row"]["row"][0].as_u64())
                == (Some(1), Some(number))
        });
        let found = last.expect("a weight")["row"]["row"][1].as_f64().expect("a number");
        assert!((found - weight).abs() < 0.05, "weight {number} is {found}, not {weight}");
    }
}

fn points_of_another_dimension_are_dead_letters() {
    let place = tempfile::tempdir().expect("a directory");
    let points = "[1, 2]\n[3]\n{\"x\": 1}\n[4, 5, 6]\n[7, 8]\n";
    fs::write(place.path().join("points"), points).expect("written");
    let command = "run kmeans --source file:points --sink null --dead-letters dead";
    let ended = tidegate(&format!("{command} --trigger available-now")).within(place.path());
    let ended = ended.run().well();
    assert_eq!((ended.figure("records in"), ended.figure("dead letters")), (2, 3));
    let dead = rows(&place.path().join("dead"));
    let reasons: Vec<&str> =
        dead.iter().map(|line| line["row"]["reason"].as_str().expect("a reason")).collect();
    assert!(reasons[0].contains("`--dimensions 1`"), "{reasons:?}");
    assert!(reasons[1].contains("[x, y, ...]"), "{reasons:?}");
    assert!(reasons[2].contains("`--dimensions 3`"), "{reasons:?}");
}

fn what_is_no_number_of_something_is_refused() {
    for (option, remedy) in [
        ("--clusters 0", "1.."),
        ("--dimensions 0", "1.."),
        ("--half-life 0", "above 0"),
        ("--half-life -1", "above 0"),
        ("--half-life nan", "above 0"),
        ("--step-size -1", "above 0"),
        ("--ridge -1", "0 or more"),
        ("--iterations 0", "1.."),
        ("--rounds-max 0", "1.."),
    ] {
        tidegate(&format!("run kmeans --source stdin {option}")).run().failed(2, &[remedy]);
    }
}

fn a_graph_that_must_settle_ends_the_job_at_the_bound() {
    let place = tempfile::tempdir().expect("a directory");
    let path: String = (0..5).map(|node| format!("[{node},{}]\n", node + 1)).collect();
    fs::write(place.path().join("edges"), path).expect("written");
    let command = format!("run reachability --source file:edges {NOW} --sink");
    let run = |options: &str| tidegate(&format!("{command} {options}")).within(place.path()).run();
    run("jsonl:some --rounds-max 3").well();
    assert_eq!(rows(&place.path().join("some")).len(), 4, "the root, and three steps");
    run("jsonl:all --must-settle").well();
    assert_eq!(rows(&place.path().join("all")).len(), 6);
    let ended = run("jsonl:none --rounds-max 3 --must-settle");
    ended.failed(1, &["not settled in batch 1 after 3 rounds", "allow more"]);
    assert!(rows(&place.path().join("none")).is_empty());
}

fn a_worker_that_has_too_much_is_named() {
    let place = tempfile::tempdir().expect("a directory");
    let star: String = (1..400).map(|node| format!("[0,{node}]\n")).collect();
    fs::write(place.path().join("star"), star).expect("written");
    let run = |options: &str| {
        let command = "run reachability --sink null --trigger available-now --source";
        tidegate(&format!("{command} {options}")).within(place.path()).run().well().stderr
    };
    let star = run("file:star -w 4");
    let mut named = star.lines().filter(|line| line.contains("uneven load"));
    let edges = named.find(|line| line.contains("`arrangement`")).expect("it is said");
    assert!(edges.contains("399 of 399 rows, 4.0 times its share"), "{edges}");
    for even in ["generate:?records=4000&partitions=4 -w 4", "file:star -w 1"] {
        let even = run(even);
        assert!(!even.contains("uneven load"), "{even}");
    }
}
