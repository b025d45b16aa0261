//! Consumes assigned Kafka partitions in batches, without an allocation per message.
//!
//! rdkafka's consumers hand out one message a call, each behind an allocation of its own. librdkafka
//! can hand out a thousand at once (`rd_kafka_consume_batch_queue`), as pointers into what it has
//! fetched. That is 1.4 times as fast for messages of 100 bytes; this crate makes it safe.
//!
//! Safety rests on three things: a message is borrowed only inside of the call that consumed it, and
//! destroyed exactly once at its end, panics included; the client's handle is made and destroyed
//! here alone; and callbacks from the client's threads reach a listener that is `Sync`, lives as
//! long as the handle, and whose panics stay on this side.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka_sys as sys;
use thiserror::Error;

pub use sys::types::RDKafkaErrorCode as Code;

/// What librdkafka says when something can't be done.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
#[non_exhaustive]
pub struct ClientError {
    /// Its code, if it has one.
    pub code: Option<Code>,
    /// Its text.
    pub message: String,
}

impl ClientError {
    fn new(message: impl Into<String>) -> Self {
        ClientError { code: None, message: message.into() }
    }

    fn of(response: sys::rd_kafka_resp_err_t) -> Result<(), Self> {
        if response == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        let code = Code::from(response);
        Err(ClientError { code: Some(code), message: code.to_string() })
    }
}

/// Hears from the client: on the thread that consumes, or (the log) on threads of the client's own.
pub trait Listener: Send + Sync + 'static {
    /// Something is wrong with a connection, or with the client.
    fn error(&self, code: Code, reason: &str) {
        let _ = (code, reason);
    }

    /// A line of the client's log; levels are those of syslog.
    fn log(&self, level: i32, line: &str) {
        let _ = (level, line);
    }

    /// A commit of offsets is through, or has failed.
    fn committed(&self, result: Result<(), ClientError>) {
        let _ = result;
    }
}

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

/// A consumer of assigned partitions.
///
/// ```
/// use std::time::Duration;
/// use tidegate_kafka_consumer::{BatchConsumer, Event, Listener};
///
/// struct Deaf;
/// impl Listener for Deaf {}
///
/// // Nobody is there, so nothing comes.
/// let options = [("bootstrap.servers", "127.0.0.1:1"), ("group.id", "g")];
/// let mut consumer = BatchConsumer::new(options, Deaf)?;
/// consumer.assign([("clicks", 0, 17)])?;
/// let mut records = 0;
/// consumer.consume(Duration::from_millis(1), |event| {
///     records += usize::from(matches!(event, Event::Record(_)));
///     true
/// });
/// assert_eq!(records, 0);
/// # Ok::<(), tidegate_kafka_consumer::ClientError>(())
/// ```
pub struct BatchConsumer<L: Listener> {
    client: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Room for the messages of one call.
    messages: Vec<*mut sys::rd_kafka_message_t>,
    /// Where consuming goes on: messages already taken from the client, from this index.
    next: usize,
    taken: usize,
    /// Boxed, so that callbacks find it where it was.
    listener: Box<L>,
}

// SAFETY: librdkafka's handles may be used from any thread; the messages are this consumer's alone.
unsafe impl<L: Listener> Send for BatchConsumer<L> {}

/// Messages taken from the client in one call.
const BATCH: usize = 1024;

