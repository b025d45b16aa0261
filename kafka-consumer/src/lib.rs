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

mod configuration;
mod error;
mod listener;
mod message;
mod places;

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka_sys as sys;

use configuration::{Configuration, text};
pub use error::ClientError;
pub use listener::Listener;
use listener::{on_commit, on_error, on_log};
use message::Owned;
pub use message::{Event, Message};
use places::Places;
pub use sys::types::RDKafkaErrorCode as Code;

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
                // SAFETY: the client has given it, and it is behind `next` from here on.
                let guard = unsafe { Owned::new(message) };
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
            // SAFETY: the client has given it, and nobody else gets it.
            drop(unsafe { Owned::new(*message) });
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
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
