//! Files of saved state: rows by key group, in blocks that are compressed and checked one by one.
//!
//! ```text
//! magic | block ... | index | length of the index (u32) | crc32c of the index (u32) | magic
//! ```
//!
//! A block holds the rows of a range of key groups, oldest first within each group. A worker reads
//! the blocks of the groups that it owns.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use tidegate_operators::Record;
use tidegate_operators::batched::Route;
use tidegate_operators::codec::{Codec, SerdeCodec};
use tidegate_operators::ship::{KEY_GROUPS, key_group};

/// The group of rows that belong to every worker.
const EVERYWHERE: u64 = KEY_GROUPS;

/// Version 1 of the format.
const MAGIC: &[u8; 8] = b"tgstate1";

/// A block is closed when it has this many bytes.
const BLOCK_BYTES: usize = 256 << 10;

/// What a damaged or strange file is found out by.
pub(super) type Fault = String;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Block {
    /// The first and the last key group.
    first: u64,
    last: u64,
    /// Where it begins, and how many bytes it has.
    offset: u64,
    bytes: u64,
    crc32c: u32,
}

/// The group of a row.
pub(super) fn group(route: Route) -> u64 {
    match route {
        Route::Key(hash) => key_group(hash),
        Route::Everywhere => EVERYWHERE,
    }
}

/// Writes rows, each with its group, in the order of groups.
pub(super) fn encode<S: Record>(groups: Vec<(u64, Vec<S>)>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    let mut blocks: Vec<Block> = Vec::new();
    let (mut range, mut pending): (Option<(u64, u64)>, Vec<u8>) = (None, Vec::new());
    let mut close = |range: &mut Option<(u64, u64)>, pending: &mut Vec<u8>, out: &mut Vec<u8>| {
        let Some((first, last)) = range.take() else { return };
        let packed = lz4_flex::compress_prepend_size(pending);
        let (offset, bytes) = (out.len() as u64, packed.len() as u64);
        blocks.push(Block { first, last, offset, bytes, crc32c: crc32c::crc32c(&packed) });
        out.extend_from_slice(&packed);
        pending.clear();
    };
    for (group, rows) in groups {
        let mut encoded = Vec::new();
        SerdeCodec.encode(&rows, &mut encoded);
        pending.extend_from_slice(&(encoded.len() as u64).to_le_bytes());
        pending.extend_from_slice(&encoded);
        range = Some((range.map_or(group, |(first, _)| first), group));
        if pending.len() >= BLOCK_BYTES {
            close(&mut range, &mut pending, &mut out);
        }
    }
    close(&mut range, &mut pending, &mut out);
    let mut index = Vec::new();
    SerdeCodec.encode(&blocks, &mut index);
    out.extend_from_slice(&index);
    out.extend_from_slice(&(index.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&index).to_le_bytes());
    out.extend_from_slice(MAGIC);
    out
}

/// Reads the rows of some key groups, and those that belong to every worker.
pub(super) fn decode<S: Record>(
    file: &[u8],
    groups: &RangeInclusive<u64>,
    mut give: impl FnMut(Vec<S>),
) -> Result<(), Fault> {
    open(file, groups, |encoded| {
        give(SerdeCodec.decode(encoded).map_err(|error| error.to_string())?);
        Ok(())
    })
}

/// Gives the encoded rows of some key groups, group by group, and those that belong to every
/// worker.
pub(super) fn open(
    file: &[u8],
    groups: &RangeInclusive<u64>,
    mut give: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    const TAIL: usize = 16;
    if file.len() < MAGIC.len() + TAIL || !file.starts_with(MAGIC) || !file.ends_with(MAGIC) {
        return Err("it is no state file, or not a whole one".into());
    }
    let word = |at: usize| u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]);
    let tail = file.len() - TAIL;
    let index = tail
        .checked_sub(word(tail) as usize)
        .and_then(|from| file.get(from..tail))
        .filter(|index| crc32c::crc32c(index) == word(tail + 4))
        .ok_or("its index is damaged")?;
    let blocks: Vec<Block> =
        SerdeCodec.decode(index).map_err(|error| format!("its index is damaged: {error}"))?;
    for block in blocks {
        let wanted = block.last == EVERYWHERE
            || (block.first <= *groups.end() && block.last >= *groups.start());
        if !wanted {
            continue;
        }
        let damaged =
            || format!("the block of key groups {} to {} is damaged", block.first, block.last);
        let packed = file
            .get(block.offset as usize..(block.offset + block.bytes) as usize)
            .filter(|packed| crc32c::crc32c(packed) == block.crc32c)
            .ok_or_else(damaged)?;
        let bytes = lz4_flex::decompress_size_prepended(packed).map_err(|_| damaged())?;
        let mut rest = bytes.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<8>() {
            let length = u64::from_le_bytes(*length) as usize;
            let encoded = behind.get(..length).ok_or_else(damaged)?;
            give(encoded)?;
            rest = &behind[length..];
        }
        if !rest.is_empty() {
            return Err(damaged());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, String);

    fn groups(rows: u64) -> Vec<(u64, Vec<Row>)> {
        let mut by_group = std::collections::BTreeMap::<u64, Vec<Row>>::new();
        for row in 0..rows {
            let route = if row % 50 == 7 { Route::Everywhere } else { Route::of_key(&(row % 400)) };
            by_group.entry(group(route)).or_default().push((row, "x".repeat(row as usize % 90)));
        }
        by_group.into_iter().collect()
    }

    fn read(file: &[u8], groups: RangeInclusive<u64>) -> Result<Vec<Row>, Fault> {
        let mut rows = Vec::new();
        decode(file, &groups, |some: Vec<Row>| rows.extend(some)).map(|()| rows)
    }

    #[test]
    fn each_worker_finds_its_groups_and_what_belongs_to_all() {
        let all = groups(40_000);
        let file = encode(all.clone());
        assert!(file.len() < 40_000 * 20, "it is compressed: {} bytes", file.len());
        let whole: Vec<Row> = all.iter().flat_map(|(_, rows)| rows.clone()).collect();
        assert_eq!(read(&file, 0..=KEY_GROUPS - 1).unwrap(), whole);
        for range in [0..=99, 100..=100, 512..=1023] {
            let found = read(&file, range.clone()).unwrap();
            for (group, rows) in &all {
                if range.contains(group) || *group == EVERYWHERE {
                    assert!(rows.iter().all(|row| found.contains(row)), "group {group}");
                }
            }
        }
        assert_eq!(read(&encode::<Row>(Vec::new()), 0..=1023).unwrap(), []);
    }

    #[test]
    fn damage_is_found_and_never_read() {
        let all = groups(300);
        let file = encode(all.clone());
        let whole: Vec<Row> = all.into_iter().flat_map(|(_, rows)| rows).collect();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            if let Ok(rows) = read(&damaged, 0..=1023) {
                assert_eq!(rows, whole, "a bit of byte {at} is flipped, and goes unnoticed");
            }
            assert!(read(&file[..at], 0..=1023).is_err(), "cut at {at}");
        }
    }
}
