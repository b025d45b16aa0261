//! The records of batches as JSON lines.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{BatchRecord, Listener};
use crate::engine::control::lock;

/// Writes the record of each batch to a file, one JSON object a line.
///
/// What an earlier job has left in it goes when the first record comes, not before: a job that does
/// not start changes nothing.
pub struct MetricsFile {
    path: PathBuf,
    writer: Mutex<Option<Output>>,
}

struct Output {
    writer: BufWriter<File>,
    is_fresh: bool,
}

impl MetricsFile {
    /// Creates the file, if there is none.
    ///
    /// # Errors
    ///
    /// If that is not possible.
    ///
    /// ```
    /// use tidegate::metrics::{BatchRecord, Listener, MetricsFile};
    ///
    /// let path = std::env::temp_dir().join(format!("metrics-{}.jsonl", std::process::id()));
    /// let metrics = MetricsFile::create(&path).unwrap();
    /// metrics.batch_completed(&BatchRecord { batch: 1, ..Default::default() });
    /// assert!(std::fs::read_to_string(&path).unwrap().starts_with(r#"{"batch":1,"#));
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        let output = Output { writer: BufWriter::new(file), is_fresh: true };
        Ok(MetricsFile { path, writer: Mutex::new(Some(output)) })
    }
}

impl Listener for MetricsFile {
    fn batch_completed(&self, record: &BatchRecord) {
        let mut writer = lock(&self.writer);
        let Some(Output { writer: open, is_fresh }) = writer.as_mut() else { return };
        if std::mem::take(is_fresh) {
            // What is no plain file, a pipe for instance, has nothing to be emptied of.
            let _ = open.get_ref().set_len(0);
        }
        let written = serde_json::to_writer(&mut *open, record)
            .map_err(io::Error::from)
            .and_then(|()| open.write_all(b"\n"))
            .and_then(|()| open.flush());
        if let Err(error) = written {
            // Results don't depend on it; the job goes on without.
            let path = self.path.display();
            log::error!("no more metrics to `{path}` after batch {}: {error}", record.batch);
            *writer = None;
        }
    }
}
