//! A text file for each batch, named by its time, as Spark's `saveAsTextFiles` does.

use std::any::Any;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tidegate_operators::{Record, Tick};

use super::{Claim, Delivery, Sink, Writer};
use crate::error::SinkError;
use crate::recovery::sync_directory;

/// Writes each batch to a file `prefix-TIME[.suffix]`, one row a line; `TIME` is the batch time in
/// milliseconds since 1970.
///
/// A file is written under a temporary name, synced, and renamed: a file that is there is whole. In a
/// job with checkpoints its name is synced, too; a batch that is written again replaces its file by the
/// same content, so that each row is there exactly once.
///
/// ```
/// use tidegate::sink::{Sink, TextFiles};
///
/// let sink = TextFiles::<String>::new("out/counts").suffix("txt");
/// assert_eq!(sink.name(), "text:out/counts");
/// ```
pub struct TextFiles<D> {
    prefix: PathBuf,
    suffix: Option<String>,
    format: fn(&D) -> String,
}

/// A row as a line of text: strings as they are, everything else as `Debug` shows it.
pub(crate) fn line_of<D: Record>(row: &D) -> String {
    match (row as &dyn Any).downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => format!("{row:?}"),
    }
}

impl<D: Record> TextFiles<D> {
    /// Files whose names begin with `prefix`, which may name a directory too. Strings are written
    /// as they are, other rows as `Debug` shows them.
    pub fn new(prefix: impl Into<PathBuf>) -> Self {
        TextFiles { prefix: prefix.into(), suffix: None, format: line_of }
    }

    /// Ends file names with `.suffix`.
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = Some(suffix.into());
        self
    }

    /// Writes rows in another way.
    pub fn format(mut self, format: fn(&D) -> String) -> Self {
        self.format = format;
        self
    }
}

impl<D: Record> Sink<D> for TextFiles<D> {
    fn name(&self) -> String {
        format!("text:{}", self.prefix.display())
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        let directory = match self.prefix.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let text = self.prefix.to_string_lossy();
        if self.prefix.file_name().is_none() || text.ends_with('/') {
            let example = self.prefix.join("counts");
            return Err(SinkError::Invalid(format!(
                "`{text}` names no file: add the beginning of a file name, as in `{}`",
                example.display()
            )));
        }
        writable(&directory)?;
        Ok(Box::new(FileWriter {
            prefix: self.prefix.clone(),
            suffix: self.suffix.clone(),
            format: self.format,
            directory,
            pending: None,
            is_saved: false,
        }))
    }
}

/// Creates the directory if need be, and a file without a name in it, to see whether that works:
/// nothing of it is left, even if the job is killed right then.
pub(super) fn writable(directory: &Path) -> Result<(), SinkError> {
    let failed = |source| SinkError::File { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(failed)?;
    tempfile::tempfile_in(directory).map(drop).map_err(failed)
}

struct FileWriter<D> {
    prefix: PathBuf,
    suffix: Option<String>,
    format: fn(&D) -> String,
    directory: PathBuf,
    pending: Option<PathBuf>,
    /// Whether a checkpoint may rely on files that are there.
    is_saved: bool,
}

impl<D> FileWriter<D> {
    fn path(&self, tick: &Tick) -> PathBuf {
        let mut name = self.prefix.file_name().unwrap_or_default().to_owned();
        name.push(format!("-{}", tick.time_ms));
        if let Some(suffix) = &self.suffix {
            name.push(format!(".{suffix}"));
        }
        self.directory.join(name)
    }

    /// What was renamed stays so.
    fn sync_names(&self) -> Result<(), SinkError> {
        let path = &self.directory;
        sync_directory(path).map_err(|source| SinkError::File { path: path.clone(), source })
    }
}

impl<D: Record> Writer<D> for FileWriter<D> {
    fn write(&mut self, tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        let path = self.path(tick);
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".tmp");
        let temporary = self.directory.join(name);
        let failed = |source| SinkError::File { path: temporary.clone(), source };
        let file = fs::File::create(&temporary).map_err(failed)?;
        self.pending = Some(temporary.clone());
        let mut writer = BufWriter::with_capacity(1 << 16, file);
        for row in rows {
            let mut line = (self.format)(row);
            line.push('\n');
            writer.write_all(line.as_bytes()).map_err(failed)?;
        }
        let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)
    }

    fn commit(&mut self, tick: &Tick) -> Result<(), SinkError> {
        let path = self.path(tick);
        if let Some(temporary) = self.pending.take() {
            fs::rename(temporary, &path).map_err(|source| SinkError::File { path, source })?;
        }
        match self.is_saved {
            true => self.sync_names(),
            false => Ok(()),
        }
    }

    /// A batch's file says nothing of the batches before it: all that are not in the checkpoint are
    /// written again.
    fn recover(&mut self, _claim: &Claim<'_>) -> Result<Option<u64>, SinkError> {
        self.is_saved = true;
        // The directory may be new.
        self.sync_names()?;
        let parent = self.directory.join("..");
        sync_directory(&parent).map_err(|source| SinkError::File { path: parent, source })?;
        Ok(None)
    }

    fn abort(&mut self) {
        if let Some(temporary) = self.pending.take()
            && let Err(error) = fs::remove_file(&temporary)
        {
            log::warn!("a temporary file stays behind: `{}`: {error}", temporary.display());
        }
    }
}
