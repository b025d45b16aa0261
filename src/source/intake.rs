//! What a reader fills: records by partition, with their offsets, and those that can't be decoded.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tidegate_operators::Tick;
use xxhash_rust::xxh3::xxh3_64_with_seed;

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

/// Records that wait for a batch: what the feeder has put there and the worker has not yet taken.
pub(super) struct Stock<D> {
    partitions: BTreeMap<u32, Shelf<D>>,
    /// Partitions come one after the other, and a batch's limit counts them together.
    in_sequence: bool,
    /// Whether other workers read partitions: then a batch does not wait here until one turns up.
    is_shared: bool,
    bytes: usize,
    ended: bool,
}

struct Shelf<D> {
    name: String,
    segments: VecDeque<Segment<D>>,
    records: u64,
    /// Records that the reader knows of and has not read.
    behind: u64,
    /// The offset up to which batches have taken records; `None` before the first.
    position: Option<u64>,
    ended: bool,
}

/// What a batch takes of one partition.
pub(super) struct Portion<D> {
    pub(super) partition: u32,
    pub(super) name: String,
    pub(super) from: Option<u64>,
    pub(super) to: Option<u64>,
    /// Rows in pieces, each with the offset of its first row.
    pub(super) pieces: Vec<(u64, Vec<D>)>,
    pub(super) dead: Vec<(u64, DeadLetter)>,
    pub(super) bytes: usize,
    pub(super) hash: u64,
    /// Records that are left, as far as is known.
    pub(super) left: u64,
}

impl<D> Stock<D> {
    pub(super) fn new(partitions: &[Partition], in_sequence: bool) -> Self {
        let mut stock = Stock {
            partitions: BTreeMap::new(),
            in_sequence,
            is_shared: false,
            bytes: 0,
            ended: false,
        };
        partitions.iter().for_each(|partition| stock.add_partition(partition.clone()));
        stock
    }

    /// Other workers read partitions of the source.
    pub(super) fn share(&mut self) {
        self.is_shared = true;
    }

    /// An earlier run has read partitions up to these offsets.
    pub(super) fn go_on_at(&mut self, positions: &BTreeMap<u32, u64>) {
        for (id, shelf) in &mut self.partitions {
            shelf.position = positions.get(id).copied();
        }
    }

    fn add_partition(&mut self, partition: Partition) {
        self.partitions.entry(partition.id).or_insert_with(|| Shelf {
            name: partition.name,
            segments: VecDeque::new(),
            records: 0,
            behind: 0,
            position: None,
            ended: false,
        });
    }

