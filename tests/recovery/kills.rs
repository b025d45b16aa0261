//! Processes that are killed at any moment, again and again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::process::tidegate;
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["recovery::kills";
        whatever_moment_a_job_is_killed_at_its_output_is_that_of_an_undisturbed_one,
        a_directory_belongs_to_one_job_at_a_time,
    ]
}

/// Lines of words, the same for a seed.
pub fn lines(rng: &mut Rng, lines: usize) -> String {
    let mut text = String::new();
    for _ in 0..lines {
        for _ in 0..1 + rng.below(6) {
            text.push_str(&format!("w{} ", rng.below(60) * rng.below(60)));
        }
        text.push('\n');
    }
    text
}

/// Runs a job to its end, and kills it until it gets there; gives the number of kills.
pub fn with_kills(place: &Path, rng: &mut Rng, command: &str) -> usize {
    for kills in 0.. {
        let workers = 1 + rng.below(4);
        let mut job = tidegate(&format!("{command} -w {workers}")).within(place).start();
        // Often before it has begun, often in the middle; each time it gets a little further.
        let after = Duration::from_micros(rng.below(120_000 + 10_000 * kills as u64));
        let begun = std::time::Instant::now();
        while begun.elapsed() < after && !job.has_ended() {
            std::thread::sleep(Duration::from_micros(200));
        }
        if job.has_ended() {
            job.end().well();
            return kills;
        }
        job.signal(Signal::KILL);
        job.end();
    }
    unreachable!("the job gets to its end")
}

fn whatever_moment_a_job_is_killed_at_its_output_is_that_of_an_undisturbed_one() {
    let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("seed {seed}");
    let place = tempfile::tempdir().expect("a directory");
    let mut rng = Rng::new(seed);
    fs::write(place.path().join("lines"), lines(&mut rng, 6_000)).expect("written");
    let mut kills = 0;
    for command in [
        "wordcount --output changes",
        "windowed-wordcount --window 5s --slide 2s --output changes",
        "windowed-wordcount --window 3s",
    ] {
        let job = format!(
            "run {command} --source file:lines --trigger available-now --records-per-partition 40"
        );
        tidegate(&format!("{job} --sink jsonl:expected")).within(place.path()).run().well();
        let saved = "--checkpoint state --checkpoint-every 15ms --sink jsonl:found";
        kills += with_kills(place.path(), &mut rng, &format!("{job} {saved}"));
        let read = |name| fs::read(place.path().join(name)).expect("written");
        let (expected, found) = (read("expected"), read("found"));
        assert!(expected.len() > 10_000, "there is an output: {command}");
        assert!(expected == found, "seed {seed}: {command} gives other bytes after {kills} kills");
        for name in ["expected", "found", "found.batches"] {
            fs::remove_file(place.path().join(name)).expect("removed");
        }
        fs::remove_dir_all(place.path().join("state")).expect("removed");
    }
    assert!(kills >= 5, "seed {seed}: killed {kills} times only");
    eprintln!("{kills} kills");
}

fn a_directory_belongs_to_one_job_at_a_time() {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("lines"), "tide gate\n").expect("written");
    let job = "run wordcount --source generate:?records=100000000&rate=100 --interval 20ms \
               --sink null --checkpoint state";
    let mut first = tidegate(job).within(place.path()).start();
    let lock = place.path().join("state/plan");
    first.wait_until("has planned a batch", |_| {
        fs::read_dir(&lock).is_ok_and(|logs| logs.count() > 0)
    });
    let second = tidegate(job).within(place.path()).run();
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    assert!(second.stderr.contains("is in use: another job runs"), "{}", second.stderr);
    first.signal(Signal::TERM);
    first.end().well();
}
