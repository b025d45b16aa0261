//! What is read from Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate::kafka::EmbeddedKafka;
use tidegate::metrics::{BatchRecord, Listener};
use tidegate::sink::{KafkaSink, Memory, Null};
use tidegate::source::{Kafka, Queue};
use tidegate::{Config, Trigger};

use super::Program;
use super::listeners::{Heard, through};
use crate::facts::case::Case;
use crate::facts::datum::Datum;
use crate::facts::driven::Driven;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    let program: Program = match &*case.op {
        "kafka_exactly_once" => sum_over_a_restart,
        "kafka_listener" => records_are_told,
        _ => return None,
    };
    Some(Ok(program))
}

const TOPIC: &str = "lines";

fn broker() -> EmbeddedKafka {
    let broker = EmbeddedKafka::start().expect("a broker");
    broker.create_topic(TOPIC, 1).expect("a topic");
    broker
}

fn write(broker: &EmbeddedKafka, lines: Vec<String>) {
    let (brokers, queue) = (broker.brokers(), Queue::new(1));
    queue.push(lines);
    tidegate::run(Config::new("write").trigger(Trigger::AvailableNow), move |ctx| {
        ctx.source(queue.clone()).sink(KafkaSink::text(&brokers, TOPIC));
    })
    .expect("the topic is filled");
}

/// The offsets of each batch that has any.
type Ranges = BTreeMap<u64, (u64, u64)>;

/// Cuts batches until the topic has been read up to an offset. A batch that is run again has the
/// offsets that it had.
fn read_up_to(
    offset: u64,
    local: &mut Driven,
    through: &Receiver<BatchRecord>,
    ranges: &mut Ranges,
) {
    let begun = Instant::now();
    while ranges.values().all(|(_, to)| *to < offset) {
        assert!(begun.elapsed() < Duration::from_secs(60), "never up to {offset}: {ranges:?}");
        local.tick();
        for record in through.try_iter() {
            let read = record.sources[0].partitions.iter().find(|read| read.records > 0);
            let Some(range) = read.map(|read| (read.from, read.to)) else { continue };
            let before = ranges.insert(record.batch, range);
            assert!(before.is_none_or(|before| before == range), "{before:?}, and then {range:?}");
        }
    }
}

fn sum_over_a_restart(case: &Case, workers: usize) {
    assert_eq!(case.text("fn"), Some("running sum by updateStateByKey"));
    let (broker, output, (listener, through)) = (broker(), Memory::<Datum>::new(), through());
    let (brokers, sink, lists) = (broker.brokers(), output.clone(), case.batches());
    let mut local = case
        .start(case.config(workers).listener(listener), move |ctx| {
            let numbers = ctx.source(Kafka::text(&brokers, TOPIC));
            let numbers = numbers.map(|line: String| ((), line.parse::<i64>().expect("a number")));
            let sums = numbers.update_state_by_key([], |update, sum: Option<i64>| {
                Some(sum.unwrap_or(0) + update.values.iter().sum::<i64>())
            });
            sums.snapshots().map(|((), sum)| Datum::from(sum)).sink(sink.clone());
        })
        .expect("the program can run");
    let (mut ranges, mut sums, mut written) = (Ranges::new(), Vec::new(), 0);
    for list in lists {
        write(&broker, list.iter().map(|number| number.number().to_string()).collect());
        written += list.len() as u64;
        read_up_to(written, &mut local, &through, &mut ranges);
        sums.push(output.rows().pop().expect("a batch is through"));
        local.step_over(&output);
    }
    local.stop().expect("the job ends well");
    case.compare(&sums);
    let ranges: Vec<(u64, u64)> = ranges.into_values().collect();
    assert_eq!(ranges[0].0, case.params["also_expect"]["first_from_offset"]);
    assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "each once: {ranges:?}");
}

fn records_are_told(case: &Case, workers: usize) {
    let lines = case.input[0].as_object().expect("messages").iter().flat_map(|(line, copies)| {
        vec![line.clone(); copies.as_u64().expect("a number of copies") as usize]
    });
    let (lines, broker) = (lines.collect::<Vec<_>>(), broker());
    let (brokers, heard, (listener, through)) = (broker.brokers(), Arc::default(), through());
    let written = lines.len() as u64;
    let config = case.config(workers).listener(listener);
    let config = config.listener(Arc::<Heard>::clone(&heard) as Arc<dyn Listener>);
    let mut local = case
        .start(config, move |ctx| {
            ctx.source(Kafka::text(&brokers, TOPIC)).sink(Null::default());
        })
        .expect("the program can run");
    write(&broker, lines);
    read_up_to(written, &mut local, &through, &mut Ranges::new());
    local.stop().expect("the job ends well");
    assert_eq!(json!([heard.records()]), json!(case.expected));
}
