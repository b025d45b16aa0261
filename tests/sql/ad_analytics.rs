//! The Yahoo streaming benchmark as it is meant to be: from Kafka into a store, here one that has every
//! view once, however often the job is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::source::Generator;
use tidegate::source::generator::{AdEventType, ad_campaigns};
use xtask::kafka::Jars;

use super::lane::{Kind, Place};
use crate::kafka::lane::{Message, address, create_topic, produce};
use crate::support::Rng;
use crate::support::kills::with_kills;
use crate::support::process::tidegate;
use crate::support::{skipped, test};

const NAME: &str = "views of ads come from Kafka, each once, whatever moment the job is killed at";

pub fn trials() -> Vec<Trial> {
    let trials = Kind::ALL.map(|kind| {
        let module = format!("sql::{}", kind.name());
        match kind.missing().or_else(|| Jars::from_environment().err()) {
            None => test(&module, NAME, move || from_kafka(kind)),
            Some(why) => skipped(&module, NAME, &why),
        }
    });
    trials.into()
}

const RECORDS: u64 = 6_000;
const PARTITIONS: u64 = 3;
const SEED: u64 = 5;

fn from_kafka(kind: Kind) {
    let (kafka, topic) = (address(), format!("ads-{}", kind.name()));
    create_topic(&kafka, &topic, PARTITIONS as i32);
    // A minute of events.
    let activity = Generator::ad_activity(100, SEED);
    let events: Vec<_> = (0..RECORDS).map(|number| activity.record(0, number)).collect();
    let lines = events.iter().map(|event| serde_json::to_string(event).expect("JSON"));
    let lines: Vec<String> = lines.collect();
    let partitions = (0..RECORDS).map(|number| (number % PARTITIONS) as i32);
    produce(&kafka, &topic, partitions.zip(&lines).map(|(to, line)| Message::new(to, line)));

    let place = Place::new(kind);
    place.run(&format!(
        "CREATE TABLE views (campaign {}, window_ms BIGINT NOT NULL, views BIGINT NOT NULL, \
         PRIMARY KEY (campaign, window_ms))",
        kind.text()
    ));
    let (home, mut rng) = (tempfile::tempdir().expect("a directory"), Rng::new(SEED));
    let job = format!(
        "run ad-analytics --source kafka://{kafka}/{topic} --trigger available-now \
         --records-per-partition 40 --checkpoint state --checkpoint-every 15ms --sink {}",
        place.sink("table=views&key=campaign,window_ms")
    );
    let kills = with_kills(&mut rng, Duration::from_millis(120), |workers| {
        tidegate(&format!("{job} -w {workers}")).within(home.path())
    });
    assert!(kills >= 1, "seed {SEED}: it was never killed");

    let campaigns: BTreeMap<String, String> = ad_campaigns().collect();
    let mut expected: BTreeMap<(String, i64), i64> = BTreeMap::new();
    for event in events.iter().filter(|event| event.event_type == AdEventType::View) {
        let window_ms = event.event_time / 10_000 * 10_000;
        *expected.entry((campaigns[&event.ad_id].clone(), window_ms)).or_default() += 1;
    }
    let expected: Vec<Vec<Option<String>>> = expected
        .into_iter()
        .map(|((campaign, window_ms), views)| {
            vec![Some(campaign), Some(window_ms.to_string()), Some(views.to_string())]
        })
        .collect();
    let mut found = place.rows("SELECT campaign, window_ms, views FROM views");
    found.sort_by_key(|row| (row[0].clone(), row[1].as_ref().map(|ms| ms.parse::<i64>().ok())));
    assert!(expected.len() > 500, "a minute is six windows of a hundred campaigns");
    assert!(found == expected, "seed {SEED}: other views after {kills} kills");
}
