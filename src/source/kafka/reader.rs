//! Reads the partitions of one worker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tidegate_operators::Record;

use super::start::Range;
use super::{Decode, Kafka, KafkaRecord, PARTITION_BITS, number};
use crate::error::SourceError;
use crate::kafka::{Connection, Topic, explain, is_passing};
use crate::source::{Intake, Opening, Partition, Poll, Reader, Source};

pub(super) struct KafkaReader<D> {
    name: String,
    consumer: BaseConsumer<Connection>,
    decode: Decode<D>,
    /// Whether a group's offsets are committed.
    commits: bool,
    record_bytes_max: usize,
    topics: Vec<Topic>,
    /// This worker's partitions, with the offset to be read next.
    positions: Vec<Position>,
    /// Which partitions are this worker's.
    worker: usize,
    workers: usize,
    source_index: usize,
    bounded: bool,
    fail_fast: bool,
    refresh_every: Duration,
    refreshed: Instant,
}

struct Position {
    topic: usize,
    partition: i32,
    next: i64,
    /// In a bounded run: read up to here.
    end: i64,
    ended: bool,
}

impl<D: Record> KafkaReader<D> {
    pub(super) fn open(
        source: &Kafka<D>,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Self, SourceError> {
        let consumer: BaseConsumer<Connection> = source
            .client
            .config(&source.consumer_defaults())
            .create_with_context(Connection::default())
            .map_err(|error| explain("can't make a Kafka consumer".into(), error))?;
        let places: Vec<(String, i32)> = assigned
            .iter()
            .map(|partition| {
                let topic = &source.found[(partition.id >> PARTITION_BITS) as usize];
                (topic.name.clone(), (partition.id & ((1 << PARTITION_BITS) - 1)) as i32)
            })
            .collect();
        let ranges = source.start.ranges(&consumer, &places)?;
        let positions = assigned.iter().zip(places).zip(ranges);
        let positions = positions.map(|((partition, (_, within)), Range { from, end })| Position {
            topic: (partition.id >> PARTITION_BITS) as usize,
            partition: within,
            next: from,
            end,
            ended: false,
        });
        let reader = KafkaReader {
            name: source.name(),
            positions: positions.collect(),
            consumer,
            decode: Arc::clone(&source.decode),
            commits: source.group.is_some(),
            record_bytes_max: source.record_bytes_max,
            topics: source.found.clone(),
            worker: opening.worker,
            workers: opening.workers,
            source_index: opening.source_index,
            bounded: opening.bounded,
            fail_fast: opening.fail_fast,
            refresh_every: source.refresh_every,
            refreshed: Instant::now(),
        };
        reader.assign()?;
        Ok(reader)
    }

    /// Tells the client what to fetch, from where.
    fn assign(&self) -> Result<(), SourceError> {
        let mut list = TopicPartitionList::new();
        for position in self.positions.iter().filter(|position| !position.ended) {
            let topic = &self.topics[position.topic].name;
            list.add_partition_offset(topic, position.partition, Offset::Offset(position.next))
                .map_err(|error| explain(format!("can't read {topic}-{}", position.partition), error))?;
        }
        self.consumer
            .assign(&list)
            .map_err(|error| explain("can't assign partitions".into(), error))
    }

    /// Looks whether the topics have new partitions, and takes those that are this worker's.
    fn refresh(&mut self, intake: &mut Intake<D>) -> Result<(), SourceError> {
        self.refreshed = Instant::now();
        let known: BTreeSet<(usize, i32)> =
            self.positions.iter().map(|p| (p.topic, p.partition)).collect();
        let mut grown = false;
        for index in 0..self.topics.len() {
            let name = self.topics[index].name.clone();
            // A broker that is away is the poll's to notice.
            let Ok(metadata) = self.consumer.fetch_metadata(Some(&name), Duration::from_secs(1))
            else {
                return Ok(());
            };
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
                continue;
            };
            let now = topic.partitions().len() as u32;
            for partition in self.topics[index].partitions..now {
                let worker = (self.source_index + index + partition as usize) % self.workers;
                if worker != self.worker || known.contains(&(index, partition as i32)) {
                    continue;
                }
                log::info!("{name} has a new partition: {partition}");
                intake.announce(Partition {
                    id: number(index, partition),
                    name: format!("{name}-{partition}"),
                });
                self.positions.push(Position {
                    topic: index,
                    partition: partition as i32,
                    next: 0,
                    end: 0,
                    ended: false,
                });
                grown = true;
            }
            self.topics[index].partitions = self.topics[index].partitions.max(now);
        }
        if grown {
            self.assign()?;
        }
        Ok(())
    }