    /// Takes over what an intake holds, which is empty afterwards.
    pub(super) fn absorb(&mut self, intake: &mut Intake<D>, poll: super::Poll) {
        for partition in intake.announced.drain(..) {
            self.add_partition(partition);
        }
        for (id, segment) in std::mem::take(&mut intake.portions) {
            let shelf = self.partitions.entry(id).or_insert_with(|| Shelf {
                name: id.to_string(),
                segments: VecDeque::new(),
                records: 0,
                behind: 0,
                position: None,
                ended: false,
            });
            shelf.records += segment.records();
            self.bytes += segment.bytes();
            shelf.segments.push_back(segment);
        }
        for (id, records) in std::mem::take(&mut intake.behind) {
            if let Some(shelf) = self.partitions.get_mut(&id) {
                shelf.behind = records;
            }
        }
        for id in intake.ended.drain(..) {
            if let Some(shelf) = self.partitions.get_mut(&id) {
                shelf.ended = true;
            }
        }
        (intake.rows, intake.dead, intake.bytes) = (0, 0, 0);
        self.ended |= poll == super::Poll::End;
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn has_any_or_others_have(&self) -> bool {
        self.is_shared || !self.partitions.is_empty()
    }

    /// Whether every partition has `records` records, or all together where they come in sequence,
    /// or will not get them any more.
    pub(super) fn is_filled(&self, records: u64) -> bool {
        if self.in_sequence {
            let stocked: u64 = self.partitions.values().map(|shelf| shelf.records).sum();
            return self.ended || stocked >= records;
        }
        self.ended
            || (self.has_any_or_others_have()
                && self.partitions.values().all(|shelf| shelf.ended || shelf.records >= records))
    }

    /// Whether a batch of `records` records is filled, and it is known whether it is the last one:
    /// so that a bounded job has the same batches however its readers are timed.
    pub(super) fn is_filled_for_certain(&self, records: u64) -> bool {
        let leaves = |shelf: &Shelf<D>| shelf.records > records;
        let leaves_some = if self.in_sequence {
            self.is_filled(records.saturating_add(1))
        } else {
            self.partitions.values().any(leaves)
        };
        self.ended || (leaves_some && self.is_filled(records))
    }

    /// Whether every partition has as many records as an earlier run took of it.
    pub(super) fn is_filled_as_planned(&self, limits: &Limits) -> bool {
        self.partitions.iter().all(|(id, shelf)| limits.of(*id).is_none_or(|n| shelf.records >= n))
    }

    /// Whether every partition has as many records as may be taken, or will not get them any more.
    pub(super) fn is_filled_to(&self, limits: &Limits) -> bool {
        let is_filled = |(id, shelf): (&u32, &Shelf<D>)| {
            shelf.ended || limits.of(*id).is_some_and(|most| shelf.records >= most)
        };
        self.ended || (self.has_any_or_others_have() && self.partitions.iter().all(is_filled))
    }

    /// Whether there is nothing left, and never will be.
    pub(super) fn is_exhausted(&self) -> bool {
        self.ended && self.partitions.values().all(|shelf| shelf.segments.is_empty())
    }

    /// Takes what a batch takes: of each partition no more than `limits` allow, or of all together
    /// where they come in sequence.
    pub(super) fn take(&mut self, limits: &Limits) -> Vec<Portion<D>> {
        self.take_of(limits, self.in_sequence)
    }

    /// Takes what an earlier run took: the limits say how much of each partition.
    pub(super) fn take_planned(&mut self, limits: &Limits) -> Vec<Portion<D>> {
        self.take_of(limits, false)
    }

    fn take_of(&mut self, limits: &Limits, in_sequence: bool) -> Vec<Portion<D>> {
        let mut portions = Vec::with_capacity(self.partitions.len());
        let mut taken = 0;
        for (id, shelf) in &mut self.partitions {
            let most = limits.of(*id).unwrap_or(u64::MAX);
            let mut left = if in_sequence { most.saturating_sub(taken) } else { most };
            // How far the reader is ahead must not show in the batch.
            if in_sequence && (left == 0 || shelf.segments.is_empty()) {
                continue;
            }
            let mut portion = Portion {
                partition: *id,
                name: shelf.name.clone(),
                from: shelf.position.or_else(|| shelf.segments.front().map(|s| s.from)),
                to: shelf.position,
                pieces: Vec::new(),
                dead: Vec::new(),
                bytes: 0,
                hash: 0,
                left: 0,
            };
            while left > 0 {
                let Some(first) = shelf.segments.front_mut() else { break };
                let segment = if first.records() > left {
                    first.split_front(left)
                } else {
                    shelf.segments.pop_front().expect("just seen")
                };
                left -= segment.records();
                taken += segment.records();
                shelf.records -= segment.records();
                self.bytes -= segment.bytes;
                portion.to = Some(segment.to);
                portion.bytes += segment.bytes;
                portion.hash = portion.hash.wrapping_add(segment.hash());
                portion
                    .dead
                    .extend(segment.dead.into_iter().map(|(mark, dead)| (mark.offset, dead)));
                if !segment.rows.is_empty() {
                    portion.pieces.push((segment.from, segment.rows));
                }
            }
            portion.left = shelf.records + shelf.behind;
            shelf.position = portion.to;
            portions.push(portion);
        }
        // A partition that has ended is reported once more, and then forgotten.
        self.partitions.retain(|_, shelf| !shelf.ended || !shelf.segments.is_empty());
        portions
    }

    /// Prepares an intake for an inline reader: it is asked for this tick's records.
    pub(super) fn order(&self, intake: &mut Intake<D>, tick: Tick, limits: &Limits) {
        intake.tick = Some(tick);
        intake.bytes_max = usize::MAX;
        intake.room = limits.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Poll;
    use super::*;

    fn partition() -> Partition {
        Partition { id: 0, name: "p-0".into() }
    }

    /// Offsets with gaps, every third record dead.
    fn stock(records: u64) -> Stock<u64> {
        let mut stock = Stock::new(&[partition()], false);
        let mut intake = Intake::new("s", &[partition()]);
        for index in 0..records {
            let offset = 10 + index * 2;
            let decoded = if index % 3 == 2 { Err("bad") } else { Ok(index) };
            intake.record(0, offset, &index.to_le_bytes(), decoded);
            if index % 5 == 4 {
                stock.absorb(&mut intake, Poll::More);
            }
        }
        stock.absorb(&mut intake, Poll::End);
        stock
    }

    #[test]
    fn any_split_gives_the_same_records_ranges_and_hash() {
        let whole = stock(40).take(&Limits::default()).pop().expect("one partition");
        assert_eq!((whole.from, whole.to), (Some(10), Some(89)));
        for limit in 1..=41 {
            let mut stock = stock(40);
            let (mut rows, mut dead, mut hash, mut position) = (Vec::new(), Vec::new(), 0u64, 10);
            while !stock.is_exhausted() {
                let portion = stock.take(&Limits::every(Some(limit))).pop().expect("one partition");
                let live: usize = portion.pieces.iter().map(|(_, rows)| rows.len()).sum();
                let taken = (live + portion.dead.len()) as u64;
                let left = 40 - (rows.len() + dead.len()) as u64;
                assert_eq!(taken, limit.min(left), "limit {limit}");
                assert_eq!(portion.from, Some(position), "limit {limit}: ranges have no gaps");
                position = portion.to.expect("records were taken");
                rows.extend(portion.pieces.into_iter().flat_map(|(_, rows)| rows));
                dead.extend(portion.dead.into_iter().map(|(offset, _)| offset));
                hash = hash.wrapping_add(portion.hash);
            }
            assert_eq!(hash, whole.hash, "limit {limit}");
            assert_eq!(rows, (0..40).filter(|row| row % 3 != 2).collect::<Vec<_>>());
            assert_eq!(
                dead,
                (0..40).filter(|r| r % 3 == 2).map(|r| 10 + r * 2).collect::<Vec<_>>()
            );
            assert_eq!(stock.bytes(), 0);
        }
    }

    #[test]
    fn partitions_in_sequence_are_cut_as_one_however_far_the_reader_is_ahead() {
        // Four partitions, of 5, 0, 3 and 7 rows; the reader is `ahead` of the batches.
        let partition = |id| Partition { id, name: format!("p-{id}") };
        let mut arrivals: Vec<(Option<u32>, u32, u64)> = Vec::new();
        for (id, rows) in [(0, 5), (1, 0), (2, 3), (3, 7)] {
            arrivals.push((Some(id), id, 0));
            arrivals.extend((0..rows).map(|row| (None, id, row + 1)));
            arrivals.push((None, id, 0));
        }
        let cut = |ahead: usize| {
            let mut stock = Stock::<u64>::new(&[], true);
            let mut intake = Intake::new("s", &[]);
            let mut arriving = arrivals.iter().peekable();
            let mut cuts = Vec::new();
            while !stock.is_exhausted() {
                let mut extra = 0;
                while (!stock.is_filled(4) || extra < ahead) && arriving.peek().is_some() {
                    extra += usize::from(stock.is_filled(4));
                    match *arriving.next().expect("just seen") {
                        (Some(id), ..) => intake.announce(partition(id)),
                        (None, id, 0) => intake.end(id),
                        (None, id, row) => intake.push(id, row - 1, row),
                    }
                    let last = arriving.peek().is_none();
                    stock.absorb(&mut intake, if last { Poll::End } else { Poll::More });
                }
                let portions = stock.take(&Limits::every(Some(4)));
                let describe = |p: Portion<u64>| (p.partition, p.from, p.to);
                cuts.push(portions.into_iter().map(describe).collect::<Vec<_>>());
            }
            cuts
        };
        let expected = cut(0);
        let rows = |cut: &Vec<(u32, Option<u64>, Option<u64>)>| -> u64 {
            cut.iter().map(|(_, from, to)| to.unwrap_or(0) - from.unwrap_or(0)).sum()
        };
        assert_eq!(expected.iter().map(rows).collect::<Vec<_>>(), [4, 4, 4, 3]);
        for ahead in 1..20 {
            assert_eq!(cut(ahead), expected, "{ahead} ahead");
        }
    }

    #[test]
    fn dense_rows_need_no_marks() {
        let mut intake = Intake::new("s", &[partition()]);
        (5..9).for_each(|offset| intake.push(0, offset, offset));
        let mut stock = Stock::new(&[partition()], false);
        stock.absorb(&mut intake, Poll::More);
        let portion = stock.take(&Limits::every(Some(3))).pop().expect("one partition");
        assert_eq!((portion.from, portion.to), (Some(5), Some(8)));
        assert_eq!(portion.pieces, [(5, vec![5, 6, 7])]);
        let rest = stock.take(&Limits::every(Some(3))).pop().expect("one partition");
        assert_eq!((rest.from, rest.to), (Some(8), Some(9)));
        assert!(!stock.is_exhausted() && !stock.is_filled(1));
    }
}
