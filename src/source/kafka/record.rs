//! A message as the client has it.

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

/// A Kafka message, borrowed from the client's buffer: decoding it is the first time that anything
/// is copied.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KafkaRecord<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its payload.
    pub payload: Option<&'a [u8]>,
}

impl<'a> KafkaRecord<'a> {
    pub(super) fn of(message: &'a BorrowedMessage<'_>) -> Self {
        KafkaRecord {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key(),
            payload: message.payload(),
        }
    }
}
