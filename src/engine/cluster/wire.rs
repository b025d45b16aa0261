//! What a connection is made of: a socket, and TLS around it if the job wants that.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::tls::{Identity, Session};

/// A connection. Clones are the same connection; one of them may read while another writes.
#[derive(Clone)]
pub(super) struct Wire {
    socket: Arc<TcpStream>,
    tls: Option<Arc<Session>>,
}

impl Wire {
    /// A connection that came in.
    ///
    /// # Errors
    ///
    /// Of the kind `InvalidData` if the other side is not who it must be, and as the socket's.
    pub(super) fn accept(socket: TcpStream, identity: Option<&Identity>) -> io::Result<Self> {
        let tls = identity.map(|own| Session::accept(&socket, own)).transpose()?;
        Ok(Wire { socket: Arc::new(socket), tls: tls.map(Arc::new) })
    }

    /// A connection that was made to `address`.
    ///
    /// # Errors
    ///
    /// As those of [`Wire::accept`].
    pub(super) fn call(
        socket: TcpStream,
        identity: Option<&Identity>,
        address: &str,
    ) -> io::Result<Self> {
        let tls = identity.map(|own| Session::call(&socket, own, address)).transpose()?;
        Ok(Wire { socket: Arc::new(socket), tls: tls.map(Arc::new) })
    }

    /// For what is not bytes: time limits, and closing.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            Some(session) => session.read(&self.socket, buffer),
            None => (&*self.socket).read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            Some(session) => session.write_all(&self.socket, bytes).map(|()| bytes.len()),
            None => (&*self.socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
