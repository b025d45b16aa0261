//! What a plan says about one batch.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidegate_operators::Tick;

/// Which records a batch covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlanRow {
    /// The batch.
    pub tick: Tick,
    /// What it takes of each source, by the source's number in the program.
    pub sources: Vec<SourceCut>,
}

impl PlanRow {
    /// The number of records, live and dead.
    pub fn records(&self) -> u64 {
        self.sources.iter().map(SourceCut::records).sum()
    }

    /// Whether no source will ever have more.
    pub fn is_exhausted(&self) -> bool {
        !self.sources.is_empty() && self.sources.iter().all(|source| source.exhausted)
    }
}

/// `batch 12: lines-0 [400, 440), lines-1 [380, 420)`
impl fmt::Display for PlanRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {}:", self.tick.id)?;
        let cuts = self.sources.iter().flat_map(|source| &source.partitions);
        let mut read = cuts.filter(|cut| cut.from < cut.to).peekable();
        if read.peek().is_none() {
            return write!(f, " no records");
        }
        for (index, PartitionCut { name, from, to, .. }) in read.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma} {name} [{from}, {to})")?;
        }
        Ok(())
    }
}

/// What a batch takes of one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceCut {
    /// The source's number in the program.
    pub source: u32,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionCut>,
    /// Whether it will never have more.
    pub exhausted: bool,
}

impl SourceCut {
    /// The number of records, live and dead.
    pub fn records(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.rows + partition.dead).sum()
    }
}

/// What a batch takes of one partition: the offsets `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartitionCut {
    /// The partition's number.
    pub partition: u32,
    /// Its name.
    pub name: String,
    /// The first offset.
    pub from: u64,
    /// The offset behind the last.
    pub to: u64,
    /// Records that could be decoded.
    pub rows: u64,
    /// Records that could not.
    pub dead: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// A hash of the records' bytes and offsets that does not depend on how the range was read;
    /// 0 for sources without bytes.
    pub hash: u64,
}
