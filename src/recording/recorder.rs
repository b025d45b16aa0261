//! Writing a recording: a sink that is told the plan.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_operators::{Chunks, Record, Tick};

use super::format::{self, End, Header, MAGIC, RecordedBatch, RecordedPartition, VERSION};
use crate::batch::{BatchId, chunkwise};
use crate::dstream::DStream;
use crate::engine::control::lock;
use crate::error::{RecordingError, SinkError};
use crate::plan::{PlanLog, PlanRow};
use crate::recovery::{Schema, frames};
use crate::sink::{Sink, Writer};

/// Records the input of a job. It has to be told the job's plan, too.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tidegate::recording::{Recorder, Recording};
/// use tidegate::source::Generator;
/// use tidegate::{Config, Trigger};
///
/// let place = tempfile::tempdir()?;
/// let path = place.path().join("keys.tgr");
/// let config = Config::new("record").trigger(Trigger::AvailableNow).records_per_partition_max(40);
/// let recorder = Recorder::create::<u64>(&path, "count", "made up", config.interval)?;
/// let record = recorder.clone();
/// tidegate::run(config.plan_log(Arc::new(recorder.clone())), move |ctx| {
///     record.record(ctx.source(Generator::uniform_keys(10, 7).records(100)));
/// })?;
/// let written = recorder.finish()?;
/// assert_eq!((written.batches, written.rows), (3, 100));
/// assert_eq!(Recording::open(&path)?.batches().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Mutex<Shared>>,
    path: PathBuf,
}

struct Shared {
    file: BufWriter<File>,
    bytes: u64,
    end: End,
    /// The plans of batches whose rows are still to come.
    plans: BTreeMap<BatchId, PlanRow>,
}

/// What a recording came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its batches.
    pub batches: u64,
    /// Their rows.
    pub rows: u64,
    /// The length of the file.
    pub bytes: u64,
}

impl Recorder {
    /// Begins a recording of rows of type `D`, in a file that must not be there yet.
    ///
    /// # Errors
    ///
    /// If the file is there, or can't be written.
    pub fn create<D: Record>(
        path: impl AsRef<Path>,
        workload: &str,
        source: &str,
        interval: Duration,
    ) -> Result<Self, RecordingError> {
        let path = path.as_ref().to_owned();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => RecordingError::Exists { path: path.clone() },
            _ => RecordingError::Write { path: path.clone(), source },
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
        let header = Header {
            version: VERSION,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            workload: workload.to_owned(),
            source: source.to_owned(),
            interval_us: interval.as_micros() as u64,
            schema: Schema::of::<D>(),
        };
        let header =
            serde_json::to_vec(&header).map_err(|error| failed(io::Error::other(error)))?;
        let end = End { batches: 0, rows: 0 };
        let mut shared =
            Shared { file: BufWriter::new(file), bytes: 0, end, plans: BTreeMap::new() };
        shared.put(MAGIC).and_then(|()| shared.frame(&header)).map_err(failed)?;
        Ok(Recorder { shared: Arc::new(Mutex::new(shared)), path })
    }

    /// Records the rows of a stream that comes straight from the job's first source.
    pub fn record<D: Record>(&self, rows: DStream<'_, D>) {
        let ctx = rows.context();
        let rows = chunkwise(rows.into_chunks(), "Record", |chunks| {
            let mut placed = Chunks::new();
            for (tag, rows) in chunks.into_chunks() {
                placed.push(tag, rows.into_iter().map(|row| (tag.partition, row)));
            }
            placed
        });
        ctx.dstream(rows).sink(self.clone());
    }

    /// Ends the recording, once its job is over.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn finish(&self) -> Result<Written, RecordingError> {
        let failed = |source| RecordingError::Write { path: self.path.clone(), source };
        let mut shared = lock(&self.shared);
        let end = shared.end;
        let payload = format::end(end).map_err(|error| failed(io::Error::other(error)))?;
        shared.frame(&payload).map_err(failed)?;
        shared.file.flush().and_then(|()| shared.file.get_ref().sync_all()).map_err(failed)?;
        Ok(Written { batches: end.batches, rows: end.rows, bytes: shared.bytes })
    }
}

impl Shared {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + 8);
        frames::push(&mut frame, payload);
        self.put(&frame)
    }
}

impl PlanLog for Recorder {
    fn append(&self, row: &PlanRow) -> io::Result<()> {
        lock(&self.shared).plans.insert(row.tick.id, row.clone());
        Ok(())
    }
}

impl<D: Record> Sink<(u32, D)> for Recorder {
    fn name(&self) -> String {
        format!("recording:{}", self.path.display())
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<(u32, D)>>, SinkError> {
        Ok(Box::new(self.clone()))
    }
}

impl<D: Record> Writer<(u32, D)> for Recorder {
    fn write(&mut self, tick: &Tick, rows: &[(u32, D)]) -> Result<(), SinkError> {
        let plan = lock(&self.shared).plans.remove(&tick.id).ok_or_else(|| {
            let text = "the recorder does not hear the plan: give it to `Config::plan_log`, too";
            SinkError::Invalid(text.into())
        })?;
        let mut by_partition: BTreeMap<u32, Vec<&D>> = BTreeMap::new();
        for (partition, row) in rows {
            by_partition.entry(*partition).or_default().push(row);
        }
        let failed = |error: postcard::Error| SinkError::Format {
            format: "a recording",
            source: Box::new(error),
        };
        let mut batch = RecordedBatch { tick: *tick, partitions: Vec::new() };
        let mut packed = Vec::new();
        for cut in plan.sources.into_iter().take(1).flat_map(|source| source.partitions) {
            let rows = by_partition.remove(&cut.partition).unwrap_or_default();
            if rows.len() as u64 != cut.rows {
                return Err(SinkError::Invalid(format!(
                    "batch {} has {} rows of {}, and {} were planned: only what comes straight \
                     from the job's first source can be recorded",
                    tick.id,
                    rows.len(),
                    cut.name,
                    cut.rows
                )));
            }
            let rows = format::pack(&rows).map_err(failed)?;
            batch.partitions.push(RecordedPartition { cut, bytes: rows.len() as u64 });
            packed.push(rows);
        }
        let payload = format::batch(&batch, &packed).map_err(failed)?;
        if u32::try_from(payload.len()).is_err() {
            return Err(SinkError::Invalid(format!(
                "batch {} is larger than 4 GiB: cut smaller ones (`--records-per-partition`)",
                tick.id
            )));
        }
        let mut shared = lock(&self.shared);
        shared.end.batches += 1;
        shared.end.rows += batch.rows();
        let written = shared.frame(&payload).and_then(|()| shared.file.flush());
        written.map_err(|source| SinkError::File { path: self.path.clone(), source })
    }
}
