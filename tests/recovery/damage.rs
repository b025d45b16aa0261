//! Checkpoints whose files are cut off, changed or gone: found out always, and never read.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::support::process::tidegate;
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["recovery::damage"; damaged_files_never_make_wrong_output]
}

const JOB: &str = "run wordcount --source file:lines --trigger available-now \
                   --records-per-partition 20 --output changes --checkpoint state \
                   --checkpoint-every 1ms --sink jsonl:found";

/// All files below a directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// What a run writes in all is right, or the run says what is wrong and writes nothing.
fn damaged_files_never_make_wrong_output() {
    let place = tempfile::tempdir().expect("a directory");
    let at = |name: &str| place.path().join(name);
    let mut rng = Rng::new(7);
    let half: String =
        (0..200).map(|_| format!("w{} w{}\n", rng.below(9), rng.below(50))).collect();
    let rest: String =
        (0..200).map(|_| format!("w{} w{}\n", rng.below(9), rng.below(50))).collect();
    fs::write(at("lines"), format!("{half}{rest}")).expect("written");
    tidegate(JOB).within(place.path()).run().well();
    let expected = fs::read(at("found")).expect("written");
    for name in ["found", "found.batches"] {
        fs::remove_file(at(name)).expect("removed");
    }
    fs::remove_dir_all(at("state")).expect("removed");

    // The first half, saved.
    fs::write(at("lines"), &half).expect("written");
    tidegate(JOB).within(place.path()).run().well();
    fs::write(at("lines"), format!("{half}{rest}")).expect("written");
    let saved: Vec<(PathBuf, Vec<u8>)> = files(place.path())
        .into_iter()
        .map(|path| (path.clone(), fs::read(&path).expect("read")))
        .collect();
    let of_state: Vec<&PathBuf> =
        saved.iter().map(|(path, _)| path).filter(|path| path.starts_with(at("state"))).collect();
    assert!(of_state.len() > 5, "{of_state:?}");
    let (mut refused, mut went_on) = (0, 0);
    for round in 0..16 {
        let path = of_state[round % of_state.len()];
        let mut bytes = fs::read(path).expect("read");
        match rng.below(3) {
            0 => fs::remove_file(path).expect("removed"),
            1 if !bytes.is_empty() => {
                let byte = rng.below(bytes.len() as u64) as usize;
                bytes[byte] ^= 1 << rng.below(8);
                fs::write(path, bytes).expect("written");
            }
            _ => {
                bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
                fs::write(path, bytes).expect("written");
            }
        }
        let before = fs::read(at("found")).expect("read");
        let ended = tidegate(JOB).within(place.path()).run();
        let found = fs::read(at("found")).expect("read");
        let shown = format!("round {round}: {} damaged: {}", path.display(), ended.stderr);
        match ended.code {
            Some(0) => {
                went_on += 1;
                assert!(found == expected, "{shown}");
            }
            _ => {
                refused += 1;
                assert!(ended.code == Some(2) || ended.code == Some(1), "{shown}");
                assert!(found == before, "{shown}");
            }
        }
        fs::remove_dir_all(at("state")).expect("removed");
        for (path, bytes) in &saved {
            fs::create_dir_all(path.parent().expect("a directory")).expect("created");
            fs::write(path, bytes).expect("written");
        }
    }
    assert!(refused > 0 && went_on > 0, "{refused} refused, {went_on} went on");
}
