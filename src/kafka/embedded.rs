//! A Kafka broker inside this process, for demos, benchmarks and tests.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::error::SourceError;

/// librdkafka's mock cluster: a broker in this process that ordinary Kafka clients can use.
///
/// It keeps the newest 5 MiB of each partition, and forgets older records without a word; so it is
/// for streams that are read while they are written, or that fit. It does not know transactions.
///
/// ```
/// use tidegate::kafka::EmbeddedKafka;
///
/// let kafka = EmbeddedKafka::start().unwrap();
/// kafka.create_topic("clicks", 4).unwrap();
/// assert!(kafka.brokers().contains(':'));
/// ```
pub struct EmbeddedKafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedKafka {
    /// Starts a broker on a free port of this host.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub fn start() -> Result<Self, SourceError> {
        let failed = |error| SourceError::Client {
            message: "can't start an embedded broker: are there free ports?".into(),
            source: Box::new(error),
        };
        Ok(EmbeddedKafka { cluster: MockCluster::new(1).map_err(failed)? })
    }

    /// Its address, `HOST:PORT`.
    pub fn brokers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Creates a topic.
    ///
    /// # Errors
    ///
    /// If it exists already.
    pub fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), SourceError> {
        self.cluster.create_topic(topic, partitions as i32, 1).map_err(|error| {
            SourceError::Client {
                message: format!("can't create topic `{topic}`"),
                source: Box::new(error),
            }
        })
    }
}
