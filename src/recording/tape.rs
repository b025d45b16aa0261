//! Reading a recording.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegate_operators::Record;

use super::format::{self, BATCH, END, End, Header, MAGIC, RecordedBatch, VERSION};
use super::range::BatchRange;
use crate::batch::BatchId;
use crate::error::RecordingError;
use crate::recovery::{Schema, frames};
use crate::source::Partition;

/// A recording that has been looked through, and can be read. Clones share what was found.
///
/// See [`Recorder`](super::Recorder) for how one is made, and [`replay`](super::replay) for what it
/// is good for.
#[derive(Clone, Debug)]
pub struct Recording {
    contents: Arc<Contents>,
    /// The batches that are to be read: the index of the first, and that behind the last.
    chosen: (usize, usize),
}

#[derive(Debug)]
struct Contents {
    path: PathBuf,
    header: Header,
    batches: Vec<RecordedBatch>,
    /// Where in the file each batch's rows begin.
    places: Vec<u64>,
    /// What is wrong behind the last batch.
    trouble: Option<Trouble>,
}

#[derive(Debug)]
enum Trouble {
    /// A frame is not what was written.
    Damaged(String),
    /// The end is missing.
    Unfinished,
}

/// What a frame begins with: its length and its checksum.
const FRAME_HEADER: usize = 8;

impl Recording {
    /// Opens a recording and looks through all of it.
    ///
    /// # Errors
    ///
    /// If it can't be read, is none, is damaged, or was not finished.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        Self::open_range(path, BatchRange::ALL)
    }

    /// The same for some of its batches: only what is damaged before or among them is in the way.
    ///
    /// # Errors
    ///
    /// As [`Recording::open`]; or if it has none of them.
    pub fn open_range(path: impl AsRef<Path>, range: BatchRange) -> Result<Self, RecordingError> {
        let path = path.as_ref().to_owned();
        let contents = look_through(&path)?;
        let whole = contents.batches.last().map(|batch| batch.tick.id);
        // Who asks for batches before the damage can have them.
        if whole.is_none_or(|whole| range.last > whole) {
            match &contents.trouble {
                Some(Trouble::Damaged(what)) => {
                    let what = what.clone();
                    return Err(RecordingError::Damaged { path, what, whole });
                }
                Some(Trouble::Unfinished) => {
                    return Err(RecordingError::Unfinished { path, whole });
                }
                None => {}
            }
        }
        let ids = || contents.batches.iter().map(|batch| batch.tick.id);
        let from = ids().take_while(|id| *id < range.first).count();
        let to = ids().take_while(|id| *id <= range.last).count();
        if from == to {
            let has = ids().next().zip(whole);
            return Err(RecordingError::NoBatch { path, range, has });
        }
        Ok(Recording { contents: Arc::new(contents), chosen: (from, to) })
    }

    /// What is said at its beginning.
    pub fn header(&self) -> &Header {
        &self.contents.header
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.contents.path
    }

    /// The batch interval under which it was made.
    pub fn interval(&self) -> Duration {
        Duration::from_micros(self.header().interval_us)
    }

    /// The batches, in order.
    pub fn batches(&self) -> &[RecordedBatch] {
        &self.contents.batches[self.chosen.0..self.chosen.1]
    }

    /// The number of rows in them.
    pub fn rows(&self) -> u64 {
        self.batches().iter().map(RecordedBatch::rows).sum()
    }

    /// All partitions that any of the batches has read.
    pub fn partitions(&self) -> Vec<Partition> {
        let mut found: Vec<Partition> = Vec::new();
        for read in self.batches().iter().flat_map(|batch| &batch.partitions) {
            if !found.iter().any(|partition| partition.id == read.cut.partition) {
                found.push(Partition { id: read.cut.partition, name: read.cut.name.clone() });
            }
        }
        found.sort_by_key(|partition| partition.id);
        found
    }

    /// Refuses rows of another type than those that were recorded.
    ///
    /// # Errors
    ///
    /// If they are of another type.
    pub fn check<D: Record>(&self) -> Result<(), RecordingError> {
        match self.header().schema.difference(&Schema::of::<D>()) {
            None => Ok(()),
            Some(difference) => {
                Err(RecordingError::OtherRows { path: self.path().to_owned(), difference })
            }
        }
    }

    /// Opens the file for reading rows.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub(crate) fn rows_of<D: Record>(&self) -> Result<Rows<D>, RecordingError> {
        self.check::<D>()?;
        let path = self.path().to_owned();
        let file = File::open(&path).map_err(|source| RecordingError::Read { path, source })?;
        Ok(Rows { recording: self.clone(), file, rows: std::marker::PhantomData })
    }
}

/// Reads the rows of a recording.
pub(crate) struct Rows<D> {
    recording: Recording,
    file: File,
    rows: std::marker::PhantomData<fn() -> D>,
}

impl<D: Record> Rows<D> {
    /// The number of a batch among those chosen.
    pub(crate) fn find(&self, batch: BatchId) -> Option<usize> {
        self.recording.batches().binary_search_by_key(&batch, |batch| batch.tick.id).ok()
    }