impl<L: Listener> BatchConsumer<L> {
    /// Makes a consumer with options of librdkafka, `group.id` among them.
    ///
    /// # Errors
    ///
    /// If an option is not valid.
    pub fn new<'a>(
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
        listener: L,
    ) -> Result<Self, ClientError> {
        let listener = Box::new(listener);
        let configuration = Configuration::new()?;
        for (key, value) in options {
            configuration.set(key, value)?;
        }
        let opaque = (&raw const *listener).cast_mut().cast::<c_void>();
        // SAFETY: the configuration is valid; the callbacks match the listener's type, and the
        // listener outlives the client, which is destroyed first.
        unsafe {
            sys::rd_kafka_conf_set_opaque(configuration.raw, opaque);
            sys::rd_kafka_conf_set_error_cb(configuration.raw, Some(on_error::<L>));
            sys::rd_kafka_conf_set_log_cb(configuration.raw, Some(on_log::<L>));
            sys::rd_kafka_conf_set_offset_commit_cb(configuration.raw, Some(on_commit::<L>));
        }
        let client = configuration.into_client()?;
        // SAFETY: the client is valid; redirecting its main queue to the consumer's lets one call
        // serve both.
        let queue = unsafe {
            sys::rd_kafka_poll_set_consumer(client.as_ptr());
            NonNull::new(sys::rd_kafka_queue_get_consumer(client.as_ptr()))
        };
        let Some(queue) = queue else {
            // SAFETY: nobody else has the client.
            unsafe { sys::rd_kafka_destroy(client.as_ptr()) };
            return Err(ClientError::new("a consumer needs a `group.id`"));
        };
        let messages = vec![std::ptr::null_mut(); BATCH];
        Ok(BatchConsumer { client, queue, messages, next: 0, taken: 0, listener })
    }

    /// Who hears from the client.
    pub fn listener(&self) -> &L {
        &self.listener
    }

    /// Reads these partitions from these offsets on, and no others.
    ///
    /// # Errors
    ///
    /// If the client refuses.
    pub fn assign<'a>(
        &mut self,
        places: impl IntoIterator<Item = (&'a str, i32, i64)>,
    ) -> Result<(), ClientError> {
        self.forget();
        let list = Places::new(places)?;
        // SAFETY: client and list are valid; the client copies the list.
        ClientError::of(unsafe { sys::rd_kafka_assign(self.client.as_ptr(), list.raw) })
    }

    /// Hands what has been fetched to `each`, until it says `false` or there is nothing more; waits
    /// up to `wait` for the first. The messages are valid only in the call.
    ///
    /// What `each` has not seen when it says `false` comes first next time.
    pub fn consume(&mut self, wait: Duration, mut each: impl FnMut(Event<'_>) -> bool) {
        let mut wait_ms = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
        loop {
            while self.next < self.taken {
                let message = self.messages[self.next];
                self.next += 1;
                let guard = Owned { message, life: PhantomData };
                let more = each(guard.event());
                drop(guard);
                if !more {
                    return;
                }
            }
            self.take(0, self.messages.len());
            if self.taken == 0 && wait_ms > 0 {
                // Asked for many, the client waits until it has as many: so wait for one.
                self.take(std::mem::take(&mut wait_ms), 1);
            }
            if self.taken == 0 {
                return;
            }
            wait_ms = 0;
        }
    }

    /// The offset behind a partition's last record, as the client has heard with what it fetched
    /// last; `None`, if it has fetched nothing of it yet. Asks nobody.
    pub fn high_watermark(&self, topic: &str, partition: i32) -> Option<i64> {
        let topic = text(topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is valid, the name ends in a zero byte, and both numbers are written
        // in the call alone.
        let code = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.client.as_ptr(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
            )
        };
        (code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
    }

    /// Takes at most `count` messages from the client.
    fn take(&mut self, wait_ms: c_int, count: usize) {
        let count = count.min(self.messages.len());
        // SAFETY: the queue is valid, and there is room for as many messages as are asked for.
        let taken = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                wait_ms,
                self.messages.as_mut_ptr(),
                count,
            )
        };
        (self.next, self.taken) = (0, usize::try_from(taken).unwrap_or(0));
    }

    /// Commits offsets (of the records to be read next) for the group, without waiting: the listener
    /// hears how it went while the consumer consumes.
    ///
    /// # Errors
    ///
    /// If the client refuses at once.
    pub fn commit<'a>(
        &mut self,
        places: impl IntoIterator<Item = (&'a str, i32, i64)>,
    ) -> Result<(), ClientError> {
        let list = Places::new(places)?;
        // SAFETY: client and list are valid; the client copies the list.
        ClientError::of(unsafe { sys::rd_kafka_commit(self.client.as_ptr(), list.raw, 1) })
    }

    /// Drops messages that were taken but not handed out.
    fn forget(&mut self) {
        for message in &self.messages[self.next..self.taken] {
            drop(Owned { message: *message, life: PhantomData });
        }
        (self.next, self.taken) = (0, 0);
    }
}

impl<L: Listener> Drop for BatchConsumer<L> {
    fn drop(&mut self) {
        self.forget();
        // Partitions are assigned by hand: there is no group to leave.
        let flags = sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE as c_int;
        // SAFETY: both handles are valid and used here for the last time; the listener, which the
        // client's threads may still call, goes only afterwards.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            sys::rd_kafka_destroy_flags(self.client.as_ptr(), flags);
        }
    }
}

/// A message that is given back when it is dropped.
struct Owned<'a> {
    message: *mut sys::rd_kafka_message_t,
    life: PhantomData<&'a ()>,
}

impl Owned<'_> {
    fn event(&self) -> Event<'_> {
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

/// A list of partitions with offsets, as the client wants it.
struct Places {
    raw: *mut sys::rd_kafka_topic_partition_list_t,
}

