//! How clients are configured, and what is told about their connections.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tidegate_kafka_consumer::{ClientError, Listener};

use crate::engine::control::lock;
use crate::error::SourceError;

/// The settings of a connection: brokers, and whatever librdkafka understands.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) brokers: String,
    pub(crate) options: Vec<(String, String)>,
}

impl Client {
    pub(crate) fn new(brokers: impl Into<String>) -> Self {
        Client { brokers: brokers.into(), options: Vec::new() }
    }

    /// The options: our defaults, then what the user says.
    pub(crate) fn options<'a>(
        &'a self,
        defaults: &[(&'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let mut options = vec![("bootstrap.servers", &*self.brokers), ("client.id", "tidegate")];
        options.extend(defaults);
        options.extend(self.options.iter().map(|(key, value)| (&**key, &**value)));
        options
    }

    /// The same for rdkafka.
    pub(crate) fn config(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in self.options(defaults) {
            config.set(key, value);
        }
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }
}

/// Checks a list of brokers `HOST:PORT[,HOST:PORT]` before anything tries to use it.
pub(crate) fn brokers_of(text: &str) -> Result<(), String> {
    let remedy = "give brokers as `HOST:PORT`, several with commas in between";
    if text.is_empty() {
        return Err(format!("no broker address: {remedy}"));
    }
    for broker in text.split(',') {
        // The client passes over spaces between brokers.
        if !is_address(broker.trim()) {
            return Err(format!("`{broker}` is no broker address: {remedy}"));
        }
    }
    Ok(())
}

/// Whether a text is a `HOST:PORT` to which something can connect.
pub fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// What a failed call means, and what to do about it.
pub(crate) fn explain(what: String, error: KafkaError) -> SourceError {
    let remedy = match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::Resolve,
        ) => ": is the broker running, and the address right?",
        Some(
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL,
        ) => ": check user, password and certificates",
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => ": ask for the permission",
        _ => "",
    };
    SourceError::Client { message: format!("{what}{remedy}"), source: Box::new(error) }
}

/// Whether an error only means that the broker is not there now.
pub(crate) fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::NetworkException
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::WaitingForCoordinator
                | RDKafkaErrorCode::NodeUpdate
                | RDKafkaErrorCode::BrokerNotAvailable
                | RDKafkaErrorCode::ReplicaNotAvailable
                | RDKafkaErrorCode::KafkaStorageError
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
        )
    )
}

/// Listens to a client: says once when the broker is lost, and once when it is back.
#[derive(Default)]
pub(crate) struct Connection {
    lost: Arc<Mutex<bool>>,
    /// Commits asked for but not confirmed.
    pub(crate) commits: AtomicI64,
    /// Messages that could not be delivered, and why the first of them.
    pub(crate) undelivered: AtomicUsize,
    pub(crate) first_error: Mutex<Option<KafkaError>>,
}

impl Connection {
    /// Records came, so the broker is there.
    pub(crate) fn found(&self, name: &str) {
        let mut lost = lock(&self.lost);
        if std::mem::take(&mut *lost) {
            log::warn!("{name}: the broker is back");
        }
    }

    /// The broker is not there.
    pub(crate) fn missing(&self, reason: &str) {
        let mut lost = lock(&self.lost);
        if !std::mem::replace(&mut *lost, true) {
            log::warn!("waiting for Kafka: {reason}");
        }
    }
}

impl Connection {
    /// That of another client to the same broker: what one has said the other does not repeat.
    pub(crate) fn anew(&self) -> Self {
        Connection { lost: Arc::clone(&self.lost), ..Connection::default() }
    }

    /// Whether the broker is away.
    pub(crate) fn is_missing(&self) -> bool {
        *lock(&self.lost)
    }
}

impl ClientContext for Connection {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Connection trouble is told once, by `error`; the client's own lines are for debugging.
        log::debug!("librdkafka {level:?} {facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            // No error at all.
        } else if is_passing(&error) {
            self.missing(reason);
        } else {
            log::warn!("Kafka: {error} ({reason})");
        }
    }
}

impl ConsumerContext for Connection {}

impl Listener for Connection {
    fn error(&self, code: RDKafkaErrorCode, reason: &str) {
        ClientContext::error(self, KafkaError::Global(code), reason);
    }

    fn log(&self, level: i32, line: &str) {
        log::debug!("librdkafka {level}: {line}");
    }

    fn committed(&self, result: Result<(), ClientError>) {
        self.commits.fetch_sub(1, Ordering::SeqCst);
        match result {
            Ok(()) => {}
            // There was nothing new to commit.
            Err(error) if error.code == Some(RDKafkaErrorCode::NoOffset) => {}
            Err(error) => log::warn!(
                "the group's offsets can't be committed, so lag tools show old ones: {error}"
            ),
        }
    }
}

impl ProducerContext for Connection {
    type DeliveryOpaque = ();

    fn delivery(&self, delivery: &DeliveryResult<'_>, _opaque: ()) {
        if let Err((error, _)) = delivery {
            self.undelivered.fetch_add(1, Ordering::SeqCst);
            lock(&self.first_error).get_or_insert_with(|| error.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::brokers_of;

    #[test]
    fn broker_addresses_are_checked() {
        for good in ["localhost:9092", "a:1,b:65535", "a:1, b:2", "[::1]:9092"] {
            assert_eq!(brokers_of(good), Ok(()));
        }
        for bad in
            ["", "localhost", "localhost:", ":9092", "localhost:0", "a:1,", "a:99999", "a b:1"]
        {
            let error = brokers_of(bad).expect_err(bad);
            assert!(error.contains("HOST:PORT"), "{error}");
        }
    }
}
