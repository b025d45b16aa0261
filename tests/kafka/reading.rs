//! What is read of a topic, and where it begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate::metrics::{BatchRecord, Listener};
use tidegate::sink::{KafkaSink, Memory};
use tidegate::source::kafka::StartAt;
use tidegate::source::{DeadLetter, Generator, Kafka};
use tidegate::{Config, RunError, Summary, Trigger, run, start};

use super::lane::{self, Message, address, create_topic, produce, produce_numbers, until};

pub const TESTS: &[(&str, fn())] = &[
    ("a job begins where it is told to", begins_where_it_is_told),
    ("a topic that is not there ends the job before it starts", missing_topic),
    ("what can't be decoded goes to the dead letters with its offset", dead_letters),
    ("partitions added while the job runs are read from their beginning", new_partitions),
    ("offsets of a batch are those of its records", offsets_of_batches),
    ("Kafka's own tool sees the job's lag", lag),
    ("what a job writes to a topic another one reads", written_and_read),
];

fn available_now(name: &str) -> Config {
    Config::new(name).trigger(Trigger::AvailableNow)
}

/// The rows that a job reads of a source that is `made`, sorted.
fn read(config: Config, made: impl Fn() -> Kafka<String> + Send + Sync + 'static) -> Vec<String> {
    let rows = Memory::new();
    let sink = rows.clone();
    run(config, move |ctx| ctx.source(made()).sink(sink.clone())).expect("a job that ends well");
    let mut rows = rows.rows().concat();
    rows.sort();
    rows
}

fn begins_where_it_is_told() {
    let kafka = address();
    create_topic(&kafka, "starts", 2);
    let lines: Vec<(i32, String)> = (0..20).map(|n| (n % 2, format!("{n:02}"))).collect();
    let messages = lines.iter().map(|(partition, line)| Message {
        timestamp_ms: Some(1_700_000_000_000 + line.parse::<i64>().expect("a number") * 1000),
        ..Message::new(*partition, line)
    });
    produce(&kafka, "starts", messages);
    let starting = |at: StartAt| {
        let kafka = kafka.clone();
        read(available_now("starts").workers(2), move || {
            Kafka::text(&kafka, "starts").start_at(at.clone()).group("starts")
        })
    };
    let all: Vec<String> = lines.iter().map(|(_, line)| line.clone()).collect();
    assert_eq!(starting(StartAt::Earliest), all);
    assert_eq!(starting(StartAt::Latest), Vec::<String>::new());
    assert_eq!(starting(StartAt::Timestamp(1_700_000_012_500)), all[13..]);
    assert_eq!(starting(StartAt::Timestamp(1_900_000_000_000)), Vec::<String>::new());
    let offsets = BTreeMap::from([(("starts".to_owned(), 0), 9), (("starts".to_owned(), 1), 8)]);
    assert_eq!(starting(StartAt::Offsets(offsets)), ["17", "18", "19"]);

    // The group is at the end now: `Earliest` has committed it, and so has `Offsets`.
    assert_eq!(starting(StartAt::Committed), Vec::<String>::new());
    produce(&kafka, "starts", [Message::new(0, "more")]);
    assert_eq!(starting(StartAt::Committed), ["more"]);

    let beyond = StartAt::Offsets(BTreeMap::from([(("starts".to_owned(), 1), 1000)]));
    let refused = run(available_now("beyond"), {
        let kafka = kafka.clone();
        move |ctx| {
            ctx.source(Kafka::text(&kafka, "starts").start_at(beyond.clone())).sink(Memory::new());
        }
    });
    let error = refused.expect_err("there is no such offset");
    let text = format!("{error:?}");
    assert!(
        error.is_before_start() && text.contains("1000") && text.contains("starts-1"),
        "{text}"
    );
}

fn missing_topic() {
    let kafka = address();
    let job = run(available_now("missing"), move |ctx| {
        ctx.source(Kafka::text(&kafka, "no-such-topic")).sink(Memory::new());
    });
    let error = job.expect_err("the topic is not there");
    assert!(error.is_before_start(), "{error:?}");
    assert!(format!("{error:?}").contains("no-such-topic"), "{error:?}");
}

fn dead_letters() {
    let kafka = address();
    create_topic(&kafka, "letters", 1);
    let large = vec![b'x'; 2000];
    let messages: [&[u8]; 5] = [b"one", b"\xff\xfe", b"two", &large, b"three"];
    produce(&kafka, "letters", messages.iter().map(|payload| Message::new(0, payload)));

    let (rows, dead) = (Memory::new(), Memory::<DeadLetter>::new());
    let (rows_sink, dead_sink) = (rows.clone(), dead.clone());
    let summary: Summary = run(available_now("letters").workers(2), move |ctx| {
        let source = Kafka::text(&kafka, "letters").record_bytes_max(1000);
        let (lines, letters) = ctx.source_with_dead_letters(source);
        lines.sink(rows_sink.clone());
        letters.sink(dead_sink.clone());
    })
    .expect("dead letters are no failure");
    assert_eq!(rows.rows().concat(), ["one", "two", "three"]);
    assert_eq!((summary.rows_in, summary.dead_letters), (3, 2));
    let dead = dead.rows().concat();
    let places: Vec<(&str, u64)> =
        dead.iter().map(|letter| (&*letter.partition, letter.offset)).collect();
    assert_eq!(places, [("letters-0", 1), ("letters-0", 3)]);
    assert!(dead[0].reason.contains("UTF-8"), "{}", dead[0].reason);
    assert!(dead[1].reason.contains("2000"), "{}", dead[1].reason);
}