impl Places {
    fn new<'a>(places: impl IntoIterator<Item = (&'a str, i32, i64)>) -> Result<Self, ClientError> {
        // SAFETY: making a list has no precondition; it does not fail.
        let list = Places { raw: unsafe { sys::rd_kafka_topic_partition_list_new(8) } };
        for (topic, partition, offset) in places {
            let topic = text(topic)?;
            // SAFETY: the list is valid, and copies the name.
            unsafe {
                let place =
                    sys::rd_kafka_topic_partition_list_add(list.raw, topic.as_ptr(), partition);
                (*place).offset = offset;
            }
        }
        Ok(list)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // SAFETY: the list is valid and used here for the last time.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.raw) };
    }
}

struct Configuration {
    raw: *mut sys::rd_kafka_conf_t,
}

impl Configuration {
    fn new() -> Result<Self, ClientError> {
        // SAFETY: making a configuration has no precondition.
        Ok(Configuration { raw: unsafe { sys::rd_kafka_conf_new() } })
    }

    fn set(&self, key: &str, value: &str) -> Result<(), ClientError> {
        let (name, content) = (text(key)?, text(value)?);
        let mut complaint = [0 as c_char; 512];
        // SAFETY: all pointers are valid, and the room for the complaint is as large as is said.
        let outcome = unsafe {
            sys::rd_kafka_conf_set(
                self.raw,
                name.as_ptr(),
                content.as_ptr(),
                complaint.as_mut_ptr(),
                complaint.len(),
            )
        };
        if outcome == sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        Err(ClientError::new(complained(&complaint)))
    }

    fn into_client(self) -> Result<NonNull<sys::rd_kafka_t>, ClientError> {
        let mut complaint = [0 as c_char; 512];
        // SAFETY: the configuration is valid; the client takes it over, unless it can't be made.
        let client = unsafe {
            sys::rd_kafka_new(
                sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
                self.raw,
                complaint.as_mut_ptr(),
                complaint.len(),
            )
        };
        match NonNull::new(client) {
            Some(client) => {
                std::mem::forget(self);
                Ok(client)
            }
            None => Err(ClientError::new(complained(&complaint))),
        }
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: the configuration is valid, and no client has taken it over.
        unsafe { sys::rd_kafka_conf_destroy(self.raw) };
    }
}

fn text(text: &str) -> Result<CString, ClientError> {
    CString::new(text).map_err(|_| ClientError::new(format!("{text:?} has a zero byte in it")))
}

fn complained(room: &[c_char]) -> String {
    // SAFETY: librdkafka ends its texts with a zero within the room, which began all zero.
    unsafe { CStr::from_ptr(room.as_ptr()) }.to_string_lossy().into_owned()
}

/// Runs a listener's method; a panic in it must not cross into C.
fn guarded(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        // The panic's own message has been printed; there is nobody to hand it to.
    }
}

/// # Safety
///
/// Called by librdkafka, with the opaque pointer that `BatchConsumer::new` has set.
unsafe extern "C" fn on_error<L: Listener>(
    _client: *mut sys::rd_kafka_t,
    error: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: the listener lives as long as the client, and is only shared; the reason is a C string.
    let (listener, reason) = unsafe { (&*opaque.cast::<L>(), CStr::from_ptr(reason)) };
    let code = sys::rd_kafka_resp_err_t::try_from(error).map_or(Code::Unknown, Code::from);
    guarded(|| listener.error(code, &reason.to_string_lossy()));
}

/// # Safety
///
/// Called by librdkafka, on any of its threads.
unsafe extern "C" fn on_log<L: Listener>(
    client: *const sys::rd_kafka_t,
    level: c_int,
    _facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: the client is valid during the call, its opaque pointer is the listener, which lives
    // as long as the client; the line is a C string.
    let (listener, line) =
        unsafe { (sys::rd_kafka_opaque(client).cast::<L>().as_ref(), CStr::from_ptr(line)) };
    if let Some(listener) = listener {
        guarded(|| listener.log(level, &line.to_string_lossy()));
    }
}

