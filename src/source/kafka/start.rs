//! Where to begin to read.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::error::SourceError;
use crate::kafka::explain;

/// Where to begin to read a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// At the first record that the broker still has.
    #[default]
    Earliest,
    /// Behind the last record that is there when the job starts.
    Latest,
    /// At the first record with this timestamp (milliseconds since 1970) or a later one.
    Timestamp(i64),
    /// At these offsets, by topic and partition; at the earliest in partitions not named.
    Offsets(BTreeMap<(String, i32), i64>),
    /// At what the consumer group has committed; at the earliest where it has nothing.
    Committed,
}

const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A partition's first offset to read, and the offset behind its last record now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: i64,
    pub(super) end: i64,
}

/// The offset behind a partition's last record.
pub(super) fn end_of<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Result<i64, SourceError> {
    let (_, end) = range_of(consumer, topic, partition)?;
    Ok(end)
}

/// A partition's first offset, and the one behind its last record.
fn range_of<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), SourceError> {
    consumer.fetch_watermarks(topic, partition, ANSWER_MAX).map_err(|error| {
        explain(format!("can't ask for the offsets of {topic}-{partition}"), error)
    })
}

impl StartAt {
    /// The ranges of some partitions, in their order.
    pub(super) fn ranges<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        partitions: &[(String, i32)],
    ) -> Result<Vec<Range>, SourceError> {
        let mut ranges = Vec::new();
        let asked = self.asked(consumer, partitions)?;
        for ((topic, partition), asked) in partitions.iter().zip(asked) {
            let (low, end) = range_of(consumer, topic, *partition)?;
            let from = match (self, asked) {
                (StartAt::Latest, _) => end,
                // A timestamp behind the last record.
                (StartAt::Timestamp(_), None) => end,
                (_, None) => low,
                (StartAt::Offsets(_), Some(offset)) if offset < low || offset > end => {
                    return Err(SourceError::Invalid(format!(
                        "{topic}-{partition} has no offset {offset}: it has {low} to {end}"
                    )));
                }
                (_, Some(offset)) if offset < low => {
                    return Err(SourceError::Invalid(format!(
                        "the group's offset {offset} of {topic}-{partition} is gone (the earliest is \
                         {low}): records were deleted before they were read; start at `earliest` to \
                         go on without them"
                    )));
                }
                (_, Some(offset)) => offset,
            };
            ranges.push(Range { from, end });
        }
        Ok(ranges)
    }

    /// The offsets that the broker, or the user, has for this start.
    fn asked<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        partitions: &[(String, i32)],
    ) -> Result<Vec<Option<i64>>, SourceError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        let answer = match self {
            StartAt::Earliest | StartAt::Latest => return Ok(vec![None; partitions.len()]),
            StartAt::Offsets(offsets) => {
                return Ok(partitions.iter().map(|place| offsets.get(place).copied()).collect());
            }
            _ if partitions.is_empty() => return Ok(Vec::new()),
            StartAt::Timestamp(time_ms) => list
                .set_all_offsets(Offset::Offset(*time_ms))
                .and_then(|()| consumer.offsets_for_times(list, ANSWER_MAX))
                .map_err(|error| {
                    explain(format!("can't ask for offsets at time {time_ms}"), error)
                })?,
            StartAt::Committed => consumer
                .committed_offsets(list, ANSWER_MAX)
                .map_err(|error| explain("can't ask for the group's offsets".into(), error))?,
        };
        let offset_of = |place: &(String, i32)| {
            let found = answer.find_partition(&place.0, place.1)?;
            match found.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }
        };
        Ok(partitions.iter().map(offset_of).collect())
    }
}
