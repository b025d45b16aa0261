//! Where messages go, and what there is to know of it.

use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::KafkaMessage;
use crate::error::{SinkError, SourceError};
use crate::kafka::{Client, Connection, explain, find_topics};

/// A topic, and how it is reached.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) client: Client,
    pub(super) topic: String,
    pub(super) partitions: u64,
    pub(super) fail_fast: bool,
}

/// With `fail_fast`, nothing is waited for longer than this.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Between two looks for answers of the broker.
const SHORTEST: Duration = Duration::from_micros(250);
const LONGEST: Duration = Duration::from_millis(20);

/// What makes a producer fast, and patient.
const DEFAULTS: [(&str, &str); 7] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("linger.ms", "2"),
    ("queue.buffering.max.messages", "1000000"),
    ("batch.num.messages", "10000"),
    ("reconnect.backoff.max.ms", "1000"),
    // The progress topic is created as it has to be, and others by their owners.
    ("allow.auto.create.topics", "false"),
];

impl Target {
    /// Looks for the topic, waiting for the broker if it is away; gives a producer without
    /// transactions, too.
    pub(super) fn find(
        client: &Client,
        topic: &str,
        fail_fast: bool,
    ) -> Result<(Self, BaseProducer<Connection>), SinkError> {
        let mut target =
            Target { client: client.clone(), topic: topic.to_owned(), partitions: 0, fail_fast };
        // 0: for as long as it takes.
        let timeout_ms = if fail_fast { "60000" } else { "0" };
        let producer: BaseProducer<Connection> =
            target.producer(&[("message.timeout.ms", timeout_ms)], Connection::default())?;
        target.partitions = target.partitions_of(producer.client(), topic)?;
        // After its first answer librdkafka goes on with another connection. It gets the number under
        // which it writes when it hears from that one, or only half a second later.
        target.partitions_of(producer.client(), topic)?;
        Ok((target, producer))
    }

    /// How many partitions a topic has; it must be there.
    pub(super) fn partitions_of<C: ClientContext>(
        &self,
        client: &rdkafka::client::Client<C>,
        topic: &str,
    ) -> Result<u64, SinkError> {
        let mut tries = 0;
        let found = find_topics(client, &self.client.brokers, &[topic.to_owned()], &mut |why| {
            tries += 1;
            if tries == 1 {
                log::warn!("waiting for Kafka at {}: {why}", self.client.brokers);
            }
            !self.fail_fast
        });
        let found = found.map_err(|error| match error {
            SourceError::Client { message, source } => SinkError::Client { message, source },
            other => SinkError::Invalid(other.to_string()),
        })?;
        Ok(u64::from(found[0].partitions))
    }

    /// A producer with some more options.
    pub(super) fn producer(
        &self,
        options: &[(&str, &str)],
        connection: Connection,
    ) -> Result<BaseProducer<Connection>, SinkError> {
        self.connect(&[&DEFAULTS, options].concat(), connection)
    }

    /// Any client with these options.
    pub(super) fn connect<T: FromClientConfigAndContext<Connection>>(
        &self,
        options: &[(&str, &str)],
        connection: Connection,
    ) -> Result<T, SinkError> {
        self.client
            .config(options)
            .create_with_context(connection)
            .map_err(|error| failed("can't make a Kafka client", error))
    }

    /// Gives the client a message for the topic, waiting while its queue is full.
    pub(super) fn send(
        &self,
        producer: &BaseProducer<Connection>,
        message: &KafkaMessage,
    ) -> KafkaResult<()> {
        let KafkaMessage { key, payload } = message;
        let partition = (message.hash() % self.partitions) as i32;
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&self.topic).partition(partition);
        (record.key, record.payload) = (key.as_deref(), payload.as_deref());
        push(producer, record)
    }
}

/// Puts a record into the client's queue, waiting while that is full.
pub(super) fn push(
    producer: &BaseProducer<Connection>,
    mut record: BaseRecord<'_, [u8], [u8]>,
) -> KafkaResult<()> {
    while let Err((error, again)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(error);
        }
        // The queue is as full as it may be: wait for the broker to take some.
        producer.poll(Duration::from_millis(10));
        record = again;
    }
    Ok(())
}

/// Waits until every message is delivered, or given up.
///
/// The client's own `flush` looks every 100 ms only, and its `poll` comes back when its time is over,
/// whatever has come: so this looks by itself, after an eighth of the time that it has waited already.
pub(super) fn drain(producer: &BaseProducer<Connection>) {
    let begun = Instant::now();
    let mut left = producer.in_flight_count();
    while left > 0 {
        producer.poll(Duration::ZERO);
        let still = producer.in_flight_count();
        if still == left {
            std::thread::sleep((begun.elapsed() / 8).clamp(SHORTEST, LONGEST));
        }
        left = still;
    }
}

/// A failed call, and what to do about it.
pub(super) fn failed(what: impl Into<String>, error: KafkaError) -> SinkError {
    match explain(what.into(), error) {
        SourceError::Client { message, source } => SinkError::Client { message, source },
        other => SinkError::Invalid(other.to_string()),
    }
}
