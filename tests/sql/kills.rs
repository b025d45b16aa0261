//! Processes that are killed at any moment, again and again, with a database as their sink.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::lane::{Kind, Place, Test};
use crate::support::Rng;
use crate::support::process::tidegate;

pub const TESTS: &[Test] = &[(
    "whatever moment a job is killed at its tables are those of an undisturbed one",
    &Kind::ALL,
    killed,
)];

/// Lines of words, the same for a seed.
fn lines(rng: &mut Rng, lines: usize) -> String {
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
fn with_kills(place: &Path, rng: &mut Rng, command: &str) -> usize {
    for kills in 0.. {
        let workers = 1 + rng.below(4);
        let mut job = tidegate(&format!("{command} -w {workers}")).within(place).start();
        // Often before it has begun, often in the middle; each time it gets a little further.
        let after = Duration::from_micros(rng.below(120_000 + 10_000 * kills as u64));
        let begun = Instant::now();
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

fn killed(kind: Kind) {
    let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(3);
    let home = tempfile::tempdir().expect("a directory");
    let mut rng = Rng::new(seed);
    fs::write(home.path().join("lines"), lines(&mut rng, 3_000)).expect("written");
    let mut kills = 0;
    for command in ["wordcount", "windowed-wordcount --window 5s --slide 2s"] {
        let job = format!(
            "run {command} --source file:lines --trigger available-now \
             --records-per-partition 60 --output changes"
        );
        let (expected, found) = (Place::new(kind), Place::new(kind));
        let sinks = |place: &Place| {
            let [kept, log] = ["table=counts&key=word", "table=log"].map(|p| place.sink(p));
            format!("--sink {kept} --sink {log}")
        };
        tidegate(&format!("{job} {}", sinks(&expected))).within(home.path()).run().well();
        let saved = format!("--checkpoint state --checkpoint-every 15ms {}", sinks(&found));
        kills += with_kills(home.path(), &mut rng, &format!("{job} {saved}"));
        let log = "SELECT batch, time_ms, diff, word, count FROM log \
                   ORDER BY batch, word, diff, count, time_ms";
        let (log_expected, log_found) = (expected.rows(log), found.rows(log));
        assert!(log_expected.len() > 1_000, "there is an output: {command}");
        let shown = format!("seed {seed}: {command} after {kills} kills");
        assert!(expected.counts() == found.counts(), "{shown}: other counts");
        assert_eq!(log_expected.len(), log_found.len(), "{shown}: another number of changes");
        assert!(log_expected == log_found, "{shown}: other changes");
        fs::remove_dir_all(home.path().join("state")).expect("removed");
    }
    assert!(kills >= 3, "seed {seed}: killed {kills} times only");
    eprintln!("{kills} kills");
}
