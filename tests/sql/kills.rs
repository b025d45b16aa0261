//! Processes that are killed at any moment, again and again, with a database as their sink.

use std::fs;
use std::time::Duration;

use super::lane::{Kind, Place, Test};
use crate::support::Rng;
use crate::support::kills::{lines, with_kills};
use crate::support::process::tidegate;

pub const TESTS: &[Test] = &[(
    "whatever moment a job is killed at its tables are those of an undisturbed one",
    &Kind::ALL,
    killed,
)];

/// The first kill comes within this time.
const FIRST: Duration = Duration::from_millis(120);

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
        let job = format!("{job} --checkpoint state --checkpoint-every 15ms {}", sinks(&found));
        kills += with_kills(&mut rng, FIRST, |workers| {
            tidegate(&format!("{job} -w {workers}")).within(home.path())
        });
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
