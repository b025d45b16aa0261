//! TLS between the processes of a job, in which both sides show a certificate.
//!
//! One thread reads from a connection while others write to it, and neither may hold up the other: two
//! processes that both wait until the other reads would wait for ever. So what the lock covers is
//! enciphering and deciphering in memory; the socket is read and written outside of it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};

use super::handshake::STEP_MAX;
use crate::config::Tls;
use crate::engine::control::lock;
use crate::error::ClusterError;

/// Who this process is, and whom it believes.
pub(super) struct Identity {
    calling: Arc<ClientConfig>,
    called: Arc<ServerConfig>,
}

impl Identity {
    /// Reads what is in the files.
    ///
    /// # Errors
    ///
    /// `ClusterError::Tls` with the file that can't be read or used.
    pub(super) fn load(files: &Tls) -> Result<Self, ClusterError> {
        let Tls { authority, certificate, key } = files;
        let mut roots = RootCertStore::empty();
        for root in certificates(authority)? {
            roots.add(root).map_err(unusable(authority))?;
        }
        let roots = Arc::new(roots);
        let own = certificates(certificate)?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(unusable(key))?;
        let provider = Arc::new(ring::default_provider());
        let versions = &[&rustls::version::TLS13];

        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier = verifier.build().map_err(unusable(authority))?;
        let called = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(unusable(certificate))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(own.clone(), secret.clone_key())
            .map_err(unusable(certificate))?;
        let calling = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(unusable(certificate))?
            .with_root_certificates(roots)
            .with_client_auth_cert(own, secret)
            .map_err(unusable(certificate))?;
        Ok(Identity { calling: Arc::new(calling), called: Arc::new(called) })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClusterError> {
    let read = CertificateDer::pem_file_iter(path).map_err(unusable(path))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(unusable(path))?;
    if read.is_empty() {
        return Err(unusable(path)("there is no certificate in it (PEM is expected)"));
    }
    Ok(read)
}

fn unusable<E: ToString>(path: &Path) -> impl Fn(E) -> ClusterError {
    let path = path.to_owned();
    move |error| ClusterError::Tls { path: path.clone(), reason: error.to_string() }
}

/// A connection on which both sides have agreed.
pub(super) struct Session {
    connection: Mutex<Connection>,
    /// Whoever writes has this until the socket has all of it, so that records stay in order.
    writing: Mutex<()>,
    reading: Mutex<Received>,
}

/// Bytes from the socket; those before `taken` are deciphered.
struct Received {
    bytes: Vec<u8>,
    taken: usize,
    length: usize,
}

/// Read from the socket at once: a record and its head.
const RECEIVED_MAX: usize = 1 << 14;

impl Session {
    pub(super) fn accept(socket: &TcpStream, identity: &Identity) -> io::Result<Self> {
        let server = ServerConnection::new(Arc::clone(&identity.called)).map_err(invalid)?;
        Session::begin(socket, server.into())
    }

    pub(super) fn call(socket: &TcpStream, identity: &Identity, address: &str) -> io::Result<Self> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(invalid)?;
        let client = ClientConnection::new(Arc::clone(&identity.calling), name).map_err(invalid)?;
        Session::begin(socket, client.into())
    }

    /// Agrees on keys, in the time of one step.
    fn begin(mut socket: &TcpStream, mut connection: Connection) -> io::Result<Self> {
        let deadline = Instant::now() + STEP_MAX;
        socket.set_nonblocking(false)?;
        socket.set_write_timeout(Some(STEP_MAX))?;
        loop {
            while connection.wants_write() {
                connection.write_tls(&mut socket)?;
            }
            if !connection.is_handshaking() {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))?;
            if connection.read_tls(&mut socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = connection.process_new_packets() {
                // The other side is told why, if it still listens.
                let _ = connection.write_tls(&mut socket);
                return Err(invalid(error));
            }
        }
        // Frames are longer than what would be kept back.
        connection.set_buffer_limit(None);
        let received = Received { bytes: vec![0; RECEIVED_MAX], taken: 0, length: 0 };
        Ok(Session {
            connection: Mutex::new(connection),
            writing: Mutex::default(),
            reading: Mutex::new(received),
        })
    }

    pub(super) fn read(&self, mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        let mut received = lock(&self.reading);
        let Received { bytes, taken, length } = &mut *received;
        loop {
            {
                let mut connection = lock(&self.connection);
                match connection.reader().read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
                if taken < length {
                    *taken += connection.read_tls(&mut &bytes[*taken..*length])?;
                    connection.process_new_packets().map_err(invalid)?;
                    continue;
                }
            }
            (*taken, *length) = (0, socket.read(bytes)?);
            if *length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(super) fn write_all(&self, mut socket: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        let _turn = lock(&self.writing);
        let mut records = Vec::with_capacity(bytes.len() + bytes.len() / 128 + 64);
        {
            let mut connection = lock(&self.connection);
            connection.writer().write_all(bytes)?;
            while connection.wants_write() {
                connection.write_tls(&mut records)?;
            }
        }
        socket.write_all(&records)
    }
}

/// The other side is not who it must be, or does not speak TLS.
fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
