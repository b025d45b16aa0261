//! Topics that are kept equal to a table.

use std::collections::BTreeMap;

use super::lane::{Message, address, committed_by_key, create_topic, end_of, produce};
use crate::support::Rng;
use crate::support::kills::{lines, with_kills};
use crate::support::process::tidegate;

pub const TESTS: &[(&str, fn())] = &[
    ("a key that changes is one message, and one that goes a tombstone", messages),
    ("whatever moment a job is killed at, each key has what an undisturbed job leaves", killed),
    ("a key that a row does not have ends the job, and nothing is written", no_such_field),
];

const PARTITIONS: i32 = 3;

fn topics(kafka: &str, name: &str, lines: &str) {
    create_topic(kafka, &format!("{name}-in"), 1);
    create_topic(kafka, &format!("{name}-out"), PARTITIONS);
    produce(kafka, &format!("{name}-in"), lines.lines().map(|line| Message::new(0, line)));
}

fn job(kafka: &str, name: &str, workload: &str, sink: &str) -> String {
    format!(
        "run {workload} --source kafka://{kafka}/{name}-in --trigger available-now --sink \
         kafka://{kafka}/{sink}"
    )
}

fn messages() {
    let kafka = address();
    topics(&kafka, "kept", "tide gate\ntide\nsea\n");
    let job = job(&kafka, "kept", "windowed-wordcount --window 2s", "kept-out?key=1");
    tidegate(&format!("{job} --records-per-partition 1 -w 2")).run().well();
    let row = |word: &str, count: i64| Some(format!("[\"{word}\",{count}]"));
    let expected = BTreeMap::from([
        ("gate".to_owned(), vec![row("gate", 1), None]),
        ("sea".to_owned(), vec![row("sea", 1)]),
        ("tide".to_owned(), vec![row("tide", 1), row("tide", 2), row("tide", 1)]),
    ]);
    assert_eq!(committed_by_key(&kafka, "kept-out"), expected);
}

fn killed() {
    let (kafka, place) = (address(), tempfile::tempdir().expect("a directory"));
    let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(3);
    let mut rng = Rng::new(seed);
    topics(&kafka, "kept-killed", &lines(&mut rng, 500));
    create_topic(&kafka, "kept-expected", PARTITIONS);
    let job = |sink: &str| {
        let job = job(&kafka, "kept-killed", "windowed-wordcount --window 5s", sink);
        format!("{job}?key=1&shards=2 --records-per-partition 20")
    };
    tidegate(&job("kept-expected")).within(place.path()).run().well();
    let saved = format!("{} --checkpoint state --checkpoint-every 15ms", job("kept-killed-out"));
    let kills = with_kills(&mut rng, std::time::Duration::from_millis(1_500), |workers| {
        tidegate(&format!("{saved} -w {workers}")).within(place.path())
    });
    let expected = committed_by_key(&kafka, "kept-expected");
    assert!(expected.values().flatten().any(Option::is_none), "words go");
    let found = committed_by_key(&kafka, "kept-killed-out");
    assert!(expected == found, "seed {seed}, {kills} kills: {found:?} is not {expected:?}");
    let other = saved.replace("shards=2", "shards=3");
    let ended = tidegate(&other).within(place.path()).run();
    ended.failed(2, &["was written in 2 shards", "is now to be written in 3"]);
}

fn no_such_field() {
    let kafka = address();
    topics(&kafka, "kept-wrong", "tide\n");
    let job = job(&kafka, "kept-wrong", "wordcount", "kept-wrong-out?key=word");
    let ended = tidegate(&job).run();
    assert!(ended.code != Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("no field `word`"), "{}", ended.stderr);
    assert!((0..PARTITIONS).all(|partition| end_of(&kafka, "kept-wrong-out", partition) == 0));
}
