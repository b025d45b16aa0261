//! What has been read and waits for its batch.

use std::collections::{BTreeMap, VecDeque};
use tidegate_operators::{Record, Tick};

use super::{DeadLetter, Intake, Mark, Segment};
use crate::rate::Limits;
use crate::source::{Partition, Poll};

/// Records that wait for a batch: what the feeder has put there and the worker has not yet taken.
pub(in crate::source) struct Stock<D> {
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
pub(in crate::source) struct Portion<D> {
    pub(in crate::source) partition: u32,
    pub(in crate::source) name: String,
    pub(in crate::source) from: Option<u64>,
    pub(in crate::source) to: Option<u64>,
    /// Rows in pieces, each with the offset of its first row.
    pub(in crate::source) pieces: Vec<(u64, Vec<D>)>,
    /// Where the rows of each piece stood, if not one behind the other.
    marks: Vec<Vec<Mark>>,
    pub(in crate::source) dead: Vec<(u64, DeadLetter)>,
    pub(in crate::source) bytes: usize,
    pub(in crate::source) hash: u64,
    /// Records that are left, as far as is known.
    pub(in crate::source) left: u64,
}

impl<D: Record> Portion<D> {
    /// Makes dead letters of all records.
    pub(in crate::source) fn set_aside(&mut self, source: &str) {
        let pieces = std::mem::take(&mut self.pieces).into_iter();
        for ((from, rows), marks) in pieces.zip(std::mem::take(&mut self.marks)) {
            for (number, row) in rows.into_iter().enumerate() {
                let offset = marks.get(number).map_or(from + number as u64, |mark| mark.offset);
                let letter = DeadLetter {
                    source: source.to_owned(),
                    partition: self.name.clone(),
                    offset,
                    reason: "its batch was put aside: the job could not get through it".into(),
                    // What was decoded is shown as it was; anything can be shown somehow.
                    payload: serde_json::to_string(&row).unwrap_or_else(|_| format!("{row:?}")),
                };
                self.dead.push((offset, letter));
            }
        }
        self.dead.sort_by_key(|(offset, _)| *offset);
    }
}

impl<D> Stock<D> {
    pub(in crate::source) fn new(partitions: &[Partition], in_sequence: bool) -> Self {
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
    pub(in crate::source) fn share(&mut self) {
        self.is_shared = true;
    }

    /// An earlier run has read partitions up to these offsets.
    pub(in crate::source) fn go_on_at(&mut self, positions: &BTreeMap<u32, u64>) {
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
    pub(in crate::source) fn absorb(&mut self, intake: &mut Intake<D>, poll: Poll) {
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
        self.ended |= poll == Poll::End;
    }

    pub(in crate::source) fn bytes(&self) -> usize {
        self.bytes
    }

    fn has_any_or_others_have(&self) -> bool {
        self.is_shared || !self.partitions.is_empty()
    }

    /// Whether every partition has `records` records, or all together where they come in sequence,
    /// or will not get them any more.
    pub(in crate::source) fn is_filled(&self, records: u64) -> bool {
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
    pub(in crate::source) fn is_filled_for_certain(&self, records: u64) -> bool {
        let leaves = |shelf: &Shelf<D>| shelf.records > records;
        let leaves_some = if self.in_sequence {
            self.is_filled(records.saturating_add(1))
        } else {
            self.partitions.values().any(leaves)
        };
        self.ended || (leaves_some && self.is_filled(records))
    }

    /// Whether every partition has as many records as an earlier run took of it.
    pub(in crate::source) fn is_filled_as_planned(&self, limits: &Limits) -> bool {
        self.partitions.iter().all(|(id, shelf)| limits.of(*id).is_none_or(|n| shelf.records >= n))
    }

    /// Whether every partition has as many records as may be taken, or will not get them any more.
    pub(in crate::source) fn is_filled_to(&self, limits: &Limits) -> bool {
        let is_filled = |(id, shelf): (&u32, &Shelf<D>)| {
            shelf.ended || limits.of(*id).is_some_and(|most| shelf.records >= most)
        };
        self.ended || (self.has_any_or_others_have() && self.partitions.iter().all(is_filled))
    }

    /// Whether there is nothing left, and never will be.
    pub(in crate::source) fn is_exhausted(&self) -> bool {
        self.ended && self.partitions.values().all(|shelf| shelf.segments.is_empty())
    }

    /// Takes what a batch takes: of each partition no more than `limits` allow, or of all together
    /// where they come in sequence.
    pub(in crate::source) fn take(&mut self, limits: &Limits) -> Vec<Portion<D>> {
        self.take_of(limits, self.in_sequence)
    }

    /// Takes what an earlier run took: the limits say how much of each partition.
    pub(in crate::source) fn take_planned(&mut self, limits: &Limits) -> Vec<Portion<D>> {
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
                marks: Vec::new(),
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
                    portion.marks.push(segment.marks);
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
    pub(in crate::source) fn order(&self, intake: &mut Intake<D>, tick: Tick, limits: &Limits) {
        intake.tick = Some(tick);
        intake.bytes_max = usize::MAX;
        intake.room = limits.clone();
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn records_that_are_set_aside_are_dead_letters_with_their_own_offsets() {
        let mut stock = stock(6);
        let mut portion = stock.take(&Limits::every(None)).pop().expect("one partition");
        portion.set_aside("s");
        assert!(portion.pieces.is_empty());
        let offsets: Vec<u64> = portion.dead.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, (0..6).map(|row| 10 + row * 2).collect::<Vec<_>>());
        let (offset, letter) = &portion.dead[0];
        assert_eq!((*offset, letter.offset, &*letter.payload), (10, 10, "0"));
        assert!(letter.reason.contains("put aside"), "{letter:?}");
    }
}