    /// What an error of the client comes to.
    fn judge(&mut self, error: KafkaError, intake: &mut Intake<D>) -> Result<(), SourceError> {
        if let KafkaError::PartitionEOF(partition) = error {
            self.caught_up(partition, intake);
            return Ok(());
        }
        if is_passing(&error) && !self.fail_fast {
            self.consumer.context().missing(&error.to_string());
            return Ok(());
        }
        let remedy = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => {
                "an offset that was to be read is gone: records were deleted (retention, or the \
                 topic was truncated) before they were read; start at `earliest` to go on without them"
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                "the topic is gone"
            }
            _ => "can't read from Kafka",
        };
        Err(explain(remedy.into(), error))
    }

    /// A partition has nothing more now. In a bounded run its last offsets may hold no record
    /// (they may be markers of transactions), so that this is what tells its end.
    fn caught_up(&mut self, partition: i32, intake: &mut Intake<D>) {
        if !self.bounded {
            return;
        }
        let behind = |position: &Position| position.partition == partition && !position.ended;
        let consumer = &self.consumer;
        let Ok(at) = consumer.position() else { return };
        for position in self.positions.iter_mut().filter(|position| behind(position)) {
            let topic = &self.topics[position.topic].name;
            let reached = at.find_partition(topic, partition).map(|found| found.offset());
            if let Some(Offset::Offset(offset)) = reached
                && offset >= position.end
            {
                position.next = position.end;
            }
        }
        self.end_those_that_are_through(intake);
    }

    fn end_those_that_are_through(&mut self, intake: &mut Intake<D>) {
        if !self.bounded {
            return;
        }
        for position in &mut self.positions {
            if !position.ended && position.next >= position.end {
                position.ended = true;
                intake.end(number(position.topic, position.partition as u32));
            }
        }
    }
}

impl<D: Record> Reader<D> for KafkaReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, wait: Duration) -> Result<Poll, SourceError> {
        self.end_those_that_are_through(intake);
        if self.bounded && self.positions.iter().all(|position| position.ended) {
            return Ok(Poll::End);
        }
        if self.fail_fast && self.consumer.context().is_missing() {
            let error = KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
            return Err(explain("Kafka can't be reached any more".into(), error));
        }
        if !self.bounded && self.refreshed.elapsed() >= self.refresh_every {
            self.refresh(intake)?;
        }
        let mut wait = wait;
        loop {
            let message = match self.consumer.poll(wait) {
                None => return Ok(Poll::Idle),
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    self.judge(error, intake)?;
                    wait = Duration::ZERO;
                    continue;
                }
            };
            wait = Duration::ZERO;
            let record = KafkaRecord::of(&message);
            let decoded = match record.payload {
                Some(payload) if payload.len() > self.record_bytes_max => Err(format!(
                    "{} bytes: the limit is {}",
                    payload.len(),
                    self.record_bytes_max
                )),
                _ => (self.decode)(&record),
            };
            let (topics, positions) = (&self.topics, &mut self.positions);
            let position = positions.iter_mut().find(|position| {
                position.partition == record.partition
                    && (topics.len() == 1 || topics[position.topic].name == record.topic)
            });
            let Some(position) = position else { continue };
            if self.bounded && record.offset >= position.end {
                position.next = position.end;
                drop(message);
                self.end_those_that_are_through(intake);
                continue;
            }
            let id = number(position.topic, record.partition as u32);
            position.next = record.offset + 1;
            let payload = record.payload.unwrap_or_default();
            intake.record(id, record.offset as u64, payload, decoded);
            if intake.is_full() {
                self.consumer.context().found(&self.name);
                return Ok(Poll::More);
            }
        }
    }

    fn acknowledge(&mut self, through: &[(u32, u64)]) {
        if !self.commits {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (id, offset) in through {
            let topic = &self.topics[(id >> PARTITION_BITS) as usize].name;
            let partition = (id & ((1 << PARTITION_BITS) - 1)) as i32;
            // A name and an offset that came from the broker are valid.
            let _ = list.add_partition_offset(topic, partition, Offset::Offset(*offset as i64));
        }
        let context = Arc::clone(self.consumer.context());
        context.commits.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            context.commits.fetch_sub(1, Ordering::SeqCst);
            log::warn!("the group's offsets can't be committed, so lag tools show old ones: {error}");
        }
    }

    /// Waits for the last commits, in bounded time.
    fn finish(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(3);
        let nothing = TopicPartitionList::new();
        // Nothing more need be fetched.
        let _ = self.consumer.assign(&nothing);
        while self.consumer.context().commits.load(Ordering::SeqCst) > 0
            && Instant::now() < deadline
        {
            // Polling delivers the confirmations.
            let _ = self.consumer.poll(Duration::from_millis(10));
        }
    }
}
