//! Files of a batch each, written by a job that is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::kills::{lines, with_kills};
use crate::support::process::tidegate;
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["recovery::text_files";
        text_files_of_a_job_that_is_killed_are_those_of_an_undisturbed_one,
    ]
}

/// At most so long after its start the job is killed the first time.
const SOON: Duration = Duration::from_millis(120);

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
    let kills = with_kills(&mut rng, SOON, |workers| {
        tidegate(&format!("{job} {saved} -w {workers}")).within(place.path())
    });
    let read = |name| files(&place.path().join(name));
    let (expected, found) = (read("expected"), read("found"));
    assert_eq!(expected.len(), 100);
    assert!(expected == found, "other files after {kills} kills");
    assert!(kills >= 2, "killed {kills} times only");
    eprintln!("{kills} kills");
}