fn new_partitions() {
    let kafka = address();
    create_topic(&kafka, "growing", 1);
    produce(&kafka, "growing", [Message::new(0, "before")]);
    let rows = Memory::new();
    let (sink, brokers) = (rows.clone(), kafka.clone());
    let config = Config::new("growing").workers(2).interval(Duration::from_millis(20));
    let job = start(config, move |ctx| {
        let source = Kafka::text(&brokers, "growing").refresh_every(Duration::from_millis(100));
        ctx.source(source).sink(sink.clone());
    })
    .expect("a job");
    let read = |count: usize| move |rows: &Memory<String>| rows.rows().concat().len() >= count;
    until("the first record", || read(1)(&rows));
    lane::add_partitions(&kafka, "growing", 3);
    produce(&kafka, "growing", (0..3).map(|partition| Message::new(partition, "after")));
    until("records of the new partitions", || read(4)(&rows));
    job.stop();
    job.join().expect("a job that ends well");
    let mut rows = rows.rows().concat();
    rows.sort();
    assert_eq!(rows, ["after", "after", "after", "before"]);
}

#[derive(Default)]
struct Records(Mutex<Vec<BatchRecord>>);

impl Listener for Records {
    fn batch_completed(&self, record: &BatchRecord) {
        self.0.lock().expect("no panic").push(record.clone());
    }
}

fn offsets_of_batches() {
    let kafka = address();
    create_topic(&kafka, "offsets", 2);
    produce_numbers(&kafka, "offsets", 2, 0..100);
    let records = Arc::new(Records::default());
    let config = available_now("offsets")
        .workers(2)
        .records_per_partition_max(20)
        .listener(Arc::clone(&records) as Arc<dyn Listener>);
    run(config, move |ctx| ctx.source(Kafka::text(&kafka, "offsets")).sink(Memory::new()))
        .expect("a job that ends well");
    let records = records.0.lock().expect("no panic");
    let mut partitions: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for record in records.iter() {
        let of_batch = record.sources.iter().flat_map(|source| &source.partitions);
        for partition in of_batch {
            assert_eq!(partition.to - partition.from, partition.records);
            let ranges = partitions.entry(partition.name.clone()).or_default();
            ranges.push((partition.from, partition.to));
        }
    }
    let expected = vec![(0, 20), (20, 40), (40, 50)];
    let names = ["offsets-0", "offsets-1"].map(|name| (name.to_owned(), expected.clone()));
    for ranges in partitions.values_mut() {
        ranges.retain(|(from, to)| from < to);
    }
    assert_eq!(partitions, BTreeMap::from(names));
}

fn lag() {
    let kafka = address();
    create_topic(&kafka, "lagging", 2);
    produce_numbers(&kafka, "lagging", 2, 0..60);
    let brokers = kafka.clone();
    run(available_now("lagging"), move |ctx| {
        ctx.source(Kafka::text(&brokers, "lagging").group("harbour")).sink(Memory::new());
    })
    .expect("a job that ends well");
    produce_numbers(&kafka, "lagging", 2, 60..70);
    let output = lane::with_broker(|broker| {
        let mut tool = broker.tool("consumer.group.ConsumerGroupCommand");
        tool.args(["--describe", "--group", "harbour"]).output().expect("Java")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...
    let mut rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().skip(1).take(5).collect::<Vec<_>>())
        .filter(|row| row.first() == Some(&"lagging"))
        .collect();
    rows.sort();
    assert_eq!(
        rows,
        [["lagging", "0", "30", "35", "5"], ["lagging", "1", "30", "35", "5"]],
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn written_and_read() {
    let kafka = address();
    create_topic(&kafka, "written", 3);
    let brokers = kafka.clone();
    let summary: Result<Summary, RunError> = run(available_now("writer").workers(2), move |ctx| {
        let lines = ctx.source(Generator::lines(5).records(5_000));
        lines.sink(KafkaSink::text(&brokers, "written"));
    });
    assert_eq!(summary.expect("a job that ends well").rows_out, 5_000);
    let sent: Vec<String> = {
        let rows = Memory::new();
        let sink = rows.clone();
        run(available_now("same"), move |ctx| {
            ctx.source(Generator::lines(5).records(5_000)).sink(sink.clone());
        })
        .expect("a job that ends well");
        let mut rows = rows.rows().concat();
        rows.sort();
        rows
    };
    let got = read(available_now("reader").workers(2), move || Kafka::text(&kafka, "written"));
    assert!(got == sent, "{} rows sent, {} read", sent.len(), got.len());
}
