//! Checkpoints at a server that speaks S3.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use xtask::s3::{S3, S3_VARIABLE};

use crate::support::kills::{lines, with_kills};
use crate::support::process::{Program, tidegate};
use crate::support::{Rng, skipped, test};

const TESTS: &[(&str, fn(&S3))] = &[
    ("a job that is killed goes on from S3 as if nothing had happened", killed),
    ("what lies at S3 is listed, shown, copied and run again", inspected),
    ("a job that wakes after another has taken over ends, and spoils nothing", taken_over),
    ("a job that sleeps between its claim and its cut spoils nothing", overtaken_before_its_cut),
    ("a job that sleeps between its cut and its plan spoils nothing", overtaken_before_its_plan),
    ("lines are not written by two jobs, whoever has taken over", not_written_twice),
    ("a wrong URL is refused before anything starts", refused),
];

pub fn trials() -> Vec<Trial> {
    if std::env::var_os(S3_VARIABLE).is_none() {
        let why = format!("{S3_VARIABLE} is not set (`cargo xtask test` fetches a server)");
        return TESTS.iter().map(|(name, _)| skipped("recovery::objects", name, &why)).collect();
    }
    let trial = |(name, body): &(&str, fn(&S3))| {
        let body = *body;
        test("recovery::objects", name, move || body(&server()))
    };
    TESTS.iter().map(trial).collect()
}

/// One for all of them.
static SERVER: Mutex<Option<Arc<S3>>> = Mutex::new(None);

fn server() -> Arc<S3> {
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let started = || Arc::new(S3::start().expect("an S3 server"));
    Arc::clone(server.get_or_insert_with(started))
}

/// Ends the server, if there is one.
pub fn stop() {
    *SERVER.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

fn at_s3(s3: &S3, arguments: &str, place: &Path) -> Program {
    let program = tidegate(arguments).within(place);
    s3.variables()
        .into_iter()
        .fold(program, |program, (name, value)| program.variable(name, &value))
}

const JOB: &str = "run wordcount --source file:lines --trigger available-now \
                   --records-per-partition 40 --output changes";

/// The job's input, and what it gives undisturbed.
fn place(rng: &mut Rng, rows: usize) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("lines"), lines(rng, rows)).expect("written");
    tidegate(&format!("{JOB} --sink jsonl:expected")).within(place.path()).run().well();
    place
}

fn is_as_undisturbed(place: &Path, shown: &str) {
    let read = |name| fs::read(place.join(name)).expect("written");
    let (expected, found) = (read("expected"), read("found"));
    assert!(expected.len() > 10_000, "there is an output");
    assert!(expected == found, "{shown}: other bytes");
}

fn killed(s3: &S3) {
    let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(5);
    let mut rng = Rng::new(seed);
    let place = place(&mut rng, 3_000);
    let saved = format!("--checkpoint {} --checkpoint-every 50ms", s3.url("killed"));
    let kills = with_kills(&mut rng, Duration::from_millis(700), |workers| {
        let job = format!("{JOB} {saved} --sink jsonl:found -w {workers}");
        at_s3(s3, &job, place.path())
    });
    is_as_undisturbed(place.path(), &format!("seed {seed}: after {kills} kills"));
    assert!(kills >= 2, "seed {seed}: killed {kills} times only");
    eprintln!("{kills} kills");
}

fn inspected(s3: &S3) {
    let place = place(&mut Rng::new(6), 400);
    let state = s3.url("inspected");
    let run = |arguments: String| at_s3(s3, &arguments, place.path()).run();
    run(format!("checkpoint ls {state}")).failed(2, &["has no checkpoints", &state]);
    let saved = format!("--checkpoint {state} --checkpoint-every 0s --sink jsonl:found");
    run(format!("{JOB} {saved}")).well();
    is_as_undisturbed(place.path(), "undisturbed");

    let listed = run(format!("checkpoint ls {state} --json")).well().stdout;
    assert_eq!(listed.lines().count(), 3, "three are kept: {listed}");
    run(format!("checkpoint verify {state}")).well();
    let there = run(format!("checkpoint show {state} --json")).well().stdout;
    run(format!("savepoint {state} aside")).well();
    run(format!("savepoint {state} aside")).failed(2, &["`aside` is not empty"]);
    let here = run("checkpoint show aside --json".to_owned()).well().stdout;
    assert!(there.lines().count() > 100 && there == here, "the copy holds something else");
    run(format!("verify-replay {}", format!("{JOB} {saved}").trim_start_matches("run "))).well();
}

