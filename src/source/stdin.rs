//! Standard input, line by line.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tidegate_operators::Record;

use super::lines::{Decode, LINE_BYTES_MAX, utf8};
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
        let lines = if assigned.is_empty() { None } else { Some(read_ahead()?) };
        Ok(Box::new(StdinReader { lines, offset: 0, decode: Arc::clone(&self.decode) }))
    }
}

/// Lines that may wait between the thread that reads and the one that asks.
const LINES_AHEAD: usize = 4096;

/// Reading the terminal can't be interrupted; so a thread does it that nobody waits for.
fn read_ahead() -> Result<Receiver<io::Result<Vec<u8>>>, SourceError> {
    let (send, receive) = sync_channel(LINES_AHEAD);
    let read = move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let outcome = match input.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => Ok(line),
                Err(error) => Err(error),
            };
            let failed = outcome.is_err();
            if send.send(outcome).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new().name("stdin".into()).spawn(read).map_err(|source| {
        SourceError::Connection { address: "standard input".into(), source }
    })?;
    Ok(receive)
}

struct StdinReader<D> {
    /// `None` on workers that don't read.
    lines: Option<Receiver<io::Result<Vec<u8>>>>,
    offset: u64,
    decode: Decode<D>,
}

impl<D: Record> Reader<D> for StdinReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, wait: Duration) -> Result<Poll, SourceError> {
        let Some(lines) = &self.lines else { return Ok(Poll::End) };
        let mut next = lines.recv_timeout(wait);
        loop {
            match next {
                Ok(Ok(line)) => {
                    let text = line.strip_suffix(b"\n").unwrap_or(&line);
                    let text = text.strip_suffix(b"\r").unwrap_or(text);
                    let decoded = if text.len() > LINE_BYTES_MAX {
                        Err(format!("a line of {} bytes: the limit is {LINE_BYTES_MAX}", text.len()))
                    } else {
                        (self.decode)(text)
                    };
                    intake.record(0, self.offset, text, decoded);
                    self.offset += 1;
                }
                Ok(Err(source)) => {
                    return Err(SourceError::Connection { address: "standard input".into(), source });
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Poll::Idle),
                Err(RecvTimeoutError::Disconnected) => return Ok(Poll::End),
            }
            if intake.is_full() {
                return Ok(Poll::More);
            }
            next = lines.try_recv().map_err(|error| match error {
                std::sync::mpsc::TryRecvError::Empty => RecvTimeoutError::Timeout,
                std::sync::mpsc::TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            });
        }
    }
}
