//! What a reader fills: records by partition, with their offsets, and those that can't be decoded.

mod stock;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_operators::Tick;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(super) use stock::{Portion, Stock};

use super::Partition;
use crate::rate::Limits;

/// A record that can't be decoded, where it stood, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The source's name.
    pub source: String,
    /// The partition's name.
    pub partition: String,
    /// The record's offset in the partition.
    pub offset: u64,
    /// Why it can't be decoded.
    pub reason: String,
    /// The record as it came: its first 64 KiB, bytes that are no UTF-8 replaced.
    pub payload: String,
}

/// How much of a payload a dead letter keeps, in bytes.
const PAYLOAD_MAX: usize = 64 << 10;

/// Where a record stood, and a hash of its bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Mark {
    offset: u64,
    hash: u64,
}

/// Records of one partition, in order. A journal writes them as they are, and tells by the first
/// field where they begin.
#[derive(Serialize, Deserialize)]
pub(super) struct Segment<D> {
    /// The offset of the first record, and the one after the last.
    from: u64,
    to: u64,
    rows: Vec<D>,
    /// One for each row, where the source gave them; else the rows' offsets are dense.
    marks: Vec<Mark>,
    dead: Vec<(Mark, DeadLetter)>,
    bytes: usize,
}

impl<D> Segment<D> {
    fn new(from: u64) -> Self {
        Segment { rows: Vec::new(), marks: Vec::new(), dead: Vec::new(), from, to: from, bytes: 0 }
    }

    pub(super) fn from(&self) -> u64 {
        self.from
    }

    pub(super) fn to(&self) -> u64 {
        self.to
    }

    /// What lies at `offset` and behind it.
    pub(super) fn behind(mut self, offset: u64) -> Self {
        let is_before = |index: &u64| self.offset_of(*index) < offset;
        let records = (0..self.records()).take_while(is_before).count() as u64;
        self.split_front(records);
        self
    }

    /// The same records, so many offsets further on.
    pub(super) fn move_by(&mut self, offsets: u64) {
        self.from += offsets;
        self.to += offsets;
        self.marks.iter_mut().for_each(|mark| mark.offset += offsets);
        for (mark, letter) in &mut self.dead {
            mark.offset += offsets;
            letter.offset += offsets;
        }
    }

    pub(super) fn records(&self) -> u64 {
        (self.rows.len() + self.dead.len()) as u64
    }

