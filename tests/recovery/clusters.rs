//! Jobs of several processes, which `launch` starts again; and who may use which checkpoints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::{hosts, process};
use crate::support::process::{Running, send, tidegate, tidegate_after};
use crate::support::{free_addresses, trials};

pub fn trials() -> Vec<Trial> {
    trials!["recovery::clusters";
        a_job_is_started_again_when_one_of_its_processes_is_killed,
        a_job_is_started_again_when_one_of_its_processes_is_stopped,
        a_job_that_gets_no_further_is_given_up_with_the_batches_it_fails_at,
        a_launched_job_that_is_told_to_stop_is_not_started_again,
        processes_with_other_checkpoints_are_told_apart,
        a_directory_belongs_to_one_job_at_a_time,
        a_host_file_says_which_processes_are_started_here,
        a_batch_that_no_start_gets_through_is_made_dead_letters_if_that_is_asked_for,
        what_a_job_can_not_get_through_can_be_found_and_put_aside_by_hand,
    ]
}

/// It never ends by itself; each of its rows is there once or not at all.
const JOB: &str = "run wordcount --source generate:?rate=2000 --interval 20ms --output changes \
                   --sink jsonl:out --checkpoint state --checkpoint-every 50ms";

fn wait_for_rows(job: &mut Running, place: &Path) {
    let out = place.join("out");
    let before = fs::metadata(&out).map_or(0, |m| m.len());
    job.wait_until("writes rows", |_| fs::metadata(&out).is_ok_and(|m| m.len() > before + 2000));
}

/// The sum of what each batch has changed is the contents, and no key is counted twice.
fn check_changes(place: &Path) {
    let text = fs::read_to_string(place.join("out")).expect("written");
    let mut counts = std::collections::BTreeMap::<String, Vec<i64>>::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let ((word, count), change): ((String, i64), i64) =
            serde_json::from_value(serde_json::json!([line["row"]["row"], line["row"]["diff"]]))
                .unwrap_or_else(|error| panic!("{error}: {line}"));
        let held = counts.entry(word.clone()).or_default();
        match change {
            1 => held.push(count),
            _ => {
                let at = held.iter().position(|known| *known == count);
                held.remove(at.unwrap_or_else(|| panic!("{word} {count} goes, and never came")));
            }
        }
    }
    // Within a batch what comes may stand before what goes: so this is looked at in the end.
    for (word, held) in counts {
        assert!(held.len() <= 1, "{word} has the counts {held:?}");
    }
}

fn a_job_is_started_again_when_one_of_its_processes_is_killed() {
    let place = tempfile::tempdir().expect("a directory");
    let mut job = tidegate(&format!("launch -n 2 -w 2 {JOB}")).within(place.path()).start();
    for victim in [0, 1, 1, 0] {
        wait_for_rows(&mut job, place.path());
        let children = job.children();
        send(children[victim], Signal::KILL);
        let at = Instant::now();
        job.wait_until("is started again", |job| {
            let now = job.children();
            now.len() == 2 && now.iter().all(|child| !children.contains(child))
        });
        let took = at.elapsed();
        assert!(took < Duration::from_secs(3), "it took {took:?}:\n{}", job.stderr());
    }
    wait_for_rows(&mut job, place.path());
    job.signal(Signal::TERM);
    let ended = job.end().well();
    assert!(ended.stderr.contains("the job is started again"), "{}", ended.stderr);
    check_changes(place.path());
}

fn a_job_is_started_again_when_one_of_its_processes_is_stopped() {
    for processes in [1, 2] {
        let place = tempfile::tempdir().expect("a directory");
        let job = format!("launch -n {processes} {JOB}");
        let mut job = tidegate(&job).within(place.path()).start();
        wait_for_rows(&mut job, place.path());
        let children = job.children();
        send(*children.last().expect("a child"), Signal::STOP);
        let at = Instant::now();
        job.wait_until("is started again", |job| {
            let now = job.children();
            now.len() == processes && now.iter().all(|child| !children.contains(child))
        });
        let took = at.elapsed();
        assert!(took < Duration::from_secs(6), "it took {took:?}:\n{}", job.stderr());
        wait_for_rows(&mut job, place.path());
        job.signal(Signal::TERM);
        job.end().well();
        check_changes(place.path());
    }
}

fn a_job_that_gets_no_further_is_given_up_with_the_batches_it_fails_at() {
    let place = tempfile::tempdir().expect("a directory");
    let lines: String = (0..4000).map(|n| format!("word{n} tide{n}\n")).collect();
    fs::write(place.path().join("lines"), lines).expect("written");
    // The sink can't be written to any further, and never will be.
    let job = "run wordcount --source file:lines --trigger available-now \
               --records-per-partition 100 --output changes --sink jsonl:out --checkpoint state \
               --checkpoint-every 1ms";
    let launch = format!("launch -n 2 --failures 3 {job}");
    let limited = tidegate_after("trap '' XFSZ; ulimit -f 64", &launch).within(place.path()).run();
    let ended = limited.failed(
        1,
        &["3 times without getting any further", "batch ", "lines [", "it goes on there"],
    );
    let begun_again = ended.stderr.matches("the job is started again").count();
    // The first failure had got further; another may have, by a batch that was planned ahead.
    assert!((2..=5).contains(&begun_again), "{begun_again} times:\n{}", ended.stderr);
    assert!(
        !ended.stderr.contains("SIGKILL"),
        "one that is not at fault is named:\n{}",
        ended.stderr
    );
    // With room, it goes on where it was.
    tidegate(&format!("launch -n 2 {job}")).within(place.path()).run().well();
    fs::rename(place.path().join("out"), place.path().join("found")).expect("moved");
    let plain = job.split(" --checkpoint").next().expect("the first part");
    tidegate(plain).within(place.path()).run().well();
    let read = |name| fs::read(place.path().join(name)).expect("written");
    assert!(read("found") == read("out"), "other bytes");
}

