//! A sink that stands still: what is read is held back, memory stays as it is, and nothing is lost.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["cli::stalled_sink"; a_sink_that_stands_still_costs_neither_memory_nor_records]
}

const LINES: u64 = 50_000;
const LINE_BYTES: usize = 2_000;
const WORDS: u64 = 10;
const PER_BATCH: u64 = 500;
/// 2 batches in flight, what 3 batches and 1 MiB leave in pipes and in front of them, and some more.
const HELD_MAX: u64 = 5_000;
/// What allocators and threads take in the meantime.
const GROWTH_MAX_KIB: u64 = 2_048;

/// The memory of a process, in KiB.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn a_sink_that_stands_still_costs_neither_memory_nor_records() {
    let place = tempfile::tempdir().expect("a directory");
    let pipe = place.path().join("out");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let (running, mut input) = tidegate(&format!(
        "run wordcount --source stdin --trigger continuous --records-per-partition {PER_BATCH} \
         --queue-mib 1 --sink jsonl:out"
    ))
    .within(place.path())
    .start_fed();
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let feeder = std::thread::spawn(move || {
        for number in 0..LINES {
            let word = format!("{:0LINE_BYTES$}\n", number % WORDS);
            input.write_all(word.as_bytes()).expect("it reads on");
            count.store(number + 1, Ordering::SeqCst);
        }
    });
    // From here on the pipe is open, and nobody reads.
    let out = File::open(&pipe).expect("the job has opened it");
    let mut held = 0;
    while held == 0 || held != taken.load(Ordering::SeqCst) {
        held = taken.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(500));
    }
    let before = resident(running.id());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(taken.load(Ordering::SeqCst), held, "it reads on");
    assert!(held < HELD_MAX, "{held} of {LINES} lines are held");
    let grown = resident(running.id()).saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more than {before} KiB");

    // The whole table in each batch.
    let mut batches: BTreeMap<u64, u64> = BTreeMap::new();
    for line in BufReader::new(out).lines() {
        let line: Value = serde_json::from_str(&line.expect("read")).expect("JSON");
        let (batch, count) = (line["batch"].as_u64(), line["row"][1].as_u64());
        *batches.entry(batch.expect("a number")).or_default() += count.expect("a number");
    }
    feeder.join().expect("all is taken");
    running.end().well();
    assert_eq!(batches.values().last(), Some(&LINES));
    let sums: Vec<u64> = batches.into_values().collect();
    assert!(sums.windows(2).all(|pair| pair[0] <= pair[1]), "each batch adds to the one before");
}
