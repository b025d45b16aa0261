//! Kafka topics.

mod plain;
mod progress;
mod target;
mod transactions;
mod upsert;

use std::sync::Arc;

use serde::Serialize;
use tidegate_operators::{Record, Tick, stable_hash};

use super::{Claim, Delivery, Sink, Writer};
use crate::error::SinkError;
use crate::kafka::{Client, brokers_of};
use plain::Plain;
use progress::Progress;
use target::Target;
use transactions::Transactions;
pub use upsert::{key_of, key_of_json};

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaMessage {
    /// Its key, which decides its partition; without one the payload does.
    pub key: Option<Vec<u8>>,
    /// Its payload; without one it is a tombstone, which says that there is nothing under its key.
    pub payload: Option<Vec<u8>>,
}

impl KafkaMessage {
    /// That of its key, or of its payload if it has none.
    fn hash(&self) -> u64 {
        stable_hash(self.key.as_deref().or(self.payload.as_deref()).unwrap_or_default())
    }
}

/// Takes a message.
type Give<'a> = dyn FnMut(KafkaMessage) -> Result<(), SinkError> + 'a;

/// Makes messages of a batch's rows.
type Encode<D> = Arc<dyn Fn(&[D], &mut Give<'_>) -> Result<(), SinkError> + Send + Sync>;

/// A hash by which messages are dealt to partitions and shards; none for a row that can't be a message.
type Hash<D> = Arc<dyn Fn(&D) -> Option<u64> + Send + Sync>;

/// Writes each row of a batch as a message to a topic, or keeps a topic equal to a table
/// ([`upsert`](KafkaSink::upsert)).
///
/// In a job with checkpoints each batch is a transaction, which holds its messages and a mark in a
/// topic of its own that says how far the sink has come. A restart reads the mark and goes on behind
/// it: each row is there exactly once, to readers with `isolation.level=read_committed`. It shuts
/// out whoever wrote before, even a process that was only asleep. A batch without rows is no
/// transaction.
///
/// Without checkpoints, or if [`at_least_once`](KafkaSink::at_least_once) is asked for, a batch counts
/// as written when the broker has acknowledged all of its messages; after a restart the last batches
/// may be sent again. Either way a broker that is away costs time only.
///
/// A message goes to partition `stable_hash(key) % partitions`, as the topic had them when the job
/// started.
///
/// ```
/// use tidegate::sink::{Delivery, KafkaSink, Sink};
///
/// let sink = KafkaSink::text("localhost:9092", "counts");
/// let readers = "with `isolation.level=read_committed`";
/// assert_eq!(sink.delivery(), Delivery::ExactlyOnceTo(readers));
/// assert_eq!(sink.at_least_once().delivery(), Delivery::AtLeastOnce);
/// ```
pub struct KafkaSink<D> {
    client: Client,
    topic: String,
    encode: Encode<D>,
    hash: Hash<D>,
    shards: usize,
    fail_fast: bool,
    at_least_once: bool,
    transactional_id: Option<String>,
    progress_topic: String,
}

/// Where sinks say how far they have come, unless told otherwise.
const PROGRESS_TOPIC: &str = "tidegate-progress";

impl KafkaSink<String> {
    /// Rows as text.
    pub fn text(brokers: &str, topic: &str) -> Self {
        KafkaSink::encoded(brokers, topic, |row: &String| {
            Ok(KafkaMessage { key: None, payload: Some(row.clone().into_bytes()) })
        })
    }
}

impl<D: Record> KafkaSink<D> {
    /// Rows as JSON.
    pub fn json(brokers: &str, topic: &str) -> Self
    where
        D: Serialize,
    {
        KafkaSink::encoded(brokers, topic, |row: &D| {
            Ok(KafkaMessage { key: None, payload: Some(json(row)?) })
        })
    }

    /// Rows as a function makes messages of them.
    pub fn encoded(
        brokers: &str,
        topic: &str,
        encode: impl Fn(&D) -> Result<KafkaMessage, String> + Send + Sync + 'static,
    ) -> Self {
        let encode = Arc::new(encode);
        let message = Arc::clone(&encode);
        let hash = move |row: &D| message(row).ok().as_ref().map(KafkaMessage::hash);
        let encode = move |rows: &[D], give: &mut Give<'_>| {
            rows.iter().try_for_each(|row| give(encode(row).map_err(no_message)?))
        };
        KafkaSink::new(brokers, topic, Arc::new(encode), Arc::new(hash))
    }

    fn new(brokers: &str, topic: &str, encode: Encode<D>, hash: Hash<D>) -> Self {
        KafkaSink {
            client: Client::new(brokers),
            topic: topic.to_owned(),
            encode,
            hash,
            shards: 1,
            fail_fast: false,
            at_least_once: false,
            transactional_id: None,
            progress_topic: PROGRESS_TOPIC.to_owned(),
        }
    }

    /// Sets any option of librdkafka.
    pub fn option(mut self, key: &str, value: &str) -> Self {
        match key {
            "transactional.id" => self.transactional_id(value),
            _ => {
                self.client.options.push((key.to_owned(), value.to_owned()));
                self
            }
        }
    }

    /// Whether to end the job when a message can't be delivered within a minute, instead of waiting
    /// for the broker to come back.
    pub fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }

    /// Writes without transactions even in a job with checkpoints: rows are seen a little earlier,
    /// by all readers, and those behind the last checkpoint again after a restart.
    pub fn at_least_once(mut self) -> Self {
        self.at_least_once = true;
        self
    }

    /// Into how many parts a batch is dealt, each written by a producer of its own at the same time as
    /// the others, in a transaction of its own; one, unless set. Messages with one key stay together, but
    /// a reader may see one part of a batch before another. With checkpoints their number must stay.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// The name under which it writes transactions and finds its marks again, with the shard's number
    /// behind it; unless given, that of the job and of the sink: `wordcount-kafka:counts`. Two jobs
    /// of one name that write to one topic need different ones.
    pub fn transactional_id(mut self, id: &str) -> Self {
        self.transactional_id = Some(id.to_owned());
        self
    }

    /// The topic that says how far the sink has come: `tidegate-progress`, unless given. It is created
    /// if need be, with one partition and `cleanup.policy=compact`; jobs may share it.
    pub fn progress_topic(mut self, topic: &str) -> Self {
        self.progress_topic = topic.to_owned();
        self
    }
}

