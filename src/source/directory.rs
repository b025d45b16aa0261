//! The files of a directory, and new ones as they appear.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use tidegate_operators::Record;

use super::file::{FileLines, length};
use super::lines::{Decode, utf8};
use super::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use crate::error::SourceError;

/// The lines of all files of a directory, oldest file first, and those of new files as they
/// appear. Each file is a partition, and a line's offset is that of its first byte.
///
/// Files should be moved into the directory whole; names that begin with `.` or `_`, or end in
/// `.tmp`, are passed over, so that writers can prepare them there. One worker reads them, one
/// after the other: a bound on a batch's records counts those of all files together.
///
/// ```
/// use tidegate::source::{Directory, Source};
///
/// let logs = Directory::new(std::env::temp_dir());
/// assert!(logs.name().starts_with("dir:"));
/// ```
pub struct Directory<D> {
    path: PathBuf,
    decode: Decode<D>,
}

impl Directory<String> {
    /// The lines of the files in the directory at `path`, as text. What is no UTF-8 goes to the
    /// dead letters.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Directory::decoded(path, utf8)
    }
}

impl<D: Record> Directory<D> {
    /// The lines of the files, each decoded to a record. What can't be decoded goes to the dead
    /// letters, with the reason.
    pub fn decoded(
        path: impl Into<PathBuf>,
        decode: impl Fn(&[u8]) -> Result<D, String> + Send + Sync + 'static,
    ) -> Self {
        Directory { path: path.into(), decode: Arc::new(decode) }
    }
}

impl<D: Record> Source for Directory<D> {
    type Item = D;

    fn name(&self) -> String {
        format!("dir:{}", self.path.display())
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        scan(&self.path)?;
        Ok(Vec::new())
    }

    fn has_more(
        &mut self,
        positions: &BTreeMap<u32, u64>,
        bounded: bool,
    ) -> Result<bool, SourceError> {
        let read = positions.values().sum::<u64>();
        let there = scan(&self.path)?.iter().map(|file| length(file)).sum::<Result<u64, _>>()?;
        Ok(!bounded || there > read)
    }

    fn rewinds(&self) -> bool {
        true
    }

    fn worker_of(&self, _partition: u32, source_index: usize, workers: usize) -> usize {
        source_index % workers
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        let reads = opening.worker == self.worker_of(0, opening.source_index, opening.workers);
        // Files that an earlier run has begun, in its order.
        let mut known: Vec<&Partition> = assigned.iter().collect();
        known.sort_by_key(|partition| partition.id);
        let begun = known.iter().map(|partition| {
            let next = opening.positions.get(&partition.id).copied().unwrap_or(0);
            (partition.id, self.path.join(&partition.name), next)
        });
        Ok(Box::new(DirectoryReader {
            path: reads.then(|| self.path.clone()),
            decode: Arc::clone(&self.decode),
            seen: known.iter().map(|partition| self.path.join(&partition.name)).collect(),
            next_partition: known.last().map_or(0, |last| last.id + 1),
            begun: begun.collect(),
            waiting: VecDeque::new(),
            open: None,
            scanned: None,
            bounded: opening.bounded,
        }))
    }
}

/// How often the directory is looked at for new files.
const SCAN_EVERY: Duration = Duration::from_millis(200);

struct DirectoryReader<D> {
    /// `None` on workers that don't read.
    path: Option<PathBuf>,
    decode: Decode<D>,
    seen: BTreeSet<PathBuf>,
    /// Files that an earlier run has begun, each with the offset where it goes on.
    begun: VecDeque<(u32, PathBuf, u64)>,
    waiting: VecDeque<PathBuf>,
    open: Option<(u32, FileLines<D>)>,
    next_partition: u32,
    scanned: Option<Instant>,
    bounded: bool,
}

/// The files of a directory, oldest first, then by name.
fn scan(directory: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let failed = |source| SourceError::File { path: directory.to_owned(), source };
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(['.', '_']) || name.ends_with(".tmp") {
            continue;
        }
        // A file may go between the listing and this; a link counts as what it leads to.
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_file() => {
                files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), entry.path()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

impl<D: Record> Reader<D> for DirectoryReader<D> {
    fn is_in_sequence(&self) -> bool {
        true
    }

    fn poll(&mut self, intake: &mut Intake<D>, _wait: Duration) -> Result<Poll, SourceError> {
        let Some(path) = &self.path else { return Ok(Poll::End) };
        if let Some((partition, lines)) = &mut self.open {
            if lines.read(intake, true)? == Poll::End {
                intake.end(*partition);
                self.open = None;
            }
            return Ok(Poll::More);
        }
        if let Some((partition, file, offset)) = self.begun.pop_front() {
            let decode = Arc::clone(&self.decode);
            let mut lines = FileLines::open(&file, partition, decode, self.bounded)?;
            lines.go_on_at(offset)?;
            self.open = Some((partition, lines));
            return Ok(Poll::More);
        }
        if let Some(file) = self.waiting.pop_front() {
            let partition = self.next_partition;
            let decode = Arc::clone(&self.decode);
            let lines = match FileLines::open(&file, partition, decode, self.bounded) {
                Err(SourceError::File { path, source })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    log::warn!("`{}` is gone before it was read: passed over", path.display());
                    return Ok(Poll::More);
                }
                opened => opened?,
            };
            self.next_partition += 1;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            intake.announce(Partition { id: partition, name });
            self.open = Some((partition, lines));
            return Ok(Poll::More);
        }
        if self.bounded && self.scanned.is_some() {
            return Ok(Poll::End);
        }
        if self.scanned.is_some_and(|last| last.elapsed() < SCAN_EVERY) {
            return Ok(Poll::Idle);
        }
        for file in scan(path)? {
            if self.seen.insert(file.clone()) {
                self.waiting.push_back(file);
            }
        }
        self.scanned = Some(Instant::now());
        Ok(if self.waiting.is_empty() && !self.bounded { Poll::Idle } else { Poll::More })
    }
}
