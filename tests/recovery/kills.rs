//! Processes that are killed at any moment, again and again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::kills::{lines, with_kills};
use crate::support::process::tidegate;
use crate::support::{Rng, trials};

/// At most so long after its start a job is killed the first time.
const SOON: Duration = Duration::from_millis(120);

pub fn trials() -> Vec<Trial> {
    trials!["recovery::kills";
        whatever_moment_a_job_is_killed_at_its_output_is_that_of_an_undisturbed_one,
        text_files_of_a_job_that_is_killed_are_those_of_an_undisturbed_one,
        a_directory_belongs_to_one_job_at_a_time,
    ]
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
        kills += with_kills(place.path(), &mut rng, &format!("{job} {saved}"), SOON);
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

/// Every file of a directory with its content, temporary ones too.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| path.file_name().expect("a name").display().to_string();
    paths.map(|path| (name(&path), fs::read(&path).expect("read"))).collect()
}

fn text_files_of_a_job_that_is_killed_are_those_of_an_undisturbed_one() {
    let place = tempfile::tempdir().expect("a directory");
    let mut rng = Rng::new(3);
    fs::write(place.path().join("lines"), lines(&mut rng, 4_000)).expect("written");
    let job = "run wordcount --source file:lines --trigger available-now \
               --records-per-partition 40";
    tidegate(&format!("{job} --sink text:expected/n")).within(place.path()).run().well();
    let saved = "--checkpoint state --checkpoint-every 15ms --sink text:found/n";
    let kills = with_kills(place.path(), &mut rng, &format!("{job} {saved}"), SOON);
    let read = |name| files(&place.path().join(name));
    let (expected, found) = (read("expected"), read("found"));
    assert_eq!(expected.len(), 100);
    assert!(expected == found, "other files after {kills} kills");
    assert!(kills >= 2, "killed {kills} times only");
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