/// # Safety
///
/// Called by librdkafka, with the opaque pointer that `BatchConsumer::new` has set.
unsafe extern "C" fn on_commit<L: Listener>(
    _client: *mut sys::rd_kafka_t,
    error: sys::rd_kafka_resp_err_t,
    _offsets: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: the listener lives as long as the client, and is only shared.
    let listener = unsafe { &*opaque.cast::<L>() };
    guarded(|| listener.committed(ClientError::of(error)));
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    use super::*;

    #[derive(Default)]
    struct Ears {
        commits: AtomicUsize,
        errors: Mutex<Vec<Code>>,
    }

    impl Listener for Ears {
        fn error(&self, code: Code, _reason: &str) {
            self.errors.lock().expect("no panic").push(code);
        }

        fn committed(&self, result: Result<(), ClientError>) {
            result.expect("the commit goes through");
            self.commits.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn broker(records: usize) -> (MockCluster<'static, impl rdkafka::ClientContext>, String) {
        let cluster = MockCluster::new(1).expect("a free port");
        cluster.create_topic("t", 2, 1).expect("a new topic");
        let servers = cluster.bootstrap_servers();
        let producer: BaseProducer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", &servers)
            .create()
            .expect("a valid configuration");
        for number in 0..records {
            let (key, payload) = (format!("k{number}"), format!("p{number}"));
            producer
                .send(BaseRecord::to("t").partition(number as i32 % 2).key(&key).payload(&payload))
                .map_err(|(error, _)| error)
                .expect("the queue has room");
        }
        producer.flush(Duration::from_secs(10)).expect("the broker is there");
        (cluster, servers)
    }

    fn consumer(servers: &str) -> BatchConsumer<Ears> {
        let options = [
            ("bootstrap.servers", servers),
            ("group.id", "g"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
        ];
        BatchConsumer::new(options, Ears::default()).expect("a valid configuration")
    }

    #[test]
    fn every_record_comes_once_in_order_whatever_the_caller_takes_at_a_time() {
        let (_cluster, servers) = broker(3000);
        for at_a_time in [1, 7, 5000] {
            let mut consumer = consumer(&servers);
            consumer.assign([("t", 0, 10), ("t", 1, 0)]).expect("assigned");
            let mut next = [10i64, 0];
            let mut ends = 0;
            while ends < 2 {
                let mut left = at_a_time;
                consumer.consume(Duration::from_secs(10), |event| {
                    match event {
                        Event::Record(message) => {
                            let partition = message.partition();
                            let offset = message.offset();
                            assert_eq!(offset, next[partition as usize], "partition {partition}");
                            next[partition as usize] += 1;
                            let number = offset * 2 + i64::from(partition);
                            assert_eq!(message.key(), Some(format!("k{number}").as_bytes()));
                            assert_eq!(message.payload(), Some(format!("p{number}").as_bytes()));
                            assert_eq!(message.topic(), "t");
                            assert!(message.timestamp_ms().is_some());
                        }
                        Event::End(message) => {
                            assert_eq!(message.offset(), 1500);
                            ends += 1;
                        }
                        Event::Failed(code, _) => panic!("{code:?}"),
                    }
                    left -= 1;
                    left > 0 && ends < 2
                });
            }
            assert_eq!(next, [1500, 1500], "{at_a_time} at a time");
            let ends = [0, 1, 2].map(|partition| consumer.high_watermark("t", partition));
            assert_eq!(ends, [Some(1500), Some(1500), None], "partition 2 is none of the topic's");
        }
    }

    #[test]
    fn a_panic_in_the_middle_of_a_batch_leaks_nothing_and_loses_nothing() {
        let (_cluster, servers) = broker(100);
        let mut consumer = consumer(&servers);
        consumer.assign([("t", 0, 0)]).expect("assigned");
        let mut seen = 0;
        while seen < 50 {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                consumer.consume(Duration::from_secs(10), |event| {
                    if let Event::Record(message) = event {
                        assert_eq!(message.offset(), seen);
                        seen += 1;
                        assert!(seen % 10 != 0, "every tenth");
                    }
                    seen < 50
                });
            }));
        }
        assert_eq!(seen, 50);
    }

    #[test]
    fn commits_are_heard_of() {
        let (_cluster, servers) = broker(2);
        let mut consumer = consumer(&servers);
        consumer.assign([("t", 0, 0)]).expect("assigned");
        consumer.commit([("t", 0, 1)]).expect("accepted");
        for _ in 0..200 {
            consumer.consume(Duration::from_millis(50), |_| true);
            if consumer.listener().commits.load(Ordering::SeqCst) == 1 {
                return;
            }
        }
        panic!("no word of the commit");
    }

    #[test]
    fn a_missing_broker_is_heard_of() {
        let mut consumer = consumer("127.0.0.1:1");
        consumer.assign([("t", 0, 0)]).expect("assigned");
        for _ in 0..200 {
            consumer.consume(Duration::from_millis(50), |_| true);
            if !consumer.listener().errors.lock().expect("no panic").is_empty() {
                return;
            }
        }
        panic!("no word of the missing broker");
    }

    #[test]
    fn wrong_options_are_refused_with_their_names() {
        let refused = |options: &[(&str, &str)]| {
            let made = BatchConsumer::new(options.iter().copied(), Ears::default());
            made.err().expect("refused").message
        };
        assert!(refused(&[("grup.id", "g")]).contains("grup.id"));
        assert!(refused(&[("fetch.wait.max.ms", "soon")]).contains("fetch.wait.max.ms"));
        assert!(refused(&[("client.id", "x")]).contains("group.id"));
        assert!(refused(&[("client.id", "x\0y")]).contains("zero byte"));
    }
}
