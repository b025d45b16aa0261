//! Lines of bytes: what files, directories, standard input and sockets have in common.

use std::io::{self, BufRead};
use std::sync::Arc;

use super::Intake;

/// Makes a record of a line, or says why that is not possible.
pub(super) type Decode<D> = Arc<dyn Fn(&[u8]) -> Result<D, String> + Send + Sync>;

/// The longest line that is read; longer ones go to the dead letters.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Lines as text.
pub(super) fn utf8(line: &[u8]) -> Result<String, String> {
    std::str::from_utf8(line).map(str::to_owned).map_err(|error| format!("no UTF-8: {error}"))
}

/// Splits what it is given into lines, which may come in pieces.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    /// The line that has no end yet.
    partial: Vec<u8>,
    /// How many bytes of it were not kept.
    dropped: usize,
}

/// What became of one attempt to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A line was taken in.
    Line,
    /// There is nothing more for now.
    Nothing,
    /// The input has ended.
    End,
}

impl LineSplitter {
    /// Takes one line in, as the record at `offset` of `partition`, and says how many bytes it
    /// took from `input`, its end included. `last_line` says whether a line without an end counts
    /// once the input is over.
    pub(super) fn read<D>(
        &mut self,
        input: &mut impl BufRead,
        intake: &mut Intake<D>,
        (partition, offset): (u32, u64),
        decode: &Decode<D>,
        last_line: bool,
    ) -> io::Result<(Read, usize)> {
        let mut consumed = 0;
        loop {
            let available = match input.fill_buf() {
                Ok(available) => available,
                Err(error) if is_timeout(&error) => return Ok((Read::Nothing, consumed)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                if last_line && (!self.partial.is_empty() || self.dropped > 0) {
                    self.give(intake, partition, offset, decode);
                    return Ok((Read::Line, consumed));
                }
                return Ok((Read::End, consumed));
            }
            match memchr::memchr(b'\n', available) {
                Some(end) if self.partial.is_empty() && self.dropped == 0 => {
                    // The whole line is in the buffer: decode it where it is.
                    let line = available[..end].strip_suffix(b"\r").unwrap_or(&available[..end]);
                    intake.record(partition, offset, line, decode(line));
                    input.consume(end + 1);
                    return Ok((Read::Line, consumed + end + 1));
                }
                Some(end) => {
                    self.keep(end, available);
                    input.consume(end + 1);
                    self.give(intake, partition, offset, decode);
                    return Ok((Read::Line, consumed + end + 1));
                }
                None => {
                    let length = available.len();
                    self.keep(length, available);
                    input.consume(length);
                    consumed += length;
                }
            }
        }
    }

    fn keep(&mut self, length: usize, available: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&available[..length.min(room)]);
        self.dropped += length.saturating_sub(room);
    }

    fn give<D>(&mut self, intake: &mut Intake<D>, partition: u32, offset: u64, decode: &Decode<D>) {
        let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        let decoded = if self.dropped > 0 {
            let length = self.partial.len() + self.dropped;
            Err(format!("a line of {length} bytes: the limit is {LINE_BYTES_MAX}"))
        } else {
            decode(line)
        };
        intake.record(partition, offset, line, decoded);
        self.partial.clear();
        self.dropped = 0;
    }
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Partition;

    fn lines_of(text: &[u8], piece: usize) -> (usize, usize, Vec<usize>) {
        let partition = Partition { id: 0, name: "p".into() };
        let mut intake = Intake::<String>::new("s", &[partition]);
        let decode: Decode<String> = Arc::new(utf8);
        let mut splitter = LineSplitter::default();
        let mut lengths = Vec::new();
        let mut carried = 0;
        let mut pieces = text.chunks(piece);
        let mut input = io::Cursor::new(Vec::new());
        loop {
            let offset = (lengths.len() as u64, 0).0;
            let last = pieces.len() == 0;
            let (read, consumed) =
                splitter.read(&mut input, &mut intake, (0, offset), &decode, last).expect("memory");
            carried += consumed;
            match read {
                Read::Line => lengths.push(std::mem::take(&mut carried)),
                _ => match pieces.next() {
                    Some(next) => input = io::Cursor::new(next.to_vec()),
                    None => return (intake.rows(), intake.dead_letters(), lengths),
                },
            }
        }
    }

    #[test]
    fn lines_are_the_same_in_whatever_pieces_they_come() {
        let text = b"first\r\nsecond\n\n\xff\xfe\nlast without an end";
        for piece in 1..=text.len() {
            let (rows, dead, lengths) = lines_of(text, piece);
            assert_eq!((rows, dead), (4, 1), "pieces of {piece}");
            assert_eq!(lengths, [7, 7, 1, 3, 19], "pieces of {piece}");
        }
    }
}
