//! One file of JSON lines, growing batch by batch.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use serde::Serialize;
use tidegate_operators::{Record, Tick};

use super::{Claim, Delivery, Sink, Writer};
use crate::error::SinkError;

/// Appends each row of a batch to a file, as a line `{"batch":3,"time_ms":3000,"row":...}`.
///
/// A batch is written with one call and synced. If that fails, the file is cut back to where the
/// batch began. In a job with checkpoints a file beside it (`.batches`) says through which batch the
/// lines are complete: a restart cuts off the rest, so that each line is there exactly once.
///
/// ```
/// use tidegate::sink::{JsonLines, Sink};
///
/// let sink = JsonLines::new("out/counts.jsonl");
/// assert_eq!(Sink::<u32>::name(&sink), "jsonl:out/counts.jsonl");
/// ```
pub struct JsonLines {
    path: PathBuf,
}

impl JsonLines {
    /// Appends to the file at `path`, creating it if need be.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        JsonLines { path: path.into() }
    }
}

impl<D: Record> Sink<D> for JsonLines {
    fn name(&self) -> String {
        format!("jsonl:{}", self.path.display())
    }

    /// What a pipe or a device was given can't be taken back.
    fn delivery(&self) -> Delivery {
        match std::fs::metadata(&self.path) {
            Ok(there) if !there.is_file() => Delivery::AtLeastOnce,
            _ => Delivery::ExactlyOnce,
        }
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        let failed = |source| SinkError::File { path: self.path.clone(), source };
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut file =
            OpenOptions::new().create(true).append(true).open(&self.path).map_err(failed)?;
        // A pipe or a device has no length, can't be synced, and keeps what was written.
        let is_file = file.metadata().map_err(failed)?.is_file();
        let committed = match is_file {
            true => file.seek(std::io::SeekFrom::End(0)).map_err(failed)?,
            false => 0,
        };
        Ok(Box::new(LineWriter { path: self.path.clone(), file, is_file, committed, marks: None }))
    }
}

struct LineWriter {
    path: PathBuf,
    file: File,
    is_file: bool,
    /// The length of the file after the last batch.
    committed: u64,
    /// Where it is written how long the file is after each batch, if the job is saved.
    marks: Option<File>,
}

/// One mark: batch, length, and a check of both, 8 bytes each.
const MARK_BYTES: usize = 24;

fn mark(batch: u64, length: u64) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[..8].copy_from_slice(&batch.to_le_bytes());
    bytes[8..16].copy_from_slice(&length.to_le_bytes());
    let check = xxhash_rust::xxh3::xxh3_64(&bytes[..16]);
    bytes[16..].copy_from_slice(&check.to_le_bytes());
    bytes
}

impl LineWriter {
    /// The file beside, which says through which batch the lines are complete.
    fn marks_path(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        name.push(".batches");
        self.path.with_file_name(name)
    }
}

#[derive(Serialize)]
struct Line<'a, D> {
    batch: u64,
    time_ms: i64,
    row: &'a D,
}

impl<D: Record> Writer<D> for LineWriter {
    fn write(&mut self, tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        let mut text = Vec::new();
        for row in rows {
            let line = Line { batch: tick.id, time_ms: tick.time_ms, row };
            serde_json::to_writer(&mut text, &line)
                .map_err(|source| SinkError::Format { format: "JSON", source: Box::new(source) })?;
            text.push(b'\n');
        }
        let failed = |source| SinkError::File { path: self.path.clone(), source };
        self.file.write_all(&text).map_err(failed)?;
        if self.is_file {
            self.file.sync_data().map_err(failed)?;
        }
        self.committed += text.len() as u64;
        Ok(())
    }

    /// With marks, lines count from here on: those behind the last mark are cut off by a restart.
    fn commit(&mut self, tick: &Tick) -> Result<(), SinkError> {
        let Some(marks) = &mut self.marks else { return Ok(()) };
        marks
            .write_all(&mark(tick.id, self.committed))
            .and_then(|()| marks.sync_data())
            .map_err(|source| SinkError::File { path: self.marks_path(), source })
    }

    fn recover(&mut self, _claim: &Claim<'_>) -> Result<Option<u64>, SinkError> {
        if !self.is_file {
            return Ok(None);
        }
        let path = self.marks_path();
        let failed = |source| SinkError::File { path: path.clone(), source };
        let mut marks =
            OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(failed)?;
        // One that has not heard of its end would append what is there already.
        match marks.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(SinkError::Invalid(format!(
                    "`{}` is being written by another job: end it first, or write to another file",
                    self.path.display()
                )));
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut bytes = Vec::new();
        marks.read_to_end(&mut bytes).map_err(failed)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b));
        let whole = bytes.chunks_exact(MARK_BYTES).map_while(|bytes| {
            let (batch, length) = (number(&bytes[..8]), number(&bytes[8..16]));
            (mark(batch, length) == bytes).then_some((batch, length))
        });
        let whole: Vec<(u64, u64)> = whole.collect();
        // What is in the file before the first batch stays.
        let (batch, length) = whole.last().copied().unwrap_or((0, self.committed));
        if self.committed < length {
            return Err(SinkError::Invalid(format!(
                "`{}` has {} bytes, but {length} were written through batch {batch}: bring it back, \
                 or write to another file with an empty checkpoint directory",
                self.path.display(),
                self.committed
            )));
        }
        // What a batch left that was not finished, and a mark that was not.
        marks.set_len((whole.len() * MARK_BYTES) as u64).map_err(failed)?;
        self.file
            .set_len(length)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| SinkError::File { path: self.path.clone(), source })?;
        if whole.is_empty() {
            marks.write_all(&mark(0, length)).and_then(|()| marks.sync_data()).map_err(failed)?;
        }
        self.committed = length;
        self.marks = Some(marks);
        Ok(Some(batch))
    }

    fn abort(&mut self) {
        if !self.is_file {
            return;
        }
        if let Err(error) = self.file.set_len(self.committed) {
            log::warn!("`{}` may end in part of a batch: {error}", self.path.display());
        }
    }
}