fn a_launched_job_that_is_told_to_stop_is_not_started_again() {
    let place = tempfile::tempdir().expect("a directory");
    let mut job = tidegate(&format!("launch -n 2 {JOB}")).within(place.path()).start();
    wait_for_rows(&mut job, place.path());
    job.signal(Signal::INT);
    let ended = job.end().well();
    assert!(!ended.stderr.contains("started again"), "{}", ended.stderr);
}

fn processes_with_other_checkpoints_are_told_apart() {
    let place = tempfile::tempdir().expect("a directory");
    let hosts = hosts(&free_addresses(2), place.path());
    let job = "run wordcount --source generate:?rate=2000 --interval 20ms --sink null";
    let start = |number, saved: &str| {
        process(number, &hosts, &format!("{job} {saved}")).within(place.path()).start()
    };
    let (first, second) = (start(0, "--checkpoint one"), start(1, "--checkpoint two"));
    second.end().failed(2, &["`two` does not have the checkpoints of process 0", "same directory"]);
    first.end().failed(1, &["process 1 is lost"]);
    let (first, second) = (start(0, "--checkpoint one"), start(1, ""));
    second.end().failed(2, &["another job", "same program and flags"]);
    first.signal(Signal::TERM);
    first.end();
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

fn a_host_file_says_which_processes_are_started_here() {
    let place = tempfile::tempdir().expect("a directory");
    let local = free_addresses(2);
    // TEST-NET-1: no host has it.
    let elsewhere = "192.0.2.1:2101".to_owned();
    let job = "run wordcount --source generate:?rate=2000 --interval 20ms --for 300ms --sink null";
    let launch = |addresses: &[String]| {
        let hosts = hosts(addresses, place.path()).display().to_string();
        tidegate(&format!("launch --hosts {hosts} {job}"))
            .variable("TIDEGATE_SECRET", "of the test")
            .within(place.path())
            .run()
    };
    launch(&local).well();
    launch(std::slice::from_ref(&elsewhere)).failed(2, &["none of the addresses", "this host's"]);
    let apart = [local[0].clone(), elsewhere, local[1].clone()];
    launch(&apart).failed(2, &["are apart in host file"]);
}

const POISONED: &str = "run wordcount --source file:lines --trigger available-now \
                        --records-per-partition 100 --output changes --sink jsonl:out \
                        --dead-letters dead --checkpoint state --checkpoint-every 1ms";

/// Lines of words, one of which no job gets through.
fn poisoned() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    let line = |n| if n == 1_234 { "poison\n".to_owned() } else { format!("word{n}\n") };
    fs::write(place.path().join("lines"), (0..2_000).map(line).collect::<String>())
        .expect("written");
    place
}

fn a_batch_that_no_start_gets_through_is_made_dead_letters_if_that_is_asked_for() {
    let place = poisoned();
    let launch = |poison: &str| {
        let launch = format!("launch -n 2 --failures 2 --poison {poison} {POISONED}");
        tidegate(&launch).within(place.path()).variable("TIDEGATE_POISON", "poison").run()
    };
    launch("stop").failed(1, &["2 times without getting any further", "it goes on there"]);
    let ended = launch("dead-letters").well();
    assert!(ended.stderr.contains("put aside is what it can't get through"), "{}", ended.stderr);
    let lines = |name| fs::read_to_string(place.path().join(name)).expect("written");
    let dead = lines("dead");
    let letters: Vec<Value> =
        dead.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // The batch with the poison, and nothing else: each record with its offset, as it was.
    assert_eq!(letters.len(), 100);
    assert_eq!(letters.iter().filter(|letter| letter["row"]["payload"] == "\"poison\"").count(), 1);
    let offsets: BTreeSet<u64> =
        letters.iter().map(|letter| letter["row"]["offset"].as_u64().expect("a number")).collect();
    assert_eq!(offsets.len(), 100);
    // Everything else is counted, once.
    let out = lines("out");
    assert_eq!(out.lines().count(), 1_900);
    assert!(!out.contains("poison"));
    assert!((0..2_000).filter(|n| out.contains(&format!("\"word{n}\""))).count() == 1_900);
}

fn what_a_job_can_not_get_through_can_be_found_and_put_aside_by_hand() {
    let place = poisoned();
    let run = |command: &str| {
        tidegate(command).within(place.path()).variable("TIDEGATE_POISON", "poison").run()
    };
    run(&format!("{POISONED} --plan-first")).failed(1, &["is poison"]);
    let rehearse = |through: u64| {
        run(&format!("rehearse --through {through} {}", POISONED.trim_start_matches("run ")))
    };
    let found = (1..=20).find(|batch| rehearse(*batch).code == Some(3)).expect("a batch");
    rehearse(found - 1).well();
    run("checkpoint set-aside state 99").failed(2, &["batch 99 is not among those"]);
    run(&format!("checkpoint set-aside state {found}")).well();
    run(POISONED).well();
    let out = fs::read_to_string(place.path().join("out")).expect("written");
    assert_eq!(out.lines().count(), 1_900);
}