    /// Marks the row that is about to be pushed, and those before it that had no need yet.
    #[inline]
    fn mark_row(&mut self, mark: Mark) {
        if self.marks.len() < self.rows.len() {
            let dense = (self.from..).take(self.rows.len());
            self.marks = dense.map(|offset| Mark { offset, hash: 0 }).collect();
        }
        self.marks.push(mark);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Cuts the first `records` records off.
    fn split_front(&mut self, records: u64) -> Segment<D> {
        let total = self.records();
        let offset = self.offset_of(records);
        let dead_front = self.dead.partition_point(|(mark, _)| mark.offset < offset);
        let rows_front = records as usize - dead_front;
        let mut front = Segment::new(self.from);
        front.to = offset;
        front.bytes = (self.bytes as u64 * records / total.max(1)) as usize;
        front.dead = self.dead.drain(..dead_front).collect();
        let rest = self.rows.split_off(rows_front);
        front.rows = std::mem::replace(&mut self.rows, rest);
        if !self.marks.is_empty() {
            let rest = self.marks.split_off(rows_front);
            front.marks = std::mem::replace(&mut self.marks, rest);
        }
        self.from = offset;
        self.bytes -= front.bytes;
        front
    }

    /// The offset of record `index`, live and dead ones counted.
    fn offset_of(&self, index: u64) -> u64 {
        if self.dead.is_empty() {
            return match self.marks.get(index as usize) {
                Some(mark) => mark.offset,
                None if self.marks.is_empty() => self.from + index,
                None => self.to,
            };
        }
        // Two sorted lists of offsets; the smallest `index` of both are the front.
        let row =
            |row: usize| self.marks.get(row).map_or(self.from + row as u64, |mark| mark.offset);
        let (mut rows, mut dead) = (0, 0);
        for _ in 0..index {
            match self.dead.get(dead) {
                Some((mark, _)) if rows == self.rows.len() || mark.offset < row(rows) => dead += 1,
                _ => rows += 1,
            }
        }
        let next_row = (rows < self.rows.len()).then(|| row(rows));
        let next_dead = self.dead.get(dead).map(|(mark, _)| mark.offset);
        next_row.into_iter().chain(next_dead).min().unwrap_or(self.to)
    }

    /// Order-free, so that a range's hash does not depend on how it was split.
    fn hash(&self) -> u64 {
        let dead = self.dead.iter().map(|(mark, _)| mark);
        self.marks.iter().chain(dead).fold(0, |sum, mark| sum.wrapping_add(mark.hash))
    }
}

/// Records on their way from a reader to its worker.
///
/// ```
/// use tidegate::source::{Intake, Partition};
///
/// let mut intake = Intake::<u32>::new("numbers", &[Partition { id: 0, name: "numbers-0".into() }]);
/// for (offset, line) in ["17", "x", "4"].into_iter().enumerate() {
///     intake.record(0, offset as u64, line.as_bytes(), line.parse().map_err(|_| "not a number"));
/// }
/// assert_eq!((intake.rows(), intake.dead_letters()), (2, 1));
/// ```
pub struct Intake<D> {
    source: String,
    names: BTreeMap<u32, String>,
    portions: BTreeMap<u32, Segment<D>>,
    announced: Vec<Partition>,
    ended: Vec<u32>,
    tick: Option<Tick>,
    rows: usize,
    dead: usize,
    bytes: usize,
    bytes_max: usize,
    /// The most records of each partition that are still wanted; for inline readers.
    room: Limits,
    /// How many records lie behind those read, as far as the reader knows.
    behind: BTreeMap<u32, u64>,
}

/// A feeder hands records on when it holds this many bytes of them.
const BYTES_MAX: usize = 1 << 20;

impl<D> Intake<D> {
    /// An empty intake: for driving a reader by hand.
    pub fn new(source: &str, partitions: &[Partition]) -> Self {
        Intake {
            source: source.to_owned(),
            names: partitions.iter().map(|p| (p.id, p.name.clone())).collect(),
            portions: BTreeMap::new(),
            announced: Vec::new(),
            ended: Vec::new(),
            tick: None,
            rows: 0,
            dead: 0,
            bytes: 0,
            bytes_max: BYTES_MAX,
            room: Limits::default(),
            behind: BTreeMap::new(),
        }
    }

    /// A record that is ready as it is. Offsets rise within a partition.
    #[inline]
    pub fn push(&mut self, partition: u32, offset: u64, row: D) {
        let portion = self.portion(partition, offset);
        if offset != portion.to || !portion.marks.is_empty() {
            portion.mark_row(Mark { offset, hash: 0 });
        }
        portion.to = offset + 1;
        portion.bytes += size_of::<D>();
        portion.rows.push(row);
        self.rows += 1;
        self.bytes += size_of::<D>();
    }

    /// Records that are ready as they are, at consecutive offsets from `first` on.
    pub fn push_all(&mut self, partition: u32, first: u64, rows: Vec<D>) {
        let count = rows.len();
        let fresh = !self.portions.contains_key(&partition);
        let portion = self.portion(partition, first);
        if fresh {
            portion.rows = rows;
        } else {
            if first != portion.to || !portion.marks.is_empty() {
                for offset in (first..).take(count) {
                    portion.mark_row(Mark { offset, hash: 0 });
                }
            }
            portion.rows.extend(rows);
        }
        let bytes = count * size_of::<D>();
        portion.to = first + count as u64;
        portion.bytes += bytes;
        self.rows += count;
        self.bytes += bytes;
    }

