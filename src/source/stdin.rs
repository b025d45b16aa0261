//! Standard input, line by line.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tidegate_operators::Record;

use super::lines::{self, Decode, LineSplitter, utf8};
use super::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use crate::error::SourceError;

/// The lines of standard input, until it is closed. A line's offset is its number, from 0.
///
/// ```
/// use tidegate::source::{Source, Stdin};
///
/// assert_eq!(Stdin::new().name(), "stdin");
/// ```
pub struct Stdin<D> {
    decode: Decode<D>,
}

impl Stdin<String> {
    /// Lines as text. What is no UTF-8 goes to the dead letters.
    pub fn new() -> Self {
        Stdin::decoded(utf8)
    }
}

impl Default for Stdin<String> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Record> Stdin<D> {
    /// Lines, each decoded to a record. What can't be decoded goes to the dead letters, with the
    /// reason.
    pub fn decoded(decode: impl Fn(&[u8]) -> Result<D, String> + Send + Sync + 'static) -> Self {
        Stdin { decode: Arc::new(decode) }
    }
}

impl<D: Record> Source for Stdin<D> {
    type Item = D;

    fn name(&self) -> String {
        "stdin".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        Ok(vec![Partition { id: 0, name: "stdin".into() }])
    }

    /// The terminal belongs to the first process.
    fn worker_of(&self, _partition: u32, _source_index: usize, _workers: usize) -> usize {
        0
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        let input = if assigned.is_empty() { None } else { Some(read_ahead()?) };
        Ok(Box::new(StdinReader {
            input,
            splitter: LineSplitter::default(),
            offset: 0,
            decode: Arc::clone(&self.decode),
        }))
    }
}

/// How much is read ahead of who asks: pieces, and bytes of each.
const PIECES_AHEAD: usize = 64;
const PIECE_BYTES: usize = 1 << 16;

/// Reading the terminal can't be interrupted; so a thread does it that nobody waits for.
fn read_ahead() -> Result<Ahead, SourceError> {
    let (send, pieces) = sync_channel(PIECES_AHEAD);
    let read = move || {
        let mut input = io::stdin().lock();
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let outcome = match input.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => Ok(buffer[..read].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = outcome.is_err();
            if send.send(outcome).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new().name("stdin".into()).spawn(read).map_err(failed)?;
    Ok(Ahead { pieces, current: Vec::new(), read: 0, wait: Duration::ZERO })
}

fn failed(source: io::Error) -> SourceError {
    SourceError::File { path: "standard input".into(), source }
}

/// What the thread has read.
struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    /// How much of the current piece has been consumed.
    read: usize,
    /// How long to wait for the next piece.
    wait: Duration,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read == self.current.len() {
            match self.pieces.recv_timeout(std::mem::take(&mut self.wait)) {
                Ok(piece) => (self.current, self.read) = (piece?, 0),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => return Ok(&[]),
            }
        }
        Ok(&self.current[self.read..])
    }

    fn consume(&mut self, bytes: usize) {
        self.read += bytes;
    }
}

struct StdinReader<D> {
    /// `None` on workers that don't read.
    input: Option<Ahead>,
    splitter: LineSplitter,
    offset: u64,
    decode: Decode<D>,
}

impl<D: Record> Reader<D> for StdinReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, wait: Duration) -> Result<Poll, SourceError> {
        let Some(input) = &mut self.input else { return Ok(Poll::End) };
        input.wait = wait;
        while !intake.is_full() {
            let place = (0, self.offset);
            match self.splitter.read(input, intake, place, &self.decode, true) {
                Ok((lines::Read::Line, _)) => self.offset += 1,
                Ok((lines::Read::Nothing, _)) => return Ok(Poll::Idle),
                Ok((lines::Read::End, _)) => return Ok(Poll::End),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(Poll::More)
    }
}
