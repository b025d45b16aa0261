//! The command line's jobs on a topic: the same bytes, however many work on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::lane::{Message, address, create_topic, produce};
use crate::support::Rng;

pub const TESTS: &[(&str, fn())] =
    &[("wordcount writes the same files on 1 worker, on 2, and on 2 processes of 2", same_files)];

const SEED: u64 = 41;

fn same_files() {
    let kafka = address();
    create_topic(&kafka, "words", 4);
    let mut random = Rng::new(SEED);
    let lines: Vec<(i32, String)> = (0..8_000)
        .map(|_| {
            let words = [random.below(50), random.below(500), random.below(5_000)];
            (random.below(4) as i32, words.map(|word| format!("w{word}")).join(" "))
        })
        .collect();
    produce(&kafka, "words", lines.iter().map(|(partition, line)| Message::new(*partition, line)));

    let home = tempfile::tempdir().expect("a directory");
    let source = format!("kafka://{kafka}/words");
    let job = |name: &str, before: &[&str], after: &[&str]| {
        let output = home.path().join(name);
        fs::create_dir(&output).expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("-q").args(before).args(["run", "wordcount", "--source", &source]);
        command.arg("--sink").arg(format!("text:{}", output.join("counts").display()));
        command.args(["--trigger", "available-now", "--records-per-partition", "500"]);
        let ended = command.args(after).output().expect("the program");
        assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
        files(&output)
    };
    let one = job("one", &[], &["-w", "1"]);
    assert!(one.len() >= 4, "{} files", one.len());
    let counted = one.values().last().expect("a file");
    let counted: u64 = counted
        .lines()
        .map(|line| line.rsplit_once(' ').expect("a count").1.parse::<u64>().expect("a number"))
        .sum();
    assert_eq!(counted, 3 * 8_000, "seed {SEED}");
    assert!(one == job("two", &[], &["-w", "2"]), "2 workers write other files (seed {SEED})");
    let launched = job("launched", &["launch", "-n", "2", "-w", "2"], &[]);
    assert!(one == launched, "2 processes write other files (seed {SEED})");
}

/// The text of every file of a directory, by its name below it.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below it").display().to_string();
                found.insert(name, fs::read_to_string(&path).expect("text"));
            }
        }
    }
    found
}
