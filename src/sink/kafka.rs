//! Kafka topics.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::Serialize;
use tidegate_operators::{Record, Tick, stable_hash};

use super::{Sink, Writer};
use crate::engine::control::lock;
use crate::error::{SinkError, SourceError};
use crate::kafka::{Client, Connection, brokers_of, find_topics};

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaMessage {
    /// Its key, which decides its partition; without one the payload does.
    pub key: Option<Vec<u8>>,
    /// Its payload.
    pub payload: Vec<u8>,
}

type Encode<D> = Arc<dyn Fn(&D) -> Result<KafkaMessage, String> + Send + Sync>;

/// Writes each row of a batch as a message to a topic.
///
/// A batch counts as written when the broker has acknowledged all of its messages; a broker that is
/// away costs time only. After a restart, the last batches may be sent again: at least once.
///
/// A message goes to partition `stable_hash(key) % partitions`, as the topic had them when the job
/// started.
pub struct KafkaSink<D> {
    client: Client,
    topic: String,
    encode: Encode<D>,
    fail_fast: bool,
}

impl KafkaSink<String> {
    /// Rows as text.
    pub fn text(brokers: &str, topic: &str) -> Self {
        KafkaSink::encoded(brokers, topic, |row: &String| {
            Ok(KafkaMessage { key: None, payload: row.clone().into_bytes() })
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
            let payload = serde_json::to_vec(row).map_err(|error| error.to_string())?;
            Ok(KafkaMessage { key: None, payload })
        })
    }

    /// Rows as a function makes messages of them.
    pub fn encoded(
        brokers: &str,
        topic: &str,
        encode: impl Fn(&D) -> Result<KafkaMessage, String> + Send + Sync + 'static,
    ) -> Self {
        KafkaSink {
            client: Client::new(brokers),
            topic: topic.to_owned(),
            encode: Arc::new(encode),
            fail_fast: false,
        }
    }

    /// Sets any option of librdkafka.
    pub fn option(mut self, key: &str, value: &str) -> Self {
        self.client.options.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Whether to end the job when a message can't be delivered within a minute, instead of waiting
    /// for the broker to come back.
    pub fn fail_fast(mut self, fail_fast: bool) -> Self {
        self.fail_fast = fail_fast;
        self
    }
}

impl<D: Record> Sink<D> for KafkaSink<D> {
    fn name(&self) -> String {
        format!("kafka:{}", self.topic)
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        brokers_of(&self.client.brokers).map_err(SinkError::Invalid)?;
        // 0: for as long as it takes.
        let timeout_ms = if self.fail_fast { "60000" } else { "0" };
        let defaults = [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("linger.ms", "2"),
            ("message.timeout.ms", timeout_ms),
            ("queue.buffering.max.messages", "1000000"),
            ("batch.num.messages", "10000"),
            ("reconnect.backoff.max.ms", "1000"),
        ];
        let producer: BaseProducer<Connection> = self
            .client
            .config(&defaults)
            .create_with_context(Connection::default())
            .map_err(|error| client_error("can't make a Kafka producer", error))?;
        let mut tries = 0;
        let found = find_topics(
            producer.client(),
            &self.client.brokers,
            std::slice::from_ref(&self.topic),
            &mut |why| {
                tries += 1;
                if tries == 1 {
                    log::warn!("waiting for Kafka at {}: {why}", self.client.brokers);
                }
                !self.fail_fast
            },
        )
        .map_err(|error| match error {
            SourceError::Client { message, source } => SinkError::Client { message, source },
            other => SinkError::Invalid(other.to_string()),
        })?;
        Ok(Box::new(KafkaWriter {
            producer,
            partitions: u64::from(found[0].partitions),
            topic: self.topic.clone(),
            encode: Arc::clone(&self.encode),
        }))
    }
}

fn client_error(message: impl Into<String>, error: KafkaError) -> SinkError {
    SinkError::Client { message: message.into(), source: Box::new(error) }
}

struct KafkaWriter<D> {
    producer: BaseProducer<Connection>,
    topic: String,
    partitions: u64,
    encode: Encode<D>,
}

impl<D: Record> Writer<D> for KafkaWriter<D> {
    fn write(&mut self, _tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        for row in rows {
            let KafkaMessage { key, payload } = (self.encode)(row).map_err(|reason| {
                SinkError::Invalid(format!("a row can't be made a message: {reason}"))
            })?;
            let hash = stable_hash(key.as_deref().unwrap_or(&payload));
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic)
                .payload(payload.as_slice())
                .partition((hash % self.partitions) as i32);
            if let Some(key) = &key {
                record = record.key(key);
            }
            while let Err((error, again)) = self.producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    let message = format!("can't send a message to `{}`", self.topic);
                    return Err(client_error(message, error));
                }
                // The queue is as full as it may be: wait for the broker to take some.
                self.producer.poll(Duration::from_millis(10));
                record = again;
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    fn commit(&mut self, _tick: &Tick) -> Result<(), SinkError> {
        while self.producer.in_flight_count() > 0 {
            if let Err(error) = self.producer.flush(Duration::from_secs(1))
                && error.rdkafka_error_code() != Some(RDKafkaErrorCode::OperationTimedOut)
            {
                return Err(client_error("can't flush messages", error));
            }
        }
        let context = self.producer.context();
        let undelivered = context.undelivered.swap(0, Ordering::SeqCst);
        if undelivered == 0 {
            return Ok(());
        }
        let message = format!("{undelivered} messages to `{}` were not delivered", self.topic);
        let first = lock(&context.first_error).take();
        Err(client_error(message, first.unwrap_or(KafkaError::Canceled)))
    }
}
