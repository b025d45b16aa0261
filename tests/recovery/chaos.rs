//! Jobs that are killed at any moment, again and again, on changing numbers of processes and
//! workers, whose plan is torn and whose checkpoints are damaged in between.
//!
//! `cargo xtask chaos --kills 200 --seed 1` is the same for longer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use super::damage::files;
use crate::support::process::{Ended, Running, is_alive, send, tidegate};
use crate::support::{Rng, test_within};

/// How often jobs are killed in all.
const KILLS: &str = "TIDEGATE_CHAOS_KILLS";

pub fn trials() -> Vec<Trial> {
    let kills = number(KILLS).unwrap_or(50);
    let limit = Duration::from_secs(60 + 5 * kills);
    let body = move || whatever_happens_to_a_job_its_output_is_that_of_an_undisturbed_one(kills);
    let name = "whatever_happens_to_a_job_its_output_is_that_of_an_undisturbed_one";
    vec![test_within("recovery::chaos", name, limit, body)]
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What has happened.
#[derive(Debug, Default)]
struct Tally {
    jobs: u64,
    starts: u64,
    kills: u64,
    torn_tails: u64,
    flips: u64,
    refusals: u64,
}

fn whatever_happens_to_a_job_its_output_is_that_of_an_undisturbed_one(kills: u64) {
    let seed = number("TIDEGATE_SEED").unwrap_or(1);
    eprintln!("seed {seed}");
    let mut rng = Rng::new(seed);
    let mut tally = Tally::default();
    while tally.kills < kills {
        let job = Job::random(&mut rng);
        job.undisturbed();
        job.disturbed(&mut rng, &mut tally);
        let read = |name| fs::read(job.at(name)).expect("written");
        let (expected, found) = (read("expected"), read("found"));
        assert!(expected.len() > 10_000, "there is an output: {}", job.command);
        assert!(expected == found, "seed {seed}: {} gives other bytes: {tally:?}", job.command);
        tally.jobs += 1;
    }
    let Tally { jobs, starts, kills, torn_tails, flips, refusals } = tally;
    eprintln!(
        "{jobs} jobs, {starts} starts, {kills} kills, {torn_tails} torn tails, {flips} flips \
         ({refusals} starts refused): identical"
    );
}

struct Job {
    place: tempfile::TempDir,
    command: String,
}

impl Job {
    fn random(rng: &mut Rng) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let workload = [
            "wordcount --output changes",
            "windowed-wordcount --window 5s --slide 2s --output changes",
            "windowed-wordcount --window 3s",
            "connected-components --window 4s --output changes",
        ][rng.below(4) as usize];
        let mut text = String::new();
        for _ in 0..6_000 {
            if workload.starts_with("connected") {
                text.push_str(&format!("[{},{}]\n", rng.below(300), rng.below(300)));
                continue;
            }
            for _ in 0..1 + rng.below(6) {
                text.push_str(&format!("w{} ", rng.below(60) * rng.below(60)));
            }
            text.push('\n');
        }
        fs::write(place.path().join("lines"), text).expect("written");
        let command = format!(
            "run {workload} --source file:lines --trigger available-now --records-per-partition 40"
        );
        Job { place, command }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn undisturbed(&self) {
        let command = format!("{} --sink jsonl:expected", self.command);
        tidegate(&command).within(self.place.path()).run().well();
    }

    /// Runs it to its end, whatever comes in between.
    fn disturbed(&self, rng: &mut Rng, tally: &mut Tally) {
        let saved = "--checkpoint state --checkpoint-every 15ms --sink jsonl:found";
        let mut flips: Vec<Flip> = Vec::new();
        for start in 0u64.. {
            let workers = 1 + rng.below(4);
            let how = match rng.below(2) {
                0 => format!("{} {saved} -w {workers}", self.command),
                _ => format!("launch -n 2 -w {} {} {saved}", 1 + workers / 3, self.command),
            };
            let job = tidegate(&how).within(self.place.path()).start();
            tally.starts += 1;
            // Often before it has begun, often in the middle; each time it gets a little further.
            let after = Duration::from_micros(rng.below(120_000 + 10_000 * start));
            match end_after(job, after, rng) {
                None => tally.kills += 1,
                Some(ended) if ended.code == Some(0) => return,
                Some(ended) => {
                    let is_refused = ended.code == Some(2) && !flips.is_empty();
                    assert!(is_refused, "{how} came to {:?}:\n{}", ended.code, ended.stderr);
                    // Nothing else would help.
                    flips.drain(..).for_each(Flip::mend);
                    tally.refusals += 1;
                }
            }
            if rng.below(4) == 0 && self.tear(rng) {
                tally.torn_tails += 1;
            }
            if rng.below(6) == 0
                && let Some(flip) = Flip::somewhere(&self.at("state"), rng)
            {
                flips.push(flip);
                tally.flips += 1;
            }
        }
    }

    /// Adds part of a row to the newest plan log, as if the process had died while writing it.
    fn tear(&self, rng: &mut Rng) -> bool {
        let Ok(logs) = fs::read_dir(self.at("state").join("plan")) else { return false };
        let Some(newest) = logs.flatten().map(|entry| entry.path()).max() else { return false };
        let mut bytes = fs::read(&newest).expect("read");
        // The length of a row, and less than that.
        bytes.extend_from_slice(&[100, 0, 0, 0]);
        bytes.extend((0..rng.below(90)).map(|_| rng.below(256) as u8));
        fs::write(&newest, bytes).expect("written");
        true
    }
}

/// Kills a job after a while; how it has ended, if it has before. Nothing of it is left.
fn end_after(mut job: Running, after: Duration, rng: &mut Rng) -> Option<Ended> {
    let begun = Instant::now();
    while begun.elapsed() < after && !job.has_ended() {
        std::thread::sleep(Duration::from_micros(200));
    }
    if job.has_ended() {
        return Some(job.end());
    }
    let children = job.children();
    if !children.is_empty() && rng.below(2) == 0 {
        // Only one of them: it is started again, and goes on for a while.
        send(children[rng.below(children.len() as u64) as usize], Signal::KILL);
        let begun = Instant::now();
        while begun.elapsed() < 3 * after && !job.has_ended() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    let children = job.children();
    job.signal(Signal::KILL);
    job.end();
    children.iter().for_each(|child| send(*child, Signal::KILL));
    while children.iter().any(|child| is_alive(*child)) {
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// A bit of a file that is not what it was.
struct Flip {
    path: PathBuf,
    byte: usize,
    bit: u8,
}

impl Flip {
    fn somewhere(state: &Path, rng: &mut Rng) -> Option<Self> {
        let checkpoints = ["state", "ckpt"].map(|part| state.join(part));
        let found: Vec<PathBuf> =
            checkpoints.iter().filter(|path| path.is_dir()).flat_map(|path| files(path)).collect();
        let path = found.get(rng.below(found.len().max(1) as u64) as usize)?.clone();
        let length = fs::metadata(&path).expect("there").len();
        if length == 0 {
            return None;
        }
        let flip = Flip { path, byte: rng.below(length) as usize, bit: 1 << rng.below(8) };
        flip.turn();
        Some(flip)
    }

    fn turn(&self) {
        let mut bytes = fs::read(&self.path).expect("read");
        bytes[self.byte] ^= self.bit;
        fs::write(&self.path, bytes).expect("written");
    }

    /// Turns it back, if the file is still needed.
    fn mend(self) {
        if self.path.exists() {
            self.turn();
        }
    }
}
