//! The examples whose input is in the repository: the command in the first line of each runs as it
//! is written, and prints what plain loops over the input come to.
//!
//! They are built by `cargo test --workspace` and `cargo build --examples`; where that has not been
//! done, these tests are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use super::examples::{NOT_BUILT, binary, command, run};
use crate::support::process::Ended;
use crate::support::{self, skipped};

pub fn trials() -> Vec<Trial> {
    let of = |name: &'static str, test: fn(Ended)| {
        let sentence = format!("{name}_prints_what_plain_loops_come_to");
        if !binary(name).exists() {
            return skipped("cli::checked_examples", &sentence, NOT_BUILT);
        }
        support::test("cli::checked_examples", &sentence, move || test(run(name, &command(name))))
    };
    vec![
        of("scan_detection", scan_detection),
        of("compromised_host", compromised_host),
        of("active_users", active_users),
    ]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of the connections: second, source, target, port.
fn connections() -> Vec<(u64, String, String, u16)> {
    let text = fs::read_to_string(root().join("examples/data/connections.log")).expect("there");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (number(words[0]), words[1].to_owned(), words[2].to_owned(), number(words[3]) as u16)
    };
    text.lines().map(line).collect()
}

fn scan_detection(ended: Ended) {
    let mut doors: BTreeMap<(u64, String), BTreeSet<(String, u16)>> = BTreeMap::new();
    for (second, source, target, port) in connections() {
        doors.entry((second / 60, source)).or_default().insert((target, port));
    }
    let expected: BTreeSet<String> = doors
        .into_iter()
        .filter(|(_, doors)| doors.len() >= 15)
        .map(|((minute, source), _)| format!("{source} scans in minute {minute}"))
        .collect();
    assert!(expected.len() >= 2, "there is something to find: {expected:?}");
    let found =
        ended.stdout.lines().map(|line| line.split_once(": ").expect("a batch").1.to_owned());
    let found: Vec<String> = found.collect();
    assert_eq!(found.len(), expected.len(), "each alarm once: {found:?}");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
}

fn compromised_host(ended: Ended) {
    let (connections, mut expected) = (connections(), Vec::new());
    let mut before: BTreeSet<&str> = BTreeSet::new();
    for number in 1..=connections.len().div_ceil(50) {
        let window =
            &connections[(number.saturating_sub(4)) * 50..connections.len().min(number * 50)];
        let mut reached = BTreeSet::from(["10.0.0.66"]);
        loop {
            let steps = window.iter().filter(|(_, from, _, _)| reached.contains(from.as_str()));
            let next: BTreeSet<&str> = steps.map(|(_, _, to, _)| to.as_str()).collect();
            if next.is_subset(&reached) {
                break;
            }
            reached.extend(next);
        }
        reached.remove("10.0.0.66");
        let line = |sign: char, host: &&str| format!("batch {number:>2}: {sign} {host}");
        let gone = before.difference(&reached).map(|host| line('-', host));
        let come = reached.difference(&before).map(|host| line('+', host));
        expected.extend(gone.chain(come));
        before = reached;
    }
    let signs = |sign: &str| expected.iter().filter(|line| line.contains(sign)).count();
    assert!(signs(": +") > 3 && signs(": -") > 0, "hosts come and go: {expected:?}");
    let mut found: Vec<&str> = ended.stdout.lines().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn active_users(ended: Ended) {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("examples/data/clicks"))
        .expect("there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let users: Vec<u64> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("there");
            let user = |line: &str| {
                let click: serde_json::Value = serde_json::from_str(line).expect("JSON");
                click["user"].as_u64().expect("a user")
            };
            text.lines().map(user).collect::<Vec<_>>()
        })
        .collect();
    let mut expected = Vec::new();
    for number in 1..=users.len().div_ceil(100) {
        let window = &users[(number.saturating_sub(2)) * 100..users.len().min(number * 100)];
        let mut clicks: BTreeMap<u64, u64> = BTreeMap::new();
        window.iter().for_each(|user| *clicks.entry(*user).or_default() += 1);
        expected.push(format!("batch {number:>2}: {} active users", clicks.len()));
        let mut ranked: Vec<(u64, u64)> = clicks.into_iter().collect();
        ranked.sort_by_key(|(user, clicks)| (std::cmp::Reverse(*clicks), *user));
        let top = ranked.iter().take(3).map(|(user, clicks)| format!("{user} {clicks}"));
        expected.push(format!("batch {number:>2}: {}", top.collect::<Vec<_>>().join(", ")));
    }
    let mut found: Vec<&str> = ended.stdout.lines().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
