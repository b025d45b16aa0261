//! Kafka topics.
//!
//! Partitions are assigned, not subscribed to by a group: partition `p` of the program's `i`-th
//! source belongs to worker `(i + p) % workers`. Each worker has a client of its own, on its feeder's
//! thread. Offsets are the job's own business; a consumer group's offsets are committed after the
//! sinks have confirmed a batch, for Kafka's lag tools.

mod reader;
mod record;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use serde::de::DeserializeOwned;
use tidegate_operators::Record;

pub use record::KafkaRecord;
pub use start::StartAt;

use super::{Attempt, Opening, Partition, Reader, Source};
use crate::error::SourceError;
use crate::kafka::{Client, Connection, Topic, brokers_of, explain, find_topics};
use reader::KafkaReader;

/// Makes a record of a message, or says why that is not possible.
type Decode<D> = Arc<dyn Fn(&KafkaRecord<'_>) -> Result<D, String> + Send + Sync>;

/// The records of one or more Kafka topics.
///
/// A message that can't be decoded, or that is larger than allowed, goes to the dead letters with
/// its topic, partition, offset and the reason. A broker that goes away costs time only; a topic
/// that is gone, or offsets that the broker no longer has, end the job.
///
/// ```
/// use tidegate::kafka::EmbeddedKafka;
/// use tidegate::sink::{KafkaSink, Memory};
/// use tidegate::source::{Generator, Kafka};
/// use tidegate::{Config, Trigger};
///
/// let broker = EmbeddedKafka::start()?;
/// broker.create_topic("lines", 3)?;
/// let available = || Config::new("example").trigger(Trigger::AvailableNow);
///
/// let brokers = broker.brokers();
/// tidegate::run(available(), move |ctx| {
///     let lines = ctx.source(Generator::lines(1).records(100));
///     lines.sink(KafkaSink::text(&brokers, "lines"));
/// })?;
///
/// let (brokers, read) = (broker.brokers(), Memory::new());
/// let sink = read.clone();
/// let summary = tidegate::run(available().workers(2), move |ctx| {
///     ctx.source(Kafka::text(&brokers, "lines")).sink(sink.clone());
/// })?;
/// assert_eq!((summary.rows_in, summary.dead_letters), (100, 0));
/// assert_eq!(read.rows().concat().len(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Kafka<D> {
    client: Client,
    topics: Vec<String>,
    decode: Decode<D>,
    start: StartAt,
    group: Option<String>,
    record_bytes_max: usize,
    refresh_every: Duration,
    found: Vec<Topic>,
    /// A client for questions, shared by the readers.
    inquirer: Option<Arc<BaseConsumer<Connection>>>,
}

/// Messages larger than this go to the dead letters, unless configured otherwise.
const RECORD_BYTES_MAX: usize = 16 << 20;
/// So often it is asked whether a topic has new partitions.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// Numbers of partitions within a topic are below this; the topic's number is above.
const PARTITION_BITS: u32 = 20;

impl Kafka<String> {
    /// Messages as text.
    pub fn text(brokers: &str, topic: &str) -> Self {
        Kafka::decoded(brokers, topic, |record| {
            let payload = record.payload().ok_or("the message has no payload")?;
            let text =
                std::str::from_utf8(payload).map_err(|error| format!("no UTF-8: {error}"))?;
            Ok(text.to_owned())
        })
    }
}

impl<D: Record> Kafka<D> {
    /// Messages as JSON.
    pub fn json(brokers: &str, topic: &str) -> Self
    where
        D: DeserializeOwned,
    {
        Kafka::decoded(brokers, topic, |record| {
            let payload = record.payload().ok_or("the message has no payload")?;
            serde_json::from_slice(payload).map_err(|error| format!("not as expected: {error}"))
        })
    }

