//! Jobs that are killed at any moment, again and again.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Rng;
use super::process::Program;

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

/// Runs a job to its end, on other workers each time, and kills it until it gets there, the first time
/// within `first` of its start; gives the number of kills.
pub fn with_kills(rng: &mut Rng, first: Duration, job: impl Fn(u64) -> Program) -> usize {
    let first = first.as_micros() as u64;
    for kills in 0.. {
        let mut job = job(1 + rng.below(4)).start();
        // Often before it has begun, often in the middle; each time it gets a little further.
        let after = Duration::from_micros(rng.below(first + first / 12 * kills as u64));
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
