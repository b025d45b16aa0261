//! Reads the partitions of one worker.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tidegate_kafka_consumer::{BatchConsumer, Code, Event, Message};
use tidegate_operators::Record;

use super::start::{Range, StartAt};
use super::{Decode, Kafka, KafkaRecord, PARTITION_BITS, number};
use crate::error::SourceError;
use crate::kafka::{Connection, Topic, explain, is_passing};
use crate::source::{Intake, Opening, Partition, Poll, Reader, Source};

pub(super) struct KafkaReader<D> {
    name: String,
    consumer: BatchConsumer<Connection>,
    inquirer: Arc<BaseConsumer<Connection>>,
    decode: Decode<D>,
    /// Whether a group's offsets are committed.
    commits: bool,
    record_bytes_max: usize,
    topics: Vec<Topic>,
    places: Places,
    opening: Opening,
    refresh_every: Duration,
    refreshed: Instant,
}

/// This worker's partitions.
struct Places {
    places: Vec<Place>,
    /// The place of the last message: the next is likely to have the same.
    last: usize,
    bounded: bool,
}

struct Place {
    topic: usize,
    partition: i32,
    /// The client's own mark of the topic, once a message has shown it.
    topic_id: Option<usize>,
    /// The offset to be read next.
    next: i64,
    /// In a bounded run: read up to here.
    end: i64,
    ended: bool,
}

impl Places {
    /// The place that a message belongs to.
    #[inline]
    fn find(&mut self, message: &Message<'_>, topics: &[Topic]) -> Option<&mut Place> {
        let (id, partition) = (message.topic_id(), message.partition());
        let is_it = |place: &Place| place.partition == partition && place.topic_id == Some(id);
        if !self.places.get(self.last).is_some_and(is_it) {
            let known = self.places.iter().position(is_it);
            let found = known.or_else(|| {
                let name = message.topic();
                self.places.iter().position(|place| {
                    place.partition == partition && topics[place.topic].name == name
                })
            })?;
            self.last = found;
            self.places[found].topic_id = Some(id);
        }
        self.places.get_mut(self.last)
    }

    /// In a bounded run: says which partitions are read up to their end, and whether all are.
    fn conclude<D>(&mut self, intake: &mut Intake<D>) -> bool {
        if !self.bounded {
            return false;
        }
        for place in &mut self.places {
            if !place.ended && place.next >= place.end {
                place.ended = true;
                intake.end(number(place.topic, place.partition as u32));
            }
        }
        self.places.iter().all(|place| place.ended)
    }
}

impl<D: Record> KafkaReader<D> {
    pub(super) fn open(
        source: &Kafka<D>,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Self, SourceError> {
        let inquirer = Arc::clone(source.inquirer.as_ref().expect("partitions were asked for"));
        let defaults = source.consumer_defaults();
        let options = source.client.options(&defaults);
        let consumer = BatchConsumer::new(options, Connection::default()).map_err(|error| {
            SourceError::Invalid(format!("a Kafka option is not valid: {error}"))
        })?;
        let at: Vec<(String, i32)> = assigned
            .iter()
            .map(|partition| {
                let topic = &source.found[(partition.id >> PARTITION_BITS) as usize];
                (topic.name.clone(), (partition.id & ((1 << PARTITION_BITS) - 1)) as i32)
            })
            .collect();
        let start = match opening.positions.is_empty() {
            true => source.start.clone(),
            // Where an earlier run has come to; partitions that are new begin at their beginning.
            false => {
                let known = assigned.iter().zip(&at).filter_map(|(partition, place)| {
                    let next = opening.positions.get(&partition.id)?;
                    Some((place.clone(), *next as i64))
                });
                StartAt::Offsets(known.collect())
            }
        };
        let ranges = start.ranges(&inquirer, &at)?;
        let places = assigned.iter().zip(at).zip(ranges);
        let places = places.map(|((partition, (_, within)), Range { from, end })| Place {
            topic: (partition.id >> PARTITION_BITS) as usize,
            partition: within,
            topic_id: None,
            next: from,
            end,
            ended: false,
        });
        let mut reader = KafkaReader {
            name: source.name(),
            places: Places { places: places.collect(), last: 0, bounded: opening.bounded },
            consumer,
            inquirer,
            decode: Arc::clone(&source.decode),
            commits: source.group.is_some(),
            record_bytes_max: source.record_bytes_max,
            topics: source.found.clone(),
            opening: opening.clone(),
            refresh_every: source.refresh_every,
            refreshed: Instant::now(),
        };
        reader.assign()?;
        Ok(reader)
    }

    /// Tells the client what to fetch, from where.
    fn assign(&mut self) -> Result<(), SourceError> {
        let places = self.places.places.iter().filter(|place| !place.ended);
        let topics = &self.topics;
        self.consumer
            .assign(places.map(|place| (&*topics[place.topic].name, place.partition, place.next)))
            .map_err(|error| SourceError::Client {
                message: format!("can't read {}", self.name),
                source: Box::new(error),
            })
    }

    /// Looks whether the topics have new partitions, and takes those that are this worker's.
    fn refresh(&mut self, intake: &mut Intake<D>) -> Result<(), SourceError> {
        self.refreshed = Instant::now();
        // Nobody else listens to this client; what it says of connections the other says too.
        while self.inquirer.poll(Duration::ZERO).is_some() {}
        let mut grown = false;
        for index in 0..self.topics.len() {
            let name = self.topics[index].name.clone();
            // A broker that is away is noticed where records are read.
            let Ok(metadata) = self.inquirer.fetch_metadata(Some(&name), Duration::from_secs(1))
            else {
                return Ok(());
            };
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
                continue;
            };
            let (known, now) = (self.topics[index].partitions, topic.partitions().len() as u32);
            self.topics[index].partitions = known.max(now);
            for partition in known..now {
                let dealt = self.opening.source_index + index + partition as usize;
                if dealt % self.opening.workers != self.opening.worker {
                    continue;
                }
                log::info!("{name} has a new partition: {partition}");
                let id = number(index, partition);
                intake.announce(Partition { id, name: format!("{name}-{partition}") });
                self.places.places.push(Place {
                    topic: index,
                    partition: partition as i32,
                    topic_id: None,
                    next: 0,
                    end: 0,
                    ended: false,
                });
                grown = true;
            }
        }
        if grown {
            self.assign()?;
        }
        Ok(())
    }
}