    /// Messages decoded by a function of the message as it lies in the client's buffer.
    pub fn decoded(
        brokers: &str,
        topic: &str,
        decode: impl Fn(&KafkaRecord<'_>) -> Result<D, String> + Send + Sync + 'static,
    ) -> Self {
        Kafka {
            client: Client::new(brokers),
            topics: vec![topic.to_owned()],
            decode: Arc::new(decode),
            start: StartAt::Earliest,
            group: None,
            record_bytes_max: RECORD_BYTES_MAX,
            refresh_every: REFRESH_EVERY,
            found: Vec::new(),
            inquirer: None,
        }
    }

    /// Reads another topic as well.
    pub fn and_topic(mut self, topic: &str) -> Self {
        self.topics.push(topic.to_owned());
        self
    }

    /// Where to begin; at the earliest offsets, unless said otherwise.
    pub fn start_at(mut self, start: StartAt) -> Self {
        self.start = start;
        self
    }

    /// Commits offsets to a consumer group after each batch that all sinks have confirmed, so that
    /// Kafka's own tools see how far the job is.
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Sets any option of librdkafka: security, buffer sizes, and so on.
    pub fn option(mut self, key: &str, value: &str) -> Self {
        self.client.options.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Sets the size in bytes above which a message goes to the dead letters.
    pub fn record_bytes_max(mut self, bytes: usize) -> Self {
        self.record_bytes_max = bytes;
        self
    }

    /// Sets how often it is asked whether a topic has new partitions.
    pub fn refresh_every(mut self, time: Duration) -> Self {
        self.refresh_every = time;
        self
    }

    fn consumer_defaults(&self) -> Vec<(&str, &str)> {
        vec![
            // A group id is needed even for partitions that are assigned by hand.
            ("group.id", self.group.as_deref().unwrap_or("tidegate")),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // An offset that is gone is an error, not an excuse to skip or repeat records.
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "true"),
            ("allow.auto.create.topics", "false"),
            ("queued.min.messages", "1000000"),
            ("fetch.message.max.bytes", "4194304"),
            ("fetch.wait.max.ms", "50"),
            ("fetch.error.backoff.ms", "100"),
            ("reconnect.backoff.max.ms", "1000"),
        ]
    }
}

/// The partition's number within the source.
fn number(topic: usize, partition: u32) -> u32 {
    ((topic as u32) << PARTITION_BITS) | partition
}

impl<D: Record> Source for Kafka<D> {
    type Item = D;

    fn name(&self) -> String {
        format!("kafka:{}", self.topics.join(","))
    }

    fn partitions(&mut self, attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        brokers_of(&self.client.brokers).map_err(SourceError::Invalid)?;
        let consumer: BaseConsumer<Connection> = self
            .client
            .config(&self.consumer_defaults())
            .create_with_context(Connection::default())
            .map_err(|error| explain("can't make a Kafka client".into(), error))?;
        let mut complained = false;
        self.found =
            find_topics(consumer.client(), &self.client.brokers, &self.topics, &mut |why| {
                if attempt.fail_fast || (attempt.is_stopping)() {
                    return false;
                }
                if !std::mem::replace(&mut complained, true) {
                    log::warn!("waiting for Kafka at {}: {why}", self.client.brokers);
                }
                true
            })?;
        self.inquirer = Some(Arc::new(consumer));
        let partitions = self.found.iter().enumerate().flat_map(|(index, topic)| {
            (0..topic.partitions).map(move |partition| Partition {
                id: number(index, partition),
                name: format!("{}-{partition}", topic.name),
            })
        });
        Ok(partitions.collect())
    }

    fn worker_of(&self, partition: u32, source_index: usize, workers: usize) -> usize {
        let (topic, partition) =
            (partition >> PARTITION_BITS, partition & ((1 << PARTITION_BITS) - 1));
        (source_index + topic as usize + partition as usize) % workers
    }

    fn has_more(
        &mut self,
        positions: &BTreeMap<u32, u64>,
        bounded: bool,
    ) -> Result<bool, SourceError> {
        let (true, Some(inquirer)) = (bounded, &self.inquirer) else { return Ok(true) };
        let topics = self.found.iter().enumerate();
        let mut partitions = topics.flat_map(|(index, topic)| {
            (0..topic.partitions).map(move |partition| (index, &topic.name, partition))
        });
        partitions.try_fold(false, |has_more, (index, topic, partition)| {
            let read = positions.get(&number(index, partition)).copied().unwrap_or(0);
            Ok(has_more || start::end_of(inquirer, topic, partition as i32)? as u64 > read)
        })
    }

    fn rewinds(&self) -> bool {
        true
    }

    fn reads_again(&self) -> bool {
        self.start != StartAt::Latest
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        Ok(Box::new(KafkaReader::open(self, assigned, opening)?))
    }
}
