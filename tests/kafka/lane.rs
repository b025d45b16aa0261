//! One broker for all tests of the lane, each with topics of its own.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use xtask::kafka::{Broker, Jars};

static BROKER: Mutex<Option<Broker>> = Mutex::new(None);

/// The jars that `cargo xtask test` has fetched.
pub fn jars() -> Jars {
    Jars::from_environment().expect("the lane runs only where they are")
}

/// Lets a test have the broker.
pub fn with_broker<T>(body: impl FnOnce(&Broker) -> T) -> T {
    let mut broker = BROKER.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let broker = broker.get_or_insert_with(|| Broker::start(&jars(), 0).expect("a broker"));
    body(broker)
}

/// The broker's `HOST:PORT`.
pub fn address() -> String {
    with_broker(Broker::address)
}

/// Stops the broker, if a test has needed one.
pub fn stop() {
    BROKER.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
}

const TIMEOUT: Duration = Duration::from_secs(20);

fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

fn admin(address: &str) -> AdminClient<DefaultClientContext> {
    client(address).create().expect("an admin client")
}

pub fn create_topic(address: &str, topic: &str, partitions: i32) {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let outcomes = block_on(admin(address).create_topics([&new], &options)).expect("an answer");
    match &outcomes[..] {
        [Ok(_)] => {}
        other => panic!("topic {topic}: {other:?}"),
    }
}

pub fn add_partitions(address: &str, topic: &str, partitions: usize) {
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let more = NewPartitions::new(topic, partitions);
    let outcomes =
        block_on(admin(address).create_partitions([&more], &options)).expect("an answer");
    assert!(matches!(&outcomes[..], [Ok(_)]), "{outcomes:?}");
    // The broker says yes before it takes records for them.
    let consumer: BaseConsumer = client(address).create().expect("a consumer");
    while consumer
        .fetch_metadata(Some(topic), TIMEOUT)
        .is_ok_and(|found| found.topics()[0].partitions().len() < partitions)
    {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A message for a partition, with a timestamp in milliseconds, or the broker's.
pub struct Message<'a> {
    pub partition: i32,
    pub payload: &'a [u8],
    pub timestamp_ms: Option<i64>,
}

impl<'a> Message<'a> {
    pub fn new(partition: i32, payload: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Message { partition, payload: payload.as_ref(), timestamp_ms: None }
    }
}

/// Sends messages and waits until the broker has them.
pub fn produce<'a>(address: &str, topic: &str, messages: impl IntoIterator<Item = Message<'a>>) {
    let producer: BaseProducer = client(address)
        .set("message.max.bytes", "3000000")
        .set("linger.ms", "1")
        .create()
        .expect("a producer");
    for message in messages {
        let mut record: BaseRecord<'_, (), [u8]> =
            BaseRecord::to(topic).partition(message.partition).payload(message.payload);
        record.timestamp = message.timestamp_ms;
        while let Err((error, again)) = producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
            producer.poll(Duration::from_millis(10));
            record = again;
        }
    }
    producer.flush(TIMEOUT).expect("all messages sent");
}

/// What a reader sees who reads only what is committed: the payloads of each partition, in order. There
/// must be no open transaction in its way.
pub fn committed(address: &str, topic: &str) -> Vec<Vec<String>> {
    payloads(messages(address, topic, "read_committed"))
}

/// What others see.
pub fn uncommitted(address: &str, topic: &str) -> Vec<Vec<String>> {
    payloads(messages(address, topic, "read_uncommitted"))
}

/// What is committed under each key: its payloads in order, `None` for a tombstone.
pub fn committed_by_key(address: &str, topic: &str) -> BTreeMap<String, Vec<Option<String>>> {
    let mut found = BTreeMap::new();
    for (key, payload) in messages(address, topic, "read_committed").into_iter().flatten() {
        let payloads: &mut Vec<_> = found.entry(key.expect("a key")).or_default();
        payloads.push(payload);
    }
    found
}

fn payloads(messages: Vec<Vec<KeyAndPayload>>) -> Vec<Vec<String>> {
    let payload = |(_, payload): KeyAndPayload| payload.expect("a payload");
    messages.into_iter().map(|partition| partition.into_iter().map(payload).collect()).collect()
}

type KeyAndPayload = (Option<String>, Option<String>);

fn messages(address: &str, topic: &str, isolation: &str) -> Vec<Vec<KeyAndPayload>> {
    let reader = |isolation| -> BaseConsumer {
        let mut config = client(address);
        config.set("group.id", "contents").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").set("isolation.level", isolation);
        config.create().expect("a consumer")
    };
    let (consumer, all) = (reader(isolation), reader("read_uncommitted"));
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("metadata");
    let partitions = metadata.topics()[0].partitions().len();
    let mut places = TopicPartitionList::new();
    for partition in 0..partitions as i32 {
        let end =
            |by: &BaseConsumer| by.fetch_watermarks(topic, partition, TIMEOUT).expect("ends").1;
        assert_eq!(end(&consumer), end(&all), "a transaction is open in {topic}-{partition}");
        places.add_partition_offset(topic, partition, Offset::Beginning).expect("a place");
    }
    consumer.assign(&places).expect("assigned");
    let mut read = vec![Vec::new(); partitions];
    let mut left = partitions;
    while left > 0 {
        match consumer.poll(TIMEOUT).expect("a message or an end") {
            Ok(message) => {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let parts = (message.key().map(text), message.payload().map(text));
                read[message.partition() as usize].push(parts);
            }
            Err(KafkaError::PartitionEOF(_)) => left -= 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    read
}

/// How many offsets a partition has given out so far.
pub fn end_of(address: &str, topic: &str, partition: i32) -> i64 {
    let mut config = client(address);
    let reader: BaseConsumer =
        config.set("isolation.level", "read_uncommitted").create().expect("a consumer");
    reader.fetch_watermarks(topic, partition, TIMEOUT).expect("ends").1
}

/// Begins a transaction, writes a message to a partition, and goes without ending it.
pub fn leave_open(address: &str, id: &str, topic: &str, partition: i32, payload: &str) {
    let mut config = client(address);
    let producer: BaseProducer = config.set("transactional.id", id).create().expect("a producer");
    producer.init_transactions(TIMEOUT).expect("begun");
    producer.begin_transaction().expect("begun");
    let record: BaseRecord<'_, (), str> =
        BaseRecord::to(topic).partition(partition).payload(payload);
    producer.send(record).map_err(|(error, _)| error).expect("sent");
    producer.flush(TIMEOUT).expect("sent");
}

/// Numbered lines `FROM..TO`, dealt to the partitions in turn.
pub fn produce_numbers(address: &str, topic: &str, partitions: i32, numbers: std::ops::Range<u64>) {
    let lines: Vec<(i32, String)> =
        numbers.map(|n| ((n % partitions as u64) as i32, format!("line {n}"))).collect();
    produce(address, topic, lines.iter().map(|(partition, line)| Message::new(*partition, line)));
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < TIMEOUT, "not in {TIMEOUT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
