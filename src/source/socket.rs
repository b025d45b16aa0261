//! A TCP server that sends lines, as `nc -lk 9999` does.

use std::io::{self, BufReader};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_operators::Record;

use super::lines::{Decode, LineSplitter, Read, utf8};
use super::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use crate::error::SourceError;

/// The lines that a TCP server sends. A line's offset is its number, from 0.
///
/// A connection that breaks is made again, every second, with a message in the log; what the server
/// sent meanwhile is lost, since a socket can't be asked again.
///
/// ```
/// use tidegate::source::{Socket, Source};
///
/// assert_eq!(Socket::new("localhost:9999").name(), "tcp:localhost:9999");
/// ```
pub struct Socket<D> {
    address: String,
    decode: Decode<D>,
}

impl Socket<String> {
    /// Connects to `HOST:PORT`, for lines as text. What is no UTF-8 goes to the dead letters.
    pub fn new(address: impl Into<String>) -> Self {
        Socket::decoded(address, utf8)
    }
}

impl<D: Record> Socket<D> {
    /// Connects to `HOST:PORT`, for lines that are each decoded to a record. What can't be decoded
    /// goes to the dead letters, with the reason.
    pub fn decoded(
        address: impl Into<String>,
        decode: impl Fn(&[u8]) -> Result<D, String> + Send + Sync + 'static,
    ) -> Self {
        Socket { address: address.into(), decode: Arc::new(decode) }
    }
}

impl<D: Record> Source for Socket<D> {
    type Item = D;

    fn name(&self) -> String {
        format!("tcp:{}", self.address)
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        self.address.to_socket_addrs().map_err(|error| {
            SourceError::Invalid(format!(
                "`{}` is no address ({error}): give one as `HOST:PORT`",
                self.address
            ))
        })?;
        Ok(vec![Partition { id: 0, name: self.name() }])
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        opening: &Opening,
    ) -> Result<Box<dyn Reader<D>>, SourceError> {
        let mut reader = SocketReader {
            address: self.address.clone(),
            reads: !assigned.is_empty(),
            connection: None,
            tried: None,
            complained: false,
            splitter: LineSplitter::default(),
            offset: 0,
            decode: Arc::clone(&self.decode),
            once: opening.bounded || opening.fail_fast,
        };
        if reader.reads && opening.fail_fast {
            reader.connect()?;
        }
        Ok(Box::new(reader))
    }
}

const RECONNECT_EVERY: Duration = Duration::from_secs(1);
const CONNECT_MAX: Duration = Duration::from_secs(1);

struct SocketReader<D> {
    address: String,
    reads: bool,
    connection: Option<BufReader<TcpStream>>,
    tried: Option<Instant>,
    complained: bool,
    splitter: LineSplitter,
    offset: u64,
    decode: Decode<D>,
    /// Whether the end of the connection is the end of the source.
    once: bool,
}

impl<D> SocketReader<D> {
    fn connect(&mut self) -> Result<(), SourceError> {
        let failed = |source| SourceError::Connection { address: self.address.clone(), source };
        let mut stream = Err(io::ErrorKind::AddrNotAvailable.into());
        // One after the other, each with a limit: a host that is off does not refuse.
        for address in self.address.to_socket_addrs().map_err(failed)? {
            stream = TcpStream::connect_timeout(&address, CONNECT_MAX);
            if stream.is_ok() {
                break;
            }
        }
        let stream = stream.map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_millis(50))).map_err(failed)?;
        self.connection = Some(BufReader::with_capacity(1 << 16, stream));
        Ok(())
    }
}

impl<D: Record> Reader<D> for SocketReader<D> {
    fn poll(&mut self, intake: &mut Intake<D>, _wait: Duration) -> Result<Poll, SourceError> {
        if !self.reads {
            return Ok(Poll::End);
        }
        if self.connection.is_none() {
            if self.tried.is_some_and(|last| last.elapsed() < RECONNECT_EVERY) {
                return Ok(Poll::Idle);
            }
            self.tried = Some(Instant::now());
            match self.connect() {
                Ok(()) => self.complained = false,
                Err(error) => {
                    if !std::mem::replace(&mut self.complained, true) {
                        log::warn!(
                            "`{}` can't be reached; trying every second ({error})",
                            self.address
                        );
                    }
                    return Ok(Poll::Idle);
                }
            }
        }
        let Some(connection) = &mut self.connection else { return Ok(Poll::Idle) };
        while !intake.is_full() {
            // What has come is handed on before more is waited for: a server that never pauses
            // would else be heard of when the intake is full, seconds later.
            if !intake.is_empty() && memchr::memchr(b'\n', connection.buffer()).is_none() {
                return Ok(Poll::More);
            }
            let place = (0, self.offset);
            let read = self.splitter.read(connection, intake, place, &self.decode, true);
            match read {
                Ok((Read::Line, _)) => self.offset += 1,
                Ok((Read::Nothing, _)) => return Ok(Poll::Idle),
                Ok((Read::End, _)) if self.once => return Ok(Poll::End),
                Ok((Read::End, _)) | Err(_) => {
                    log::warn!("`{}` closed the connection; trying again", self.address);
                    self.complained = true;
                    // The beginning of a line must not meet the end of another.
                    self.splitter = LineSplitter::default();
                    self.connection = None;
                    self.tried = Some(Instant::now());
                    return Ok(Poll::Idle);
                }
            }
        }
        Ok(Poll::More)
    }
}
