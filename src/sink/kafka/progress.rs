//! The topic in which sinks say how far they have come.
//!
//! Each mark is written in the transaction of its batch, under the transactional id as its key. All are
//! in partition 0, so that they are found again whatever becomes of the topic; compaction keeps the
//! last of each key.

use std::time::{Duration, Instant};

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::target::{Target, push};
use crate::error::SinkError;
use crate::kafka::Connection;

/// What a sink says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The start of the job that wrote this.
    pub(super) generation: u64,
    /// A number that no other start has, of whatever job.
    pub(super) run: u64,
    /// Through which batch everything is written.
    pub(super) batch: u64,
    /// Into how many parts batches are dealt: this is the mark of one of them.
    #[serde(default = "one")]
    pub(super) shards: u64,
}

/// Marks had no number of shards when there was one always.
fn one() -> u64 {
    1
}

/// The topic.
pub(super) struct Progress {
    topic: String,
}

/// An answer of the broker takes no longer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(20);
/// Marks are looked for among so many of the last records first; if there is none of ours, among
/// so many times more.
const WINDOW: i64 = 1_000;
const WIDER: i64 = 32;

impl Progress {
    /// Creates the topic, if it is not there.
    pub(super) fn find(target: &Target, topic: &str) -> Result<Self, SinkError> {
        let brokers = &target.client.brokers;
        let admin: AdminClient<Connection> = target.connect(&[], Connection::default())?;
        // librdkafka's mock cluster names itself so; it would say yes to everything.
        let cluster = admin.inner().fetch_cluster_id(ANSWER_MAX).unwrap_or_default();
        if cluster.starts_with("mockCluster") {
            return Err(SinkError::Invalid(format!(
                "the embedded broker at {brokers} knows no transactions: use a real one, or write at \
                 least once (`at_least_once`, `delivery=at-least-once`)"
            )));
        }
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_MAX));
        // As many replicas as the broker thinks right.
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1))
            .set("cleanup.policy", "compact")
            .set("segment.bytes", "16777216");
        let refused = match block_on(admin.create_topics([&new], &options)).as_deref() {
            Ok([Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))]) => None,
            Ok([Err((_, code)), ..]) => Some(code.to_string()),
            Ok(_) => Some("no answer".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        let created = Instant::now();
        while let Err(error) = target.partitions_of(admin.inner(), topic) {
            if let Some(why) = refused {
                return Err(SinkError::Invalid(format!(
                    "can't create topic `{topic}` at {brokers}, which says how far the sink has come \
                     ({why}): create it (`kafka-topics.sh --create --topic {topic} --partitions 1 \
                     --config cleanup.policy=compact`), or name another (`progress_topic`, \
                     `progress=`)"
                )));
            }
            // A broker says that it has created a topic before it knows of it.
            if created.elapsed() > ANSWER_MAX {
                return Err(error);
            }
            std::thread::sleep(GLANCE);
        }
        let place = [ResourceSpecifier::Topic(topic)];
        match block_on(admin.describe_configs(&place, &options)).as_deref() {
            Ok([Ok(found)]) => {
                let policy = found.get("cleanup.policy").and_then(|entry| entry.value.as_deref());
                if policy.is_some_and(|policy| policy != "compact") {
                    return Err(SinkError::Invalid(format!(
                        "topic `{topic}` at {brokers} says how far the sink has come, but forgets it \
                         after a time: set its `cleanup.policy` to `compact`, or name another \
                         (`progress_topic`, `progress=`)"
                    )));
                }
            }
            // Whoever may write to a topic need not be allowed to ask for this.
            other => log::warn!("can't see whether topic `{topic}` is compacted: {other:?}"),
        }
        Ok(Progress { topic: topic.to_owned() })
    }

    /// Adds a mark to the transaction.
    pub(super) fn send(
        &self,
        producer: &BaseProducer<Connection>,
        id: &str,
        mark: Mark,
    ) -> KafkaResult<()> {
        let text = serde_json::to_vec(&mark).expect("numbers have a JSON form");
        let record = BaseRecord::to(&self.topic).partition(0);
        push(producer, record.key(id.as_bytes()).payload(&text))
    }

    /// The last mark of an id, among those that are committed. To be asked when nobody else can write
    /// under this id any more.
    pub(super) fn last(
        &self,
        target: &Target,
        id: &str,
        connection: &Connection,
    ) -> Result<KafkaResult<Option<Mark>>, SinkError> {
        let consumer = |isolation| {
            let options = [
                ("group.id", "tidegate-progress"),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("enable.partition.eof", "true"),
                ("auto.offset.reset", "earliest"),
                ("fetch.wait.max.ms", "10"),
                ("isolation.level", isolation),
            ];
            target.connect(&options, connection.anew())
        };
        let (all, committed) = (consumer("read_uncommitted")?, consumer("read_committed")?);
        let text = match self.last_text(&all, &committed, id) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        let mark = serde_json::from_slice(&text).map_err(|error| {
            let (topic, text) = (&self.topic, String::from_utf8_lossy(&text));
            SinkError::Invalid(format!(
                "topic `{topic}` has `{text}` under `{id}`, which is no mark of a sink ({error}): name \
                 another topic (`progress_topic`, `progress=`)"
            ))
        })?;
        Ok(Ok(Some(mark)))
    }

    fn last_text(
        &self,
        all: &BaseConsumer<Connection>,
        committed: &BaseConsumer<Connection>,
        id: &str,
    ) -> KafkaResult<Option<Vec<u8>>> {
        let (_, end) = all.fetch_watermarks(&self.topic, 0, ANSWER_MAX)?;
        // Behind a transaction that is open nothing is shown. It can't be ours; a job that was killed
        // while it wrote keeps it open until it is started again, or the transaction's time is over.
        let begin = loop {
            let (begin, shown) = committed.fetch_watermarks(&self.topic, 0, ANSWER_MAX)?;
            if shown >= end {
                break begin;
            }
            std::thread::sleep(GLANCE);
        };
        let mut window = WINDOW;
        loop {
            let from = begin.max(end - window);
            let found = self.last_text_from(committed, id, from)?;
            if found.is_some() || from == begin {
                return Ok(found);
            }
            window = window.saturating_mul(WIDER);
        }
    }

    /// The last text under a key, of those from an offset on.
    fn last_text_from(
        &self,
        consumer: &BaseConsumer<Connection>,
        id: &str,
        from: i64,
    ) -> KafkaResult<Option<Vec<u8>>> {
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&self.topic, 0, Offset::Offset(from))?;
        consumer.assign(&place)?;
        let mut found = None;
        let mut heard = Instant::now();
        while heard.elapsed() < ANSWER_MAX {
            match consumer.poll(GLANCE) {
                None => continue,
                Some(Ok(message)) if message.key() == Some(id.as_bytes()) => {
                    found = message.payload().map(<[u8]>::to_vec);
                }
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
                Some(Err(error)) => return Err(error),
            }
            heard = Instant::now();
        }
        Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))
    }
}