    /// The rows of a batch, those of the partitions that are wanted.
    pub(crate) fn read(
        &mut self,
        number: usize,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<Vec<(u32, u64, u64, Vec<D>)>, RecordingError> {
        let contents = Arc::clone(&self.recording.contents);
        let index = self.recording.chosen.0 + number;
        let (batch, mut place) = (&contents.batches[index], contents.places[index]);
        let mut read = Vec::new();
        for partition in &batch.partitions {
            let cut = &partition.cut;
            if wanted(cut.partition) {
                let path = || contents.path.clone();
                let mut packed = vec![0; partition.bytes as usize];
                let found = self.file.seek(SeekFrom::Start(place));
                found
                    .and_then(|_| self.file.read_exact(&mut packed))
                    .map_err(|source| RecordingError::Read { path: path(), source })?;
                let rows = format::unpack(&packed).map_err(|error| RecordingError::Damaged {
                    path: path(),
                    what: format!("the rows of batch {} can't be read ({error})", batch.tick.id),
                    whole: None,
                })?;
                read.push((cut.partition, cut.from, cut.to, rows));
            }
            place += partition.bytes;
        }
        Ok(read)
    }
}

/// Reads frames one after the other.
struct Frames {
    input: BufReader<File>,
    at: u64,
    length: u64,
}

impl Frames {
    /// The next frame, unless the file is at its end; what is wrong with it, for people.
    fn next(&mut self) -> io::Result<Option<Result<Vec<u8>, String>>> {
        let left = self.length - self.at;
        if left == 0 {
            return Ok(None);
        }
        let at = self.at;
        if left < FRAME_HEADER as u64 {
            return Ok(Some(Err(format!("it ends within the frame at byte {at}"))));
        }
        let mut frame = vec![0; FRAME_HEADER];
        self.input.read_exact(&mut frame)?;
        let payload = u64::from(u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]));
        if payload > left - FRAME_HEADER as u64 {
            return Ok(Some(Err(format!("it ends within the frame at byte {at}"))));
        }
        frame.resize(FRAME_HEADER + payload as usize, 0);
        self.input.read_exact(&mut frame[FRAME_HEADER..])?;
        self.at += frame.len() as u64;
        let (whole, _) = frames::whole(&frame);
        Ok(Some(match whole[..] {
            [payload] => Ok(payload.to_vec()),
            _ => Err(format!("the frame at byte {at} does not have the checksum written with it")),
        }))
    }
}

fn look_through(path: &Path) -> Result<Contents, RecordingError> {
    let failed = |source| RecordingError::Read { path: path.to_owned(), source };
    let no_recording = || RecordingError::NoRecording { path: path.to_owned() };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(no_recording());
    }
    let mut input = BufReader::with_capacity(1 << 18, file);
    let mut magic = vec![0; MAGIC.len()];
    if metadata.len() < MAGIC.len() as u64 {
        return Err(no_recording());
    }
    input.read_exact(&mut magic).map_err(failed)?;
    if magic != MAGIC {
        return Err(no_recording());
    }
    let mut frames = Frames { input, at: MAGIC.len() as u64, length: metadata.len() };
    let damaged =
        |what: String| RecordingError::Damaged { path: path.to_owned(), what, whole: None };
    let header = match frames.next().map_err(failed)? {
        Some(Ok(header)) => header,
        Some(Err(what)) => return Err(damaged(what)),
        None => return Err(RecordingError::Unfinished { path: path.to_owned(), whole: None }),
    };
    let header: serde_json::Value = serde_json::from_slice(&header)
        .map_err(|error| damaged(format!("its header can't be read ({error})")))?;
    let version = header["version"].as_u64().unwrap_or(0);
    if version != u64::from(VERSION) {
        return Err(RecordingError::Version { path: path.to_owned(), version });
    }
    let header: Header = serde_json::from_value(header)
        .map_err(|error| damaged(format!("its header can't be read ({error})")))?;
    let mut contents = Contents {
        path: path.to_owned(),
        header,
        batches: Vec::new(),
        places: Vec::new(),
        trouble: Some(Trouble::Unfinished),
    };
    loop {
        let at = frames.at;
        let payload = match frames.next().map_err(failed)? {
            Some(Ok(payload)) => payload,
            Some(Err(what)) => {
                contents.trouble = Some(Trouble::Damaged(what));
                return Ok(contents);
            }
            None => return Ok(contents),
        };
        if let Err(what) = contents.take(&payload, at) {
            contents.trouble = Some(Trouble::Damaged(what));
            return Ok(contents);
        }
    }
}

impl Contents {
    /// Takes a frame in: a batch, or the end.
    fn take(&mut self, payload: &[u8], at: u64) -> Result<(), String> {
        let unknown = |error| format!("the frame at byte {at} can't be read ({error})");
        if self.trouble.is_none() {
            return Err(format!("there is something behind its end, at byte {at}"));
        }
        match payload.split_first() {
            Some((&BATCH, rest)) => {
                let (batch, rows): (RecordedBatch, &[u8]) =
                    postcard::take_from_bytes(rest).map_err(|error| unknown(error.to_string()))?;
                let bytes: u64 = batch.partitions.iter().map(|partition| partition.bytes).sum();
                if bytes != rows.len() as u64 {
                    return Err(format!("batch {} has not all of its rows", batch.tick.id));
                }
                let before = self.batches.last().map_or(0, |before| before.tick.id);
                if batch.tick.id <= before {
                    return Err(format!("batch {} comes behind batch {before}", batch.tick.id));
                }
                let rows_at = at + FRAME_HEADER as u64 + (payload.len() - rows.len()) as u64;
                self.batches.push(batch);
                self.places.push(rows_at);
                Ok(())
            }
            Some((&END, rest)) => {
                let end: End =
                    postcard::from_bytes(rest).map_err(|error| unknown(error.to_string()))?;
                let rows = self.batches.iter().map(RecordedBatch::rows).sum();
                let found = End { batches: self.batches.len() as u64, rows };
                if end != found {
                    return Err(format!(
                        "it has {} batches with {} rows, and {} with {} were written",
                        found.batches, found.rows, end.batches, end.rows
                    ));
                }
                self.trouble = None;
                Ok(())
            }
            _ => Err(unknown("it is neither a batch nor the end".to_owned())),
        }
    }
}
