//! While the broker is away.

use std::time::Duration;

use tidegate::sink::{KafkaSink, Memory};
use tidegate::source::Kafka;
use tidegate::{Config, Trigger, run, start};
use xtask::kafka::Broker;

use super::lane::{create_topic, jars, produce_numbers, until};

pub const TESTS: &[(&str, fn())] =
    &[("a broker that goes away and comes back costs time only", away_and_back)];

fn away_and_back() {
    // A broker of its own: the others' must not go away.
    let mut broker = Broker::start(&jars(), 0).expect("a broker");
    let kafka = broker.address();
    create_topic(&kafka, "in", 2);
    create_topic(&kafka, "out", 2);
    produce_numbers(&kafka, "in", 2, 0..1_000);

    let rows = Memory::new();
    let (sink, brokers) = (rows.clone(), kafka.clone());
    let config = Config::new("outage").workers(2).interval(Duration::from_millis(50));
    let job = start(config, move |ctx| {
        let lines = ctx.source(Kafka::text(&brokers, "in"));
        lines.clone().sink(KafkaSink::text(&brokers, "out"));
        lines.sink(sink.clone());
    })
    .expect("a job");
    let read = |count: usize| move |rows: &Memory<String>| rows.rows().concat().len() >= count;
    until("the records before", || read(1_000)(&rows));
    broker.kill();
    std::thread::sleep(Duration::from_millis(500));
    broker.resume().expect("the broker comes back");
    produce_numbers(&kafka, "in", 2, 1_000..2_000);
    until("the records after", || read(2_000)(&rows));
    job.stop();
    let summary = job.join().expect("a job that ends well");
    assert_eq!(summary.rows_in, 2_000);

    let expected: Vec<String> = {
        let mut lines: Vec<String> = (0..2_000).map(|n| format!("line {n}")).collect();
        lines.sort();
        lines
    };
    let sorted = |rows: &Memory<String>| {
        let mut rows = rows.rows().concat();
        rows.sort();
        rows
    };
    assert!(sorted(&rows) == expected, "every record once, in spite of the outage");
    let written = Memory::new();
    let sink = written.clone();
    let config = Config::new("check").trigger(Trigger::AvailableNow);
    run(config, move |ctx| ctx.source(Kafka::text(&kafka, "out")).sink(sink.clone()))
        .expect("a job that ends well");
    assert!(sorted(&written) == expected, "every row is written, and none twice");
}
