//! One file, line by line.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Read as _, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegate_operators::Record;

use super::lines::{Decode, LineSplitter, Read, utf8};
use super::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use crate::error::SourceError;

/// The lines of a file, from its beginning to its end. A line's offset is that of its first byte.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::File;
/// use tidegate::{Config, Trigger};
///
/// let path = std::env::temp_dir().join(format!("tidegate-file-{}.txt", std::process::id()));
/// std::fs::write(&path, "tide\ngate\n").unwrap();
/// let (file, lines) = (path.clone(), Memory::new());
/// let sink = lines.clone();
/// tidegate::run(Config::new("read").trigger(Trigger::AvailableNow), move |ctx| {
///     ctx.source(File::new(&file)).sink(sink.clone());
/// })
/// .unwrap();
/// assert_eq!(lines.rows(), [["tide", "gate"]]);
/// # std::fs::remove_file(&path).unwrap();
/// ```
pub struct File<D> {
    path: PathBuf,
    decode: Decode<D>,
    follow: bool,
}

impl File<String> {
    /// The lines of the file at `path`, as text. What is no UTF-8 goes to the dead letters.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        File::decoded(path, utf8)
    }
}

impl<D: Record> File<D> {
    /// The lines of the file at `path`, each decoded to a record. What can't be decoded goes to
    /// the dead letters, with the reason.
    pub fn decoded(
        path: impl Into<PathBuf>,
        decode: impl Fn(&[u8]) -> Result<D, String> + Send + Sync + 'static,
    ) -> Self {
        File { path: path.into(), decode: Arc::new(decode), follow: false }
    }

    /// Whether to wait for more at the end of the file, as `tail -f` does.
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }
}

impl<D: Record> Source for File<D> {
    type Item = D;

    fn name(&self) -> String {
        format!("file:{}", self.path.display())
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        let metadata = fs::metadata(&self.path)
            .map_err(|source| SourceError::File { path: self.path.clone(), source })?;
        if metadata.is_dir() {
            let path = self.path.display();
            return Err(SourceError::Invalid(format!(
                "`{path}` is a directory: read the files in it with the directory source (`dir:{path}`)"
            )));
        }
        Ok(vec![Partition { id: 0, name: self.path.display().to_string() }])
    }

    fn has_more(
        &mut self,
        positions: &BTreeMap<u32, u64>,
        bounded: bool,
    ) -> Result<bool, SourceError> {
        let read = positions.get(&0).copied().unwrap_or(0);
        Ok((self.follow && !bounded) || length(&self.path)? > read)
    }

    fn rewinds(&self) -> bool {
        true
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        let lines = match assigned {
            [] => None,
            _ => {
                let decode = Arc::clone(&self.decode);
                let mut lines = FileLines::open(&self.path, 0, decode, opening.bounded)?;
                lines.go_on_at(opening.positions.get(&0).copied().unwrap_or(0))?;
                Some(lines)
            }
        };
        Ok(Box::new(FileReader { lines, follow: self.follow && !opening.bounded }))
    }
}

struct FileReader<D> {
    lines: Option<FileLines<D>>,
    follow: bool,
}

impl<D: Record> Reader<D> for FileReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, _wait: Duration) -> Result<Poll, SourceError> {
        let Some(lines) = &mut self.lines else { return Ok(Poll::End) };
        Ok(match lines.read(intake, !self.follow)? {
            Poll::End if self.follow => Poll::Idle,
            poll => poll,
        })
    }
}

/// How many bytes a file has.
pub(super) fn length(path: &Path) -> Result<u64, SourceError> {
    let metadata = fs::metadata(path);
    let failed = |source| SourceError::File { path: path.to_owned(), source };
    Ok(metadata.map_err(failed)?.len())
}

/// An open file on its way to its end.
pub(super) struct FileLines<D> {
    path: PathBuf,
    input: BufReader<Take<fs::File>>,
    splitter: LineSplitter,
    partition: u32,
    /// Where the next line begins, and how far it has been read already.
    offset: u64,
    ahead: u64,
    decode: Decode<D>,
}

impl<D: Record> FileLines<D> {
    /// Opens a file; `bounded` means what is in it now, and not what is appended later.
    pub(super) fn open(
        path: &Path,
        partition: u32,
        decode: Decode<D>,
        bounded: bool,
    ) -> Result<Self, SourceError> {
        let failed = |source| SourceError::File { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        // Pipes have no length.
        let limit = if bounded && metadata.is_file() { metadata.len() } else { u64::MAX };
        Ok(FileLines {
            path: path.to_owned(),
            input: BufReader::with_capacity(1 << 18, file.take(limit)),
            splitter: LineSplitter::default(),
            partition,
            offset: 0,
            ahead: 0,
            decode,
        })
    }

    /// Goes on behind what an earlier run has read.
    pub(super) fn go_on_at(&mut self, offset: u64) -> Result<(), SourceError> {
        if offset == 0 {
            return Ok(());
        }
        let failed = |source| SourceError::File { path: self.path.clone(), source };
        let length = self.input.get_ref().get_ref().metadata().map_err(failed)?.len();
        if length < offset {
            return Err(SourceError::Invalid(format!(
                "`{}` has {length} bytes, but {offset} of it have been read: it was cut off or \
                 replaced; bring it back, or begin anew with an empty checkpoint directory",
                self.path.display()
            )));
        }
        let file = self.input.get_mut();
        file.set_limit(file.limit().saturating_sub(offset));
        file.get_mut().seek(SeekFrom::Start(offset)).map_err(failed)?;
        self.offset = offset;
        Ok(())
    }

    /// Reads lines until the intake is full or the file is at its end. A last line without an end
    /// counts if `last_line` says so.
    pub(super) fn read(
        &mut self,
        intake: &mut Intake<D>,
        last_line: bool,
    ) -> Result<Poll, SourceError> {
        while !intake.is_full() {
            let place = (self.partition, self.offset);
            let (read, consumed) = self
                .splitter
                .read(&mut self.input, intake, place, &self.decode, last_line)
                .map_err(|source| SourceError::File { path: self.path.clone(), source })?;
            self.ahead += consumed as u64;
            match read {
                Read::Line => {
                    self.offset += std::mem::take(&mut self.ahead);
                    intake.skip_to(self.partition, self.offset);
                }
                Read::Nothing | Read::End => return Ok(Poll::End),
            }
        }
        Ok(Poll::More)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_appended_after_the_start_is_not_there_now() {
        let path = std::env::temp_dir().join(format!("tidegate-now-{}.txt", std::process::id()));
        fs::write(&path, "one\ntwo\n").expect("written");
        let decode: Decode<String> = Arc::new(utf8);
        let open = |bounded| FileLines::open(&path, 0, Arc::clone(&decode), bounded);
        let (mut bounded, mut growing) = (open(true).expect("open"), open(false).expect("open"));
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("open");
        file.write_all(b"three\n").expect("written");
        for (lines, rows) in [(&mut bounded, 2), (&mut growing, 3)] {
            let mut intake = Intake::new("s", &[]);
            assert_eq!(lines.read(&mut intake, true).expect("a file"), Poll::End);
            assert_eq!(intake.rows(), rows);
        }
        fs::remove_file(&path).expect("removed");
    }
}
