//! Question: how much of a bare consumer's speed is left when a job reads from Kafka?
//!
//! Expectation: 0.7 of the records a second of a bare rdkafka loop.
//!
//! Method: messages of 100 bytes, produced beforehand; the bare loop consumes and counts them, the
//! job consumes, decodes and counts them by batch. Both start at the first message that arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, error::KafkaError};
use tidegate_kafka_consumer::{BatchConsumer, Event};

use super::Settings;
use super::report::{BenchRow, Report};
use super::topic::OwnTopic;
use crate::error::SourceError;
use crate::kafka::EmbeddedKafka;
use crate::metrics::{BatchRecord, Listener};
use crate::source::Kafka;
use crate::{Config, RunError, Trigger};

const BENCH: &str = "ingest";
const PARTITIONS: u32 = 64;
const PAYLOAD: usize = 100;

/// What the fastest settings are, for all who consume here.
const FAST: [(&str, &str); 6] = [
    ("group.id", "bench"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("queued.min.messages", "1000000"),
    ("fetch.message.max.bytes", "4194304"),
    ("fetch.wait.max.ms", "50"),
];

/// Measures reading from Kafka.
///
/// # Errors
///
/// If a job can't run.
pub fn ingest(
    settings: &Settings,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<Report, RunError> {
    let mut report = Report::default();
    let records: u64 = if settings.quick { 200_000 } else { 2_000_000 };
    let failed = |source: SourceError| RunError::Source {
        name: "kafka:bench".into(),
        source,
        started: false,
    };
    let embedded = match settings.brokers {
        Some(_) => None,
        None => Some(EmbeddedKafka::start().map_err(failed)?),
    };
    let topic = format!("tidegate-bench-{}", std::process::id());
    let (brokers, _own) = match (&embedded, &settings.brokers) {
        (Some(embedded), _) => {
            embedded.create_topic(&topic, PARTITIONS).map_err(failed)?;
            (embedded.brokers(), None)
        }
        (None, brokers) => {
            let brokers = brokers.clone().unwrap_or_default();
            let own = OwnTopic::create(&brokers, &topic, PARTITIONS).map_err(failed)?;
            (brokers, Some(own))
        }
    };
    let dataset = if embedded.is_some() { "embedded broker" } else { "real broker" };
    let client = |error: KafkaError| {
        failed(SourceError::Client {
            message: format!("can't measure against {brokers}"),
            source: Box::new(error),
        })
    };
    produce(&brokers, &topic, records).map_err(client)?;

    let mut best_bare: f64 = 0.0;
    let mut best_job: f64 = 0.0;
    for round in 1..=3 {
        let bare = bare(&brokers, &topic, records).map_err(client)?;
        let batches = bare_batches(&brokers, &topic, records).map_err(failed)?;
        let job = job(&brokers, &topic, records, 1)?;
        for (variant, workers, rate) in
            [("bare loop", 0, bare), ("bare batch loop", 0, batches), ("job", 1, job)]
        {
            let row = BenchRow {
                bench: BENCH.into(),
                variant: variant.into(),
                dataset: format!("{dataset}, round {round}"),
                workers,
                records_per_s: rate,
                ratio_to_limit: Some(rate / bare),
                ..BenchRow::default()
            };
            report.add(row, progress);
        }
        best_bare = best_bare.max(bare);
        best_job = best_job.max(job);
    }
    report.at_least("ingest, of a bare loop", Some(best_job / best_bare), 0.7);
    Ok(report)
}

fn produce(brokers: &str, topic: &str, records: u64) -> Result<(), KafkaError> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .set("batch.num.messages", "10000")
        .set("queue.buffering.max.messages", "1000000")
        .create()?;
    let payload = [b'x'; PAYLOAD];
    for number in 0..records {
        let mut record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic)
            .partition((number % u64::from(PARTITIONS)) as i32)
            .payload(&payload);
        while let Err((error, again)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(rdkafka::error::RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            producer.poll(Duration::from_millis(5));
            record = again;
        }
        if number % 1024 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(60))
}

/// A loop over rdkafka's own consumer.
fn bare(brokers: &str, topic: &str, records: u64) -> Result<f64, KafkaError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    FAST.iter().for_each(|(key, value)| {
        config.set(*key, *value);
    });
    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let (mut seen, mut bytes, mut begun) = (0, 0, Instant::now());
    while seen < records {
        if let Some(message) = consumer.poll(Duration::from_secs(10)) {
            if seen == 0 {
                begun = Instant::now();
            }
            bytes += message?.payload_len();
            seen += 1;
        }
    }
    assert_eq!(bytes as u64, records * PAYLOAD as u64);
    Ok(records as f64 / begun.elapsed().as_secs_f64())
}

