//! Messages, borrowed from the client.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;

use rdkafka_sys as sys;

use crate::Code;

/// A message, borrowed from what the client has fetched.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    raw: &'a sys::rd_kafka_message_t,
}

impl<'a> Message<'a> {
    /// Its topic.
    pub fn topic(&self) -> &'a str {
        // SAFETY: the topic handle of a valid message is valid as long as the message, and its name
        // is a C string that lives as long as the topic. Kafka's topic names are ASCII.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.raw.rkt)) };
        name.to_str().unwrap_or_default()
    }

    /// Something equal for messages of one topic and different for others, cheaper than its name;
    /// valid for the life of the consumer.
    pub fn topic_id(&self) -> usize {
        self.raw.rkt as usize
    }

    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.raw.partition
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.raw.offset
    }

    /// Its timestamp, in milliseconds since 1970.
    pub fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid, and so is the place for the kind.
        let time = unsafe { sys::rd_kafka_message_timestamp(self.raw, &raw mut kind) };
        (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(time)
    }

    /// Its key.
    pub fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: a valid message has `key_len` bytes at `key`, or null.
        unsafe { bytes(self.raw.key, self.raw.key_len) }
    }

    /// Its payload.
    pub fn payload(&self) -> Option<&'a [u8]> {
        // SAFETY: a valid message has `len` bytes at `payload`, or null.
        unsafe { bytes(self.raw.payload, self.raw.len) }
    }
}

/// # Safety
///
/// `start` must be null, or point to `length` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *mut c_void, length: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: by the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) })
}

/// What consuming came upon.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A record.
    Record(Message<'a>),
    /// A partition has nothing more for now: the message tells which, and the offset reached.
    End(Message<'a>),
    /// A partition can't be read.
    Failed(Code, Message<'a>),
}

/// A message that is given back when it is dropped.
pub(crate) struct Owned<'a> {
    message: *mut sys::rd_kafka_message_t,
    life: PhantomData<&'a ()>,
}

impl Owned<'_> {
    /// # Safety
    ///
    /// The client must have given the message to the caller, who must not use it any more.
    pub(crate) unsafe fn new(message: *mut sys::rd_kafka_message_t) -> Self {
        Owned { message, life: PhantomData }
    }

    pub(crate) fn event(&self) -> Event<'_> {
        // SAFETY: the client gave the message to us, and it has not been given back.
        let message = Message { raw: unsafe { &*self.message } };
        match message.raw.err {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Event::Record(message),
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => Event::End(message),
            error => Event::Failed(Code::from(error), message),
        }
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        // SAFETY: the message is ours, and this is the only place that gives it back.
        unsafe { sys::rd_kafka_message_destroy(self.message) };
    }
}
