//! The limit in Rust: a consumer and a producer of librdkafka, by way of the rdkafka crate, and nothing
//! between.
//!
//!     rdkafka-loop CORES RECORDS CHANGES
//!
//! As many threads as cores, each with partitions, a consumer and a producer of its own. Each record is
//! written as it was read. What is set is what librdkafka's manual says for throughput: a producer
//! lingers for longer than 50 ms and has a queue that doesn't fill, a consumer reads far ahead. Only
//! deliveries that fail are reported.

use std::env::args;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// For what a broker on the same machine does at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A topic, as `run.py` names it: `kafka://HOST:PORT/TOPIC`.
struct Topic {
    broker: String,
    name: String,
}

impl Topic {
    fn of(url: &str) -> Result<Self> {
        let mut parts = url.split('/').skip(2).map(str::to_owned);
        let (Some(broker), Some(name)) = (parts.next(), parts.next()) else {
            return Err(format!("no topic: {url}").into());
        };
        Ok(Topic { broker, name })
    }

    fn consumer(&self) -> Result<BaseConsumer> {
        Ok(ClientConfig::new()
            .set("bootstrap.servers", &self.broker)
            // A group id is needed even for partitions that are assigned by hand.
            .set("group.id", "rdkafka-loop")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("queued.min.messages", "1000000")
            .set("fetch.message.max.bytes", "4194304")
            .create()?)
    }

    fn producer(&self) -> Result<BaseProducer<Deliveries>> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.broker)
            .set("linger.ms", "100")
            .set("queue.buffering.max.messages", "1000000")
            .set("delivery.report.only.error", "true");
        Ok(BaseProducer::from_config_and_context(&config, Deliveries::default())?)
    }

    fn partitions(&self) -> Result<Vec<i32>> {
        let metadata = self.consumer()?.fetch_metadata(Some(&self.name), PATIENCE)?;
        Ok(metadata.topics()[0].partitions().iter().map(|it| it.id()).collect())
    }
}

/// Whether a delivery has failed.
#[derive(Default)]
struct Deliveries {
    failed: AtomicBool,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = args().skip(1).collect();
    let [cores, records, changes] = &arguments[..] else {
        return Err("rdkafka-loop CORES RECORDS CHANGES".into());
    };
    let cores: usize = cores.parse()?;
    let (records, changes) = (Topic::of(records)?, Topic::of(changes)?);
    let partitions = records.partitions()?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|thread| {
                let own: Vec<i32> = partitions.iter().copied().skip(thread).step_by(cores).collect();
                let (records, changes) = (&records, &changes);
                scope.spawn(move || move_all(records, &own, changes))
            })
            .collect();
        threads.into_iter().try_for_each(|it| it.join().expect("a thread panicked"))
    })
}

/// Writes what is in the partitions now.
fn move_all(records: &Topic, partitions: &[i32], changes: &Topic) -> Result<()> {
    let consumer = records.consumer()?;
    let mut assigned = TopicPartitionList::new();
    let mut left = 0;
    for &partition in partitions {
        assigned.add_partition_offset(&records.name, partition, Offset::Beginning)?;
        let (low, high) = consumer.fetch_watermarks(&records.name, partition, PATIENCE)?;
        left += high - low;
    }
    consumer.assign(&assigned)?;

    let producer = changes.producer()?;
    while left > 0 {
        let Some(record) = consumer.poll(PATIENCE) else {
            return Err("no more records come".into());
        };
        write(&producer, &changes.name, &record?)?;
        left -= 1;
    }
    producer.flush(PATIENCE)?;
    if producer.context().failed.load(Ordering::Relaxed) {
        return Err("not all records were written".into());
    }
    Ok(())
}

/// Puts a record into the producer's queue, waiting for as long as that is full.
fn write(producer: &BaseProducer<Deliveries>, topic: &str, record: &impl Message) -> Result<()> {
    let mut copy = BaseRecord::<[u8], [u8]>::to(topic);
    copy.key = record.key();
    copy.payload = record.payload();
    while let Err((error, refused)) = producer.send(copy) {
        if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
            return Err(error.into());
        }
        producer.poll(Duration::from_millis(1));
        copy = refused;
    }
    Ok(())
}