fn json(row: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(row).map_err(|error| error.to_string())
}

fn no_message(reason: String) -> SinkError {
    SinkError::Invalid(format!("a row can't be made a message: {reason}"))
}

impl<D: Record> Sink<D> for KafkaSink<D> {
    fn name(&self) -> String {
        format!("kafka:{}", self.topic)
    }

    fn delivery(&self) -> Delivery {
        match self.at_least_once {
            true => Delivery::AtLeastOnce,
            false => Delivery::ExactlyOnceTo("with `isolation.level=read_committed`"),
        }
    }

    fn shards(&self) -> usize {
        self.shards
    }

    fn shard_of(&self, row: &D) -> usize {
        // A row that can't be a message is an error where it is written.
        ((self.hash)(row).unwrap_or(0) % self.shards as u64) as usize
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        brokers_of(&self.client.brokers).map_err(SinkError::Invalid)?;
        let (target, producer) = Target::find(&self.client, &self.topic, self.fail_fast)?;
        Ok(Box::new(KafkaWriter {
            encode: Arc::clone(&self.encode),
            outlet: Box::new(Plain::new(target.clone(), producer)),
            target,
            shards: self.shards as u64,
            at_least_once: self.at_least_once,
            transactional_id: self.transactional_id.clone(),
            progress_topic: self.progress_topic.clone(),
        }))
    }
}

/// What a batch's messages leave by.
trait Outlet: Send {
    fn send(&mut self, message: KafkaMessage) -> Result<(), SinkError>;

    /// Returns when the batch's messages are there for good.
    fn commit(&mut self, batch: u64) -> Result<(), SinkError>;
}

struct KafkaWriter<D> {
    encode: Encode<D>,
    outlet: Box<dyn Outlet>,
    target: Target,
    shards: u64,
    at_least_once: bool,
    transactional_id: Option<String>,
    progress_topic: String,
}

impl<D: Record> Writer<D> for KafkaWriter<D> {
    fn write(&mut self, _tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        (self.encode)(rows, &mut |message| self.outlet.send(message))
    }

    fn commit(&mut self, tick: &Tick) -> Result<(), SinkError> {
        self.outlet.commit(tick.id)
    }

    fn recover(&mut self, claim: &Claim<'_>) -> Result<Option<u64>, SinkError> {
        if self.at_least_once {
            return Ok(None);
        }
        let id = match &self.transactional_id {
            Some(id) => format!("{id}-{}", claim.shard),
            None => format!("{}-{}-{}", claim.job, claim.sink, claim.shard),
        };
        let progress = Progress::find(&self.target, &self.progress_topic)?;
        let transactions =
            Transactions::begin(self.target.clone(), progress, id, claim.generation, self.shards)?;
        let through = transactions.through();
        self.outlet = Box::new(transactions);
        Ok(Some(through))
    }
}