/// What a partition's error comes to: nothing, if the broker is only away.
fn judge(code: Code, message: &Message<'_>) -> Result<(), SourceError> {
    let error = KafkaError::MessageConsumption(code);
    if is_passing(&error) {
        return Ok(());
    }
    let place = format!("{}-{}", message.topic(), message.partition());
    Err(match code {
        Code::OffsetOutOfRange | Code::AutoOffsetReset => SourceError::Client {
            message: format!(
                "an offset of {place} that was to be read is gone: records were deleted (retention, \
                 or the topic was truncated) before they were read; start at `earliest` to go on \
                 without them"
            ),
            source: Box::new(error),
        },
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            SourceError::Client { message: format!("{place} is gone"), source: Box::new(error) }
        }
        _ => explain(format!("can't read {place}"), error),
    })
}

impl<D: Record> Reader<D> for KafkaReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, wait: Duration) -> Result<Poll, SourceError> {
        if self.places.conclude(intake) {
            return Ok(Poll::End);
        }
        if self.opening.fail_fast && self.consumer.listener().is_missing() {
            let error = KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
            return Err(explain("Kafka can't be reached any more".into(), error));
        }
        if !self.opening.bounded && self.refreshed.elapsed() >= self.refresh_every {
            self.refresh(intake)?;
        }
        let KafkaReader { consumer, places, topics, decode, record_bytes_max, .. } = self;
        let mut outcome = Ok(Poll::Idle);
        let mut records = 0;
        consumer.consume(wait, |event| {
            match event {
                Event::Record(message) => {
                    let Some(place) = places.find(&message, topics) else { return true };
                    let offset = message.offset();
                    if place.ended || offset < place.next {
                        return true;
                    }
                    place.next = offset + 1;
                    if places.bounded && offset >= places.places[places.last].end {
                        return true;
                    }
                    let place = &places.places[places.last];
                    let payload = message.payload().unwrap_or_default();
                    let decoded = if payload.len() > *record_bytes_max {
                        Err(format!("{} bytes: the limit is {record_bytes_max}", payload.len()))
                    } else {
                        decode(&KafkaRecord::of(message))
                    };
                    let id = number(place.topic, place.partition as u32);
                    intake.record(id, offset as u64, payload, decoded);
                    records += 1;
                }
                // The last offsets of a partition may hold no record (they may be markers of
                // transactions): then this is what tells its end.
                Event::End(message) => {
                    if let Some(place) = places.find(&message, topics) {
                        place.next = place.next.max(message.offset());
                    }
                    if places.bounded {
                        return false;
                    }
                }
                Event::Failed(code, message) => {
                    if let Err(error) = judge(code, &message) {
                        outcome = Err(error);
                        return false;
                    }
                }
            }
            if intake.is_full() {
                outcome = Ok(Poll::More);
                return false;
            }
            true
        });
        if records > 0 {
            self.consumer.listener().found(&self.name);
            for place in &self.places.places {
                let topic = &self.topics[place.topic].name;
                if let Some(end) = self.consumer.high_watermark(topic, place.partition) {
                    let behind = u64::try_from(end - place.next).unwrap_or(0);
                    intake.behind(number(place.topic, place.partition as u32), behind);
                }
            }
        }
        self.places.conclude(intake);
        outcome
    }

    fn acknowledge(&mut self, through: &[(u32, u64)]) {
        if !self.commits {
            return;
        }
        let topics = &self.topics;
        let places = through.iter().map(|(id, offset)| {
            let topic = &topics[(id >> PARTITION_BITS) as usize].name;
            (&**topic, (id & ((1 << PARTITION_BITS) - 1)) as i32, *offset as i64)
        });
        self.consumer.listener().commits.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = self.consumer.commit(places) {
            self.consumer.listener().commits.fetch_sub(1, Ordering::SeqCst);
            log::warn!(
                "the group's offsets can't be committed, so lag tools show old ones: {error}"
            );
        }
    }

    /// Waits for the last commits, in bounded time.
    fn finish(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(3);
        // Nothing more need be fetched.
        let _ = self.consumer.assign([]);
        while self.consumer.listener().commits.load(Ordering::SeqCst) > 0
            && Instant::now() < deadline
        {
            // Consuming delivers the confirmations.
            self.consumer.consume(Duration::from_millis(10), |_| true);
        }
    }
}
