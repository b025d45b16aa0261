//! A connection to another process: timely's bytes in frames, with heartbeats in between.
//!
//! A frame is a kind, a length and that many bytes. Whoever hears nothing for three seconds,
//! neither data nor heartbeat, takes the other for lost; so a process that was killed is noticed
//! when its socket closes, and one that was stopped a few seconds later. A run that ends well says
//! goodbye first.

use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::communication::allocator::zero_copy::stream::Stream;

use super::wire::Wire;
use crate::engine::control::{Control, lock};
use crate::error::RunError;

const DATA: u8 = 0;
const HEARTBEAT: u8 = 1;
const GOODBYE: u8 = 2;
/// Kind and length.
const HEADER: usize = 5;
/// The longest frame that is written, and that is believed when read.
const FRAME_MAX: usize = 1 << 24;

const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);
const SILENCE_MAX: Duration = Duration::from_secs(3);
const SEND_MAX: Duration = Duration::from_secs(5);

/// One connection, shared by the threads that read, write and beat.
struct Link {
    process: usize,
    wire: Wire,
    writing: Mutex<()>,
    said_goodbye: AtomicBool,
    control: Arc<Control>,
}

impl Link {
    fn send(&self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let mut header = [kind, 0, 0, 0, 0];
        header[1..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        let _turn = lock(&self.writing);
        let mut wire = self.wire.clone();
        if bytes.len() <= 1024 {
            let mut frame = Vec::with_capacity(HEADER + bytes.len());
            frame.extend_from_slice(&header);
            frame.extend_from_slice(bytes);
            return wire.write_all(&frame);
        }
        wire.write_all(&header)?;
        wire.write_all(bytes)
    }

    /// The run has lost this peer; the calling thread has nothing left to do, and rests until the
    /// process ends. Returning an error would only make timely panic about it.
    fn lost(&self, reason: String) -> ! {
        if !self.control.has_failed() {
            self.control.fail(RunError::PeerLost { process: self.process, reason });
        }
        loop {
            std::thread::park();
        }
    }
}

/// The connections of this process.
#[derive(Default)]
pub(in crate::engine) struct Links {
    links: Vec<Arc<Link>>,
    pub(super) door: Option<super::door::Door>,
}

impl Links {
    /// Takes a connection whose handshake is done.
    pub(super) fn add(
        &mut self,
        process: usize,
        wire: Wire,
        control: &Arc<Control>,
    ) -> io::Result<PeerStream> {
        wire.socket().set_nodelay(true)?;
        wire.socket().set_read_timeout(Some(SILENCE_MAX))?;
        wire.socket().set_write_timeout(Some(SEND_MAX))?;
        let link = Arc::new(Link {
            process,
            wire,
            writing: Mutex::new(()),
            said_goodbye: AtomicBool::new(false),
            control: Arc::clone(control),
        });
        let beating = Arc::clone(&link);
        std::thread::Builder::new()
            .name(format!("heartbeat {process}"))
            .spawn(move || beat(&beating))?;
        self.links.push(Arc::clone(&link));
        PeerStream::new(link)
    }

    /// Closes all connections, so that the other processes see at once that this one is gone.
    pub(in crate::engine) fn cut(&self) {
        for link in &self.links {
            // It may be closed already.
            let _ = link.wire.socket().shutdown(Shutdown::Both);
        }
    }
}

fn beat(link: &Link) {
    while !link.said_goodbye.load(Ordering::SeqCst) && !link.control.has_failed() {
        // Whether the other side is there is the reader's to notice.
        if link.send(HEARTBEAT, &[]).is_err() {
            return;
        }
        std::thread::sleep(HEARTBEAT_EVERY);
    }
}

/// What timely reads from and writes to.
pub(super) struct PeerStream {
    link: Arc<Link>,
    reader: BufReader<Wire>,
    /// Bytes of the current frame that have not been read.
    left: usize,
}

impl PeerStream {
    fn new(link: Arc<Link>) -> io::Result<Self> {
        let reader = BufReader::with_capacity(1 << 16, link.wire.clone());
        Ok(PeerStream { link, reader, left: 0 })
    }

    fn next_frame(&mut self) -> io::Result<u8> {
        let mut header = [0; HEADER];
        self.reader.read_exact(&mut header)?;
        let length = u32::from_le_bytes(header[1..].try_into().expect("four bytes")) as usize;
        let plausible = match header[0] {
            DATA => length <= FRAME_MAX,
            HEARTBEAT | GOODBYE => length == 0,
            _ => false,
        };
        if !plausible {
            let text = format!("a frame of kind {} and {length} bytes", header[0]);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        self.left = length;
        Ok(header[0])
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            if self.next_frame()? == GOODBYE {
                return Ok(0);
            }
        }
        let wanted = self.left.min(buffer.len());
        let read = self.reader.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        Ok(read)
    }
}

impl Read for PeerStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.try_read(buffer) {
            Ok(read) => Ok(read),
            Err(error) => self.link.lost(match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    "it closed the connection without a goodbye; it has failed or was killed".into()
                }
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
                    "nothing was heard of it for {} s; it hangs, was stopped, or can't be reached",
                    SILENCE_MAX.as_secs()
                ),
                _ => format!("reading from it failed: {error}"),
            }),
        }
    }
}

impl Write for PeerStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let frame = &bytes[..bytes.len().min(FRAME_MAX)];
        match self.link.send(DATA, frame) {
            Ok(()) => Ok(frame.len()),
            Err(error) => self.link.lost(format!("writing to it failed: {error}")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for PeerStream {
    fn try_clone(&self) -> io::Result<Self> {
        PeerStream::new(Arc::clone(&self.link))
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.link.wire.socket().set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how == Shutdown::Write {
            // A peer that is gone needs no goodbye.
            let _ = self.link.send(GOODBYE, &[]);
            self.link.said_goodbye.store(true, Ordering::SeqCst);
            let _ = self.link.wire.socket().shutdown(how);
            return Ok(());
        }
        self.link.wire.socket().shutdown(how)
    }
}