fn taken_over(s3: &S3) {
    let place = place(&mut Rng::new(7), 2_000);
    let saved = |state: &str, sink: &str| {
        format!("{JOB} --checkpoint {state} --checkpoint-every 0s --sink {sink}")
    };
    let state = s3.url("taken");
    let run = |arguments: &str| at_s3(s3, arguments, place.path()).run();
    let contents = |state: &str| run(&format!("checkpoint show {state} --json")).well().stdout;
    run(&saved("here", "null")).well();

    let mut first = at_s3(s3, &saved(&state, "null"), place.path()).start();
    let has_saved = || run(&format!("checkpoint ls {state} --json")).stdout.contains("batch");
    first.wait_until("has saved", |_| has_saved());
    first.signal(Signal::STOP);
    run(&saved(&state, "null")).well();
    assert!(contents("here") == contents(&state), "the second holds something else");
    first.signal(Signal::CONT);
    first.end().failed(1, &["was taken over", "as generation 2, and this is 1"]);
    run(&format!("checkpoint verify {state}")).well();
    // What the first may have left behind does not matter.
    run(&saved(&state, "null")).well();
    assert!(contents("here") == contents(&state), "the third holds something else");
}

/// One that claims, sleeps while another does everything, and wakes: it must not cut off the other's plan.
fn overtaken_before_its_cut(s3: &S3) {
    overtaken_at(s3, "claimed");
}

/// One that has cut, sleeps while another does everything, and wakes: what it plans then must not be taken
/// for a part of the plan.
fn overtaken_before_its_plan(s3: &S3) {
    overtaken_at(s3, "cut");
}

fn overtaken_at(s3: &S3, point: &str) {
    let place = place(&mut Rng::new(10), 1_000);
    let state = s3.url(&format!("overtaken-{point}"));
    let job = format!("{JOB} --checkpoint {state} --checkpoint-every 0s --sink null");
    let sleeper = at_s3(s3, &job, place.path()).variable("TIDEGATE_FAULT", &format!("{point}=nap"));
    let mut first = sleeper.variable("TIDEGATE_NAP", "awake").start();
    let asleep = place.path().join("awake.not-yet");
    first.wait_until("sleeps", |_| asleep.exists());
    let run = |arguments: &str| at_s3(s3, arguments, place.path()).run();
    run(&job).well();
    // It begins where the other has ended, and there must be something left to plan.
    let mut input =
        fs::OpenOptions::new().append(true).open(place.path().join("lines")).expect("there");
    input.write_all(b"tide\ngate\n").expect("written");
    fs::write(place.path().join("awake"), "").expect("written");
    first.end().failed(1, &["was taken over", "as generation 2, and this is 1"]);
    let listed = run(&format!("checkpoint ls {state}")).well().stdout;
    assert!(listed.contains("a restart begins behind batch 25"), "{listed}");
    run(&format!("checkpoint verify {state}")).well();
    run(&job).well();
}

fn not_written_twice(s3: &S3) {
    let place = place(&mut Rng::new(9), 4_000);
    let saved = format!("--checkpoint {} --checkpoint-every 30ms", s3.url("twice"));
    let job = format!("{JOB} {saved} --sink jsonl:found");
    let mut first = at_s3(s3, &job, place.path()).start();
    let out = place.path().join("found");
    first.wait_until("has written", |_| fs::metadata(&out).is_ok_and(|file| file.len() > 20_000));
    first.signal(Signal::STOP);
    let second = at_s3(s3, &job, place.path()).run();
    second.failed(2, &["`found` is being written by another job"]);
    first.signal(Signal::KILL);
    first.end();
    at_s3(s3, &job, place.path()).run().well();
    is_as_undisturbed(place.path(), "after the first has gone");
}

fn refused(s3: &S3) {
    let place = place(&mut Rng::new(8), 400);
    let refused = |url: &str, texts: &[&str]| {
        let job = format!("{JOB} --checkpoint {url} --sink jsonl:found");
        at_s3(s3, &job, place.path()).run().failed(2, texts);
        assert!(!place.path().join("found").exists(), "something was written");
    };
    refused("ftp://tidegate/state", &["can't keep checkpoints at", "s3:, gs: or az:"]);
    refused("s3://user:word@tidegate/state", &["credentials belong in the environment"]);
}
