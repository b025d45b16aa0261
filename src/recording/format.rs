//! How a recording is laid out.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_operators::Tick;

use crate::plan::PartitionCut;
use crate::recovery::Schema;

/// What a recording begins with.
pub(super) const MAGIC: &[u8] = b"tidegate recording\n";

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// What is said of a recording at its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format: 1.
    pub version: u32,
    /// The version of Tidegate that has made it.
    pub made_by: String,
    /// The workload whose input it is.
    pub workload: String,
    /// The source that was recorded, as it was given.
    pub source: String,
    /// The batch interval, in microseconds: the unit of windows.
    pub interval_us: u64,
    /// What its rows are made of.
    pub schema: Schema,
}

/// A batch of a recording, without its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedBatch {
    /// Its id and time, and the batch before it.
    pub tick: Tick,
    /// What it took of each partition.
    pub partitions: Vec<RecordedPartition>,
}

impl RecordedBatch {
    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.cut.rows).sum()
    }
}

/// What a batch took of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPartition {
    /// The partition, and the offsets `[from, to)`.
    pub cut: PartitionCut,
    /// How many bytes its rows take in the file.
    pub bytes: u64,
}

/// What stands at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) batches: u64,
    pub(super) rows: u64,
}

/// What the payload of a frame is, behind the header: its first byte.
pub(super) const BATCH: u8 = 1;
pub(super) const END: u8 = 2;

/// The payload of a batch: what it is, its rows partition by partition.
pub(super) fn batch(batch: &RecordedBatch, rows: &[Vec<u8>]) -> postcard::Result<Vec<u8>> {
    let mut payload = postcard::to_extend(batch, vec![BATCH])?;
    rows.iter().for_each(|rows| payload.extend_from_slice(rows));
    Ok(payload)
}

/// The payload of the end.
pub(super) fn end(end: End) -> postcard::Result<Vec<u8>> {
    postcard::to_extend(&end, vec![END])
}

/// Rows, as they lie in a batch.
pub(super) fn pack<D: Serialize>(rows: &[&D]) -> postcard::Result<Vec<u8>> {
    Ok(lz4_flex::compress_prepend_size(&postcard::to_extend(rows, Vec::new())?))
}

/// The rows again; what keeps them from being read, for people.
pub(crate) fn unpack<D: DeserializeOwned>(packed: &[u8]) -> Result<Vec<D>, String> {
    let bytes = lz4_flex::decompress_size_prepended(packed).map_err(|error| error.to_string())?;
    postcard::from_bytes(&bytes).map_err(|error| error.to_string())
}
