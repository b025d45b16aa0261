//! One file of JSON lines, growing batch by batch.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::PathBuf;

use serde::Serialize;
use tidegate_operators::{Record, Tick};

use super::{Sink, Writer};
use crate::error::SinkError;

/// Appends each row of a batch to a file, as a line `{"batch":3,"time_ms":3000,"row":...}`.
///
/// A batch is written with one call and synced. If that fails, the file is cut back to where the
/// batch began.
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
        Ok(Box::new(LineWriter { path: self.path.clone(), file, is_file, committed }))
    }
}

struct LineWriter {
    path: PathBuf,
    file: File,
    is_file: bool,
    /// The length of the file after the last batch.
    committed: u64,
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

    fn abort(&mut self) {
        if !self.is_file {
            return;
        }
        if let Err(error) = self.file.set_len(self.committed) {
            log::warn!("`{}` may end in part of a batch: {error}", self.path.display());
        }
    }
}