    /// A record of raw bytes, with what decoding it came to: a row, or the reason why there is
    /// none, which makes it a dead letter.
    #[inline]
    pub fn record<E: Into<String>>(
        &mut self,
        partition: u32,
        offset: u64,
        payload: &[u8],
        decoded: Result<D, E>,
    ) {
        // The offset is part of the hash, so that moved records are not mistaken for the same.
        let mark = Mark { offset, hash: xxh3_64_with_seed(payload, offset) };
        match decoded {
            Ok(row) => {
                let portion = self.portion(partition, offset);
                portion.to = offset + 1;
                portion.bytes += payload.len();
                portion.mark_row(mark);
                portion.rows.push(row);
                self.rows += 1;
                self.bytes += payload.len();
            }
            Err(reason) => {
                let name = self.names.get(&partition);
                let letter = DeadLetter {
                    source: self.source.clone(),
                    partition: name.cloned().unwrap_or_else(|| partition.to_string()),
                    offset,
                    reason: reason.into(),
                    payload: String::from_utf8_lossy(&payload[..payload.len().min(PAYLOAD_MAX)])
                        .into_owned(),
                };
                let kept = letter.payload.len();
                let portion = self.portion(partition, offset);
                portion.to = offset + 1;
                portion.bytes += kept;
                portion.dead.push((mark, letter));
                self.dead += 1;
                self.bytes += kept;
            }
        }
    }

    /// Moves a partition on over offsets that hold no record (compacted ones, for instance).
    pub fn skip_to(&mut self, partition: u32, offset: u64) {
        let portion = self.portion(partition, offset);
        portion.to = portion.to.max(offset);
    }

    /// A partition that has turned up since the source was opened.
    pub fn announce(&mut self, partition: Partition) {
        self.names.insert(partition.id, partition.name.clone());
        self.announced.push(partition);
    }

    /// A partition that will have no more records, though others may.
    pub fn end(&mut self, partition: u32) {
        self.ended.push(partition);
    }

    /// The tick of the batch that is being cut; only for inline readers.
    pub fn tick(&self) -> Option<Tick> {
        self.tick
    }

    /// How many more records of any one partition this batch takes; only for inline readers.
    pub fn room(&self) -> Option<u64> {
        self.room.of_any()
    }

    /// How many more records of this partition this batch takes; only for inline readers.
    pub fn room_of(&self, partition: u32) -> Option<u64> {
        self.room.of(partition)
    }

    /// So many records of a partition wait behind those that have been read: by this a rate is
    /// dealt out to partitions, where rates are limited.
    pub fn behind(&mut self, partition: u32, records: u64) {
        self.behind.insert(partition, records);
    }

    /// Whether it is time to return from [`Reader::poll`](super::Reader::poll).
    pub fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of records that could not be decoded.
    pub fn dead_letters(&self) -> usize {
        self.dead
    }

    /// Whether nothing has come in.
    pub fn is_empty(&self) -> bool {
        self.portions.is_empty() && self.announced.is_empty() && self.ended.is_empty()
    }

    /// Takes everything out: records by partition, and the partitions that will have no more.
    pub(super) fn take(&mut self) -> (BTreeMap<u32, Segment<D>>, Vec<u32>) {
        (self.rows, self.dead, self.bytes) = (0, 0, 0);
        (std::mem::take(&mut self.portions), std::mem::take(&mut self.ended))
    }

    /// Puts records in, of a partition that has none here yet.
    pub(super) fn put(&mut self, partition: u32, segment: Segment<D>) {
        self.rows += segment.rows.len();
        self.dead += segment.dead.len();
        self.bytes += segment.bytes;
        self.portions.insert(partition, segment);
    }

    fn portion(&mut self, partition: u32, offset: u64) -> &mut Segment<D> {
        self.portions.entry(partition).or_insert_with(|| Segment::new(offset))
    }
}
