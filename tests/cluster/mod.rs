//! Jobs of several processes: the same bytes as in one, and an end for all when one is gone.
//!
//! Catches outputs that depend on how a job is spread or on its wire format, processes that outlive a
//! peer that was killed, stopped or has panicked, and strangers at the port who are believed. Can't
//! catch what only happens between hosts: packets lost without a word, clocks that differ.

mod codecs;
mod loss;
mod strangers;
#[cfg(feature = "tls")]
mod tls;

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::support::process::{Program, tidegate};
use crate::support::{Rng, free_addresses, trials};

pub fn trials() -> Vec<Trial> {
    let own = trials![
        "cluster";
        the_output_is_the_same_bytes_however_the_job_is_spread,
        models_are_the_same_bytes_however_the_job_is_spread,
        a_directory_is_read_once_however_the_job_is_spread,
    ];
    [own, codecs::trials(), loss::trials(), strangers::trials(), tls()]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(feature = "tls")]
fn tls() -> Vec<Trial> {
    tls::trials()
}

#[cfg(not(feature = "tls"))]
fn tls() -> Vec<Trial> {
    let why = "built without `--features tls` (`cargo xtask test` has it)";
    vec![crate::support::skipped("cluster::tls", "processes speak TLS with each other", why)]
}

/// A host file for a job of several processes.
pub fn hosts(addresses: &[String], at: &Path) -> PathBuf {
    let path = at.join("hosts");
    fs::write(&path, addresses.join("\n")).expect("written");
    path
}

/// One process of several, started by hand.
pub fn process(index: usize, hosts: &Path, arguments: &str) -> Program {
    let addresses = fs::read_to_string(hosts).expect("there").lines().count();
    let hosts = hosts.display();
    tidegate(&format!("{arguments} -n {addresses} -p {index} -H {hosts}"))
}

/// Lines of words, the same for a seed.
fn words(rng: &mut Rng, lines: usize) -> String {
    let mut text = String::new();
    for _ in 0..lines {
        for _ in 0..1 + rng.below(6) {
            let word = rng.below(40) * rng.below(40);
            text.push_str(&format!("w{word} "));
        }
        text.push('\n');
    }
    text
}

fn clicks(rng: &mut Rng, clicks: usize) -> String {
    let mut text = String::new();
    for time in 0..clicks {
        let (user, page) = (rng.below(50), rng.below(9));
        text.push_str(&format!("{{\"user\":{user},\"page\":\"/p{page}\",\"time_ms\":{time}}}\n"));
    }
    text
}

/// Runs a command in one process and in several, in all the ways there are, and compares the bytes
/// of the output `out`.
fn assert_same_bytes(place: &Path, command: &str) {
    let output = |how: &str, run: &dyn Fn()| -> Vec<u8> {
        run();
        let path = place.join("out");
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{how}: {error}"));
        fs::remove_file(&path).expect("removed");
        bytes
    };
    let run = |arguments: &str| {
        tidegate(arguments).within(place).run().well();
    };
    let one = output("-w 1", &|| run(&format!("{command} -w 1")));
    assert!(one.len() > 1000, "there is an output: {command}");
    for workers in [2, 4] {
        let several = output("workers", &|| run(&format!("{command} -w {workers}")));
        assert!(one == several, "{workers} workers differ from one: {command}");
    }
    for (processes, workers) in [(2, 1), (2, 2), (3, 1)] {
        let how = format!("launch -n {processes} -w {workers}");
        let several = output(&how, &|| run(&format!("{how} {command}")));
        assert!(one == several, "{how} differs from one worker: {command}");
    }
    let by_hand = output("by hand", &|| {
        let hosts = hosts(&free_addresses(2), place);
        // The second comes first, and waits.
        let second = process(1, &hosts, command).within(place).start();
        let first = process(0, &hosts, command).within(place).start();
        let (first, second) = (first.end().well(), second.end().well());
        assert!(first.stderr.contains("records in"), "the first has the summary");
        assert_eq!((&*second.stdout, &*second.stderr), ("", ""), "the second says nothing");
    });
    assert!(one == by_hand, "two processes by hand differ from one: {command}");
}

const NOW: &str = "--trigger available-now --records-per-partition 150 --sink jsonl:out";

fn the_output_is_the_same_bytes_however_the_job_is_spread() {
    let place = tempfile::tempdir().expect("a directory");
    let mut rng = Rng::new(11);
    fs::write(place.path().join("lines"), words(&mut rng, 1000)).expect("written");
    fs::write(place.path().join("clicks"), clicks(&mut rng, 1000)).expect("written");
    for command in [
        "run windowed-wordcount --source file:lines --window 3s --slide 2s --output changes",
        "run clickstream --source file:clicks --window 2s --strategy arrangement",
    ] {
        assert_same_bytes(place.path(), &format!("{command} {NOW}"));
    }
}

fn models_are_the_same_bytes_however_the_job_is_spread() {
    let place = tempfile::tempdir().expect("a directory");
    for what in ["points", "labelled"] {
        fs::create_dir(place.path().join(what)).expect("created");
        let records = "--records 1000 --seed 5 --quiet";
        let made = tidegate(&format!("generate {what} {records} --sink text:{what}/part"));
        made.within(place.path()).run().well();
    }
    for command in [
        "run kmeans --source dir:points --half-life 400 --per points",
        "run regression --source dir:labelled --iterations 9 --output changes",
    ] {
        assert_same_bytes(place.path(), &format!("{command} {NOW}"));
    }
}

fn a_directory_is_read_once_however_the_job_is_spread() {
    let place = tempfile::tempdir().expect("a directory");
    let mut rng = Rng::new(12);
    let directory = place.path().join("files");
    fs::create_dir(&directory).expect("created");
    for file in 0..5 {
        fs::write(directory.join(format!("{file}.txt")), words(&mut rng, 200)).expect("written");
    }
    assert_same_bytes(place.path(), &format!("run wordcount --source dir:files {NOW}"));
}