struct Deaf;

impl tidegate_kafka_consumer::Listener for Deaf {}

/// A loop over the batch consumer that the source is built on.
fn bare_batches(brokers: &str, topic: &str, records: u64) -> Result<f64, SourceError> {
    let client = |message: String| SourceError::Invalid(message);
    let options = FAST.into_iter().chain([("bootstrap.servers", brokers)]);
    let mut consumer =
        BatchConsumer::new(options, Deaf).map_err(|error| client(error.to_string()))?;
    consumer
        .assign((0..PARTITIONS as i32).map(|partition| (topic, partition, 0)))
        .map_err(|error| client(error.to_string()))?;
    let (mut seen, mut begun) = (0, Instant::now());
    while seen < records {
        consumer.consume(Duration::from_secs(10), |event| {
            if let Event::Record(_) = event {
                if seen == 0 {
                    begun = Instant::now();
                }
                seen += 1;
            }
            seen < records
        });
    }
    Ok(records as f64 / begun.elapsed().as_secs_f64())
}

/// When the first records were there, and when the last ones were counted.
#[derive(Default)]
struct Span {
    begun_us: AtomicU64,
    seen: AtomicU64,
}

impl Listener for Span {
    fn batch_completed(&self, record: &BatchRecord) {
        self.seen.fetch_add(record.rows_in(), Ordering::SeqCst);
    }
}

/// The same with a job: decode, and count by batch.
fn job(brokers: &str, topic: &str, records: u64, workers: usize) -> Result<f64, RunError> {
    let span = Arc::new(Span::default());
    let started = Instant::now();
    let config = Config::new(BENCH)
        .workers(workers)
        .trigger(Trigger::Continuous)
        .queue_bytes_max(256 << 20)
        .listener(Arc::clone(&span) as Arc<dyn Listener>);
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let (first, counted) = (Arc::clone(&span), Arc::new(AtomicU64::new(0)));
    let total = Arc::clone(&counted);
    let job = crate::start(config, move |ctx| {
        let first = Arc::clone(&first);
        let source = Kafka::decoded(&brokers, &topic, move |record| {
            // The first record starts the clock, as in the bare loops.
            if first.begun_us.load(Ordering::Relaxed) == 0 {
                let now = started.elapsed().as_micros() as u64;
                let _ = first.begun_us.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
            }
            let payload = record.payload().ok_or("no payload")?;
            // Decoded to what is counted: eight bytes of it.
            Ok(u64::from_le_bytes(payload[..8].try_into().map_err(|_| "too short")?))
        });
        let mut source = source;
        for (key, value) in FAST {
            source = source.option(key, value);
        }
        let total = Arc::clone(&total);
        ctx.source(source).count().foreach_batch(move |_tick, counts: &[i64]| {
            total.fetch_add(counts.iter().sum::<i64>() as u64, Ordering::SeqCst);
            Ok(())
        });
    })?;
    while counted.load(Ordering::SeqCst) < records && started.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_micros(500));
    }
    let ended = started.elapsed().as_micros() as u64;
    job.stop();
    job.join()?;
    assert_eq!(counted.load(Ordering::SeqCst), records, "every message is counted once");
    let begun = span.begun_us.load(Ordering::SeqCst);
    Ok(records as f64 / (ended.saturating_sub(begun)) as f64 * 1e6)
}
