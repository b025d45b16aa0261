//! Which topics there are, and how many partitions they have.

use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{explain, is_passing};
use crate::error::SourceError;

/// A topic as the broker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: u32,
}

/// One attempt to reach the broker.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Attempts at a topic that is being created.
const LEADER_ATTEMPTS: u32 = 20;

/// Asks for the topics by name. While the broker can't be reached, `wait` is told why, and says
/// whether to try again.
pub(crate) fn find_topics<C: ClientContext>(
    client: &Client<C>,
    brokers: &str,
    names: &[String],
    wait: &mut dyn FnMut(&KafkaError) -> bool,
) -> Result<Vec<Topic>, SourceError> {
    names.iter().map(|name| find_topic(client, brokers, name, wait)).collect()
}

fn find_topic<C: ClientContext>(
    client: &Client<C>,
    brokers: &str,
    name: &str,
    wait: &mut dyn FnMut(&KafkaError) -> bool,
) -> Result<Topic, SourceError> {
    let missing = || {
        SourceError::Invalid(format!(
            "there is no topic `{name}` at {brokers}: create it \
             (`kafka-topics.sh --create --topic {name} ...`), or check its name"
        ))
    };
    let mut attempts = 0;
    loop {
        let metadata = match client.fetch_metadata(Some(name), ATTEMPT) {
            Ok(metadata) => metadata,
            Err(error) if is_passing(&error) && wait(&error) => continue,
            Err(error) => return Err(explain(format!("can't ask {brokers} for `{name}`"), error)),
        };
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            return Err(missing());
        };
        let leaderless = topic.partitions().iter().any(|partition| partition.leader() < 0);
        match topic.error().map(RDKafkaErrorCode::from) {
            None if !topic.partitions().is_empty() && !leaderless => {
                return Ok(Topic {
                    name: name.to_owned(),
                    partitions: topic.partitions().len() as u32,
                });
            }
            // A topic that has just been created has no leaders for a moment.
            None | Some(RDKafkaErrorCode::LeaderNotAvailable) if attempts < LEADER_ATTEMPTS => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                return Err(missing());
            }
            error => {
                let code = error.unwrap_or(RDKafkaErrorCode::LeaderNotAvailable);
                let what = format!("topic `{name}` can't be used");
                return Err(explain(what, KafkaError::MetadataFetch(code)));
            }
        }
    }
}
