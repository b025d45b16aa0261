//! A message as the client has it.

use tidegate_kafka_consumer::Message;

/// A Kafka message, borrowed from the client's buffer: decoding it is the first time that anything
/// is copied.
#[derive(Clone, Copy, Debug)]
pub struct KafkaRecord<'a> {
    message: Message<'a>,
}

impl<'a> KafkaRecord<'a> {
    pub(super) fn of(message: Message<'a>) -> Self {
        KafkaRecord { message }
    }

    /// Its topic.
    pub fn topic(&self) -> &'a str {
        self.message.topic()
    }

    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.message.partition()
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.message.offset()
    }

    /// Its timestamp, in milliseconds since 1970.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.message.timestamp_ms()
    }

    /// Its key.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.message.key()
    }

    /// Its payload.
    pub fn payload(&self) -> Option<&'a [u8]> {
        self.message.payload()
    }
}
