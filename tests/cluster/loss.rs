//! One process is gone: so are the others, soon, and they say so.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;
use tidegate::sink::Null;
use tidegate::source::Generator;
use tidegate::{Cluster, Config, RunError, Secret};

use super::{hosts, process};
use crate::support::process::{Running, tidegate};
use crate::support::{fail_on_purpose, free_addresses, trials};

pub fn trials() -> Vec<Trial> {
    trials![
        "cluster";
        a_process_that_is_killed_takes_the_other_along_within_a_second,
        a_process_that_is_stopped_takes_the_other_along_within_five_seconds,
        a_panic_in_one_process_ends_the_other_within_a_second,
        a_launch_ends_when_one_of_its_processes_is_killed,
        sigterm_at_one_process_ends_both_well,
        two_processes_out_of_step_are_told_apart,
    ]
}

const JOB: &str = "run wordcount --source generate:?rate=2000 --interval 20ms";

/// Two processes that run, and have written something.
fn pair(at: &Path) -> [Running; 2] {
    let hosts = hosts(&free_addresses(2), at);
    let job = format!("{JOB} --sink jsonl:out");
    let mut first = process(0, &hosts, &job).within(at).start();
    let second = process(1, &hosts, &job).within(at).start();
    let out = at.join("out");
    first.wait_until("has written rows", |_| fs::metadata(&out).is_ok_and(|m| m.len() > 1000));
    [first, second]
}

fn a_process_that_is_killed_takes_the_other_along_within_a_second() {
    for killed in [0, 1] {
        let place = tempfile::tempdir().expect("a directory");
        let mut pair = Vec::from(pair(place.path()));
        let victim = pair.remove(killed);
        victim.signal(Signal::KILL);
        let at = Instant::now();
        let other = pair.remove(0).end();
        let took = other.at.duration_since(at);
        assert!(took < Duration::from_secs(1), "it took {took:?}:\n{}", other.stderr);
        let lost = format!("process {killed} is lost");
        other.failed(1, &[&lost, "it has failed or was killed"]);
    }
}

fn a_process_that_is_stopped_takes_the_other_along_within_five_seconds() {
    let place = tempfile::tempdir().expect("a directory");
    let [first, second] = pair(place.path());
    second.signal(Signal::STOP);
    let at = Instant::now();
    let other = first.end();
    let took = other.at.duration_since(at);
    assert!(took < Duration::from_secs(5), "it took {took:?}:\n{}", other.stderr);
    other.failed(1, &["process 1 is lost", "nothing was heard of it for 3 s"]);
    // When it goes on, it finds itself alone.
    second.signal(Signal::CONT);
    let at = Instant::now();
    let stopped = second.end();
    let took = stopped.at.duration_since(at);
    assert!(took < Duration::from_secs(5), "it took {took:?}:\n{}", stopped.stderr);
    stopped.failed(1, &["process 0 is lost"]);
}

/// Runs one process of two in a thread of this one; its worker panics at a record of 100, if it
/// is the one to.
fn run_in_thread(process: usize, addresses: &[String], panics: usize) -> Ending {
    let cluster = Cluster {
        process,
        addresses: addresses.to_vec(),
        secret: Secret::new("of the test"),
        join_timeout: Some(Duration::from_secs(20)),
        ..Cluster::default()
    };
    let config = Config::new("two").interval(Duration::from_millis(20)).cluster(cluster);
    std::thread::spawn(move || {
        let outcome = tidegate::run(config, move |ctx| {
            let numbers = Generator::new("numbers", 1, |_, n| n).partitions(2).rows_per_s(1000.0);
            let checked = ctx.source(numbers).map(move |n: u64| {
                if n >= 100 && process == panics {
                    fail_on_purpose("a hundred is too much");
                }
                n
            });
            checked.running().count_by_value().changes().sink(Null::default());
        });
        (outcome.map(|_| ()), Instant::now())
    })
}

type Ending = std::thread::JoinHandle<(Result<(), RunError>, Instant)>;

fn a_panic_in_one_process_ends_the_other_within_a_second() {
    for panics in [0, 1] {
        let addresses = free_addresses(2);
        let endings = [0, 1].map(|process| run_in_thread(process, &addresses, panics));
        let [first, second] = endings.map(|ending| ending.join().expect("an outcome, no panic"));
        let (own, other) = if panics == 0 { (first, second) } else { (second, first) };
        match own.0 {
            Err(RunError::WorkerPanicked { worker, message }) => {
                assert_eq!((worker, &*message), (panics, "a hundred is too much"));
            }
            outcome => panic!("it came to {outcome:?}"),
        }
        assert!(
            matches!(&other.0, Err(RunError::PeerLost { process, .. }) if *process == panics),
            "it came to {:?}",
            other.0
        );
        let apart = other.1.max(own.1).duration_since(other.1.min(own.1));
        assert!(apart < Duration::from_secs(1), "{apart:?} between the ends");
    }
}

fn a_launch_ends_when_one_of_its_processes_is_killed() {
    let place = tempfile::tempdir().expect("a directory");
    let job = format!("launch -n 2 {JOB} --sink jsonl:out");
    let mut running = tidegate(&job).within(place.path()).start();
    let out = place.path().join("out");
    running.wait_until("has written rows", |_| fs::metadata(&out).is_ok_and(|m| m.len() > 1000));
    let children = running.children();
    crate::support::process::send(children[1], Signal::KILL);
    let at = Instant::now();
    let ended = running.end();
    let took = ended.at.duration_since(at);
    assert!(took < Duration::from_secs(2), "it took {took:?}:\n{}", ended.stderr);
    let ended = ended.failed(1, &["process 1 is lost", "process 1 failed", "the job has ended"]);
    assert!(!children.into_iter().any(crate::support::process::is_alive), "{}", ended.stderr);
}

fn sigterm_at_one_process_ends_both_well() {
    let place = tempfile::tempdir().expect("a directory");
    let [first, second] = pair(place.path());
    second.signal(Signal::TERM);
    let (first, second) = (first.end().well(), second.end().well());
    assert!(first.figure("records in") > 0);
    assert!(!second.stderr.contains("lost"), "{}", second.stderr);
}

fn two_processes_out_of_step_are_told_apart() {
    let place = tempfile::tempdir().expect("a directory");
    let hosts = hosts(&free_addresses(2), place.path());
    let mut first = process(0, &hosts, &format!("{JOB} --sink null")).start();
    let other = JOB.replace("20ms", "40ms");
    let second = process(1, &hosts, &format!("{other} --sink null")).start();
    second.end().failed(2, &["another job", "the same program and flags", "process 0"]);
    first.wait_for("refused a connection");
    let asks_for_three = format!("{JOB} --sink null -n 3 -p 2 -H");
    let three = place.path().join("three");
    let two = fs::read_to_string(&hosts).expect("there");
    fs::write(&three, format!("{two}\n{}", free_addresses(1)[0])).expect("written");
    let third = tidegate(&format!("{asks_for_three} {}", three.display())).start();
    third.end().failed(2, &["this job has 2 processes, not 3"]);
    assert!(!first.has_ended(), "it waits for the right one");
}
