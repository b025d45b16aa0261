//! How two processes make sure of each other.
//!
//! The one that connects sends a greeting: who it is, whom it wants, and which job it runs. The
//! other answers with a random challenge; the first proves with an HMAC over greeting and challenge
//! that it knows the secret; the second gives its verdict, and its own proof. Everything has a fixed
//! size, and nothing is believed before it is proved.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::door::Door;
use super::link::Links;
use super::tls::Identity;
use super::wire::Wire;
use super::{Agreement, Met};
use crate::config::Cluster;
use crate::engine::control::Control;
use crate::error::{ClusterError, RunError};

const MAGIC: &[u8; 8] = b"TIDEGATE";
const VERSION: u32 = 2;
const GREETING: usize = 8 + 4 * 4 + 8 + NONCE;
const NONCE: usize = 16;
const PROOF: usize = 32;
const REASON: usize = 160;
const GENERATION: usize = 8;
/// A verdict, the generation of the run, a proof, and a reason if the verdict is no.
const ANSWER: usize = 1 + GENERATION + PROOF + REASON;

/// How long one step of a handshake may take.
pub(super) const STEP_MAX: Duration = Duration::from_secs(2);
/// How long the other processes are waited for, unless configured otherwise.
const JOIN_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// What a process says of itself and of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) processes: u32,
    pub(super) fingerprint: u64,
    nonce: [u8; NONCE],
}

impl Greeting {
    fn encode(&self) -> [u8; GREETING] {
        let mut bytes = Vec::with_capacity(GREETING);
        bytes.extend_from_slice(MAGIC);
        for word in [VERSION, self.from, self.to, self.processes] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.fingerprint.to_le_bytes());
        bytes.extend_from_slice(&self.nonce);
        bytes.try_into().expect("the parts add up")
    }

    fn decode(bytes: &[u8; GREETING]) -> Result<Self, &'static str> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        if bytes[..8] != MAGIC[..] {
            return Err(match bytes[..2] {
                // The first bytes of a greeting of TLS.
                [0x16, 0x03] => {
                    "it speaks TLS, and this process does not: give every process the \
                                 same flags"
                }
                _ => "it is no Tidegate process",
            });
        }
        if word(8) != VERSION {
            return Err("it speaks another version of the protocol: use one version everywhere");
        }
        Ok(Greeting {
            from: word(12),
            to: word(16),
            processes: word(20),
            fingerprint: u64::from_le_bytes(bytes[24..32].try_into().expect("eight")),
            nonce: bytes[32..].try_into().expect("sixteen"),
        })
    }
}

/// What an answer is proved with.
fn proof(secret: &[u8], parts: [&[u8]; 4]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

fn nonce() -> io::Result<[u8; NONCE]> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Reads all of `bytes` in the time of one step, however small the pieces in which they come.
fn read_step(wire: &mut Wire, mut bytes: &mut [u8]) -> io::Result<()> {
    let deadline = Instant::now() + STEP_MAX;
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        wire.socket().set_read_timeout(Some(left))?;
        match wire.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => bytes = &mut bytes[read..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Lets a process in, or turns it away with a reason. Junk gets no answer at all.
pub(super) fn receive(
    wire: &mut Wire,
    secret: &[u8],
    generation: u64,
    admit: impl FnOnce(&Greeting) -> Result<(), String>,
) -> Result<Greeting, String> {
    let broken = |error: io::Error| format!("the handshake broke off: {error}");
    wire.socket()
        .set_nonblocking(false)
        .and_then(|()| wire.socket().set_write_timeout(Some(STEP_MAX)))
        .map_err(broken)?;
    let mut bytes = [0; GREETING];
    read_step(wire, &mut bytes).map_err(broken)?;
    let greeting = Greeting::decode(&bytes)?;
    let challenge = nonce().map_err(broken)?;
    wire.write_all(&challenge).map_err(broken)?;
    let mut proved = [0; PROOF];
    read_step(wire, &mut proved).map_err(broken)?;
    let verdict = proof(secret, [b"connect", &bytes, &challenge, &[]])
        .verify_slice(&proved)
        .map_err(|_| "it does not know the job's secret: give every process the same".to_owned())
        .and_then(|()| admit(&greeting));
    let generation = generation.to_le_bytes();
    let own = proof(secret, [b"accept", &bytes, &challenge, &generation]).finalize().into_bytes();
    let mut answer = [0; ANSWER];
    let (head, text) = answer.split_at_mut(ANSWER - REASON);
    match &verdict {
        Ok(()) => {
            head[1..=GENERATION].copy_from_slice(&generation);
            head[1 + GENERATION..].copy_from_slice(&own);
        }
        Err(reason) => {
            let reason = &reason.as_bytes()[..reason.len().min(REASON)];
            head[0] = 1;
            text[..reason.len()].copy_from_slice(reason);
        }
    }
    wire.write_all(&answer).map_err(broken)?;
    verdict.map(|()| greeting)
}

/// Why a process was not let in.
enum Denied {
    /// It may be tried again.
    NotYet(io::Error),
    Refused(String),
}

impl From<io::Error> for Denied {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Denied::Refused(format!(
                "{error}: every process needs a certificate by the same authority, for the host of \
                 its address"
            )),
            _ => Denied::NotYet(error),
        }
    }
}

/// Presents this process; the generation that the other says it is.
fn present(wire: &mut Wire, secret: &[u8], greeting: &Greeting) -> Result<u64, Denied> {
    let bytes = greeting.encode();
    let mut challenge = [0; NONCE];
    let mut answer = [0; ANSWER];
    let mut exchange = || -> io::Result<()> {
        wire.socket().set_read_timeout(Some(STEP_MAX))?;
        wire.socket().set_write_timeout(Some(STEP_MAX))?;
        wire.write_all(&bytes)?;
        wire.read_exact(&mut challenge)?;
        let proved = proof(secret, [b"connect", &bytes, &challenge, &[]]);
        wire.write_all(&proved.finalize().into_bytes())?;
        wire.read_exact(&mut answer)
    };
    exchange()?;
    let (head, text) = answer.split_at(ANSWER - REASON);
    if head[0] != 0 {
        let text = String::from_utf8_lossy(text);
        return Err(Denied::Refused(text.trim_end_matches('\0').to_owned()));
    }
    let (generation, proved) = head[1..].split_at(GENERATION);
    proof(secret, [b"accept", &bytes, &challenge, generation])
        .verify_slice(proved)
        .map_err(|_| Denied::Refused("it does not know the job's secret itself".into()))?;
    Ok(u64::from_le_bytes(generation.try_into().expect("eight bytes")))
}

/// Connects this process with all others: it calls on those before it, and is called on by those
/// behind it.
pub(super) fn connect(
    cluster: &Cluster,
    agreed: Agreement,
    control: &Arc<Control>,
) -> Result<Met, RunError> {
    let (own, processes) = (cluster.process, cluster.addresses.len());
    let waited = cluster.join_timeout.unwrap_or(JOIN_TIMEOUT);
    let deadline = Instant::now() + waited;
    let Agreement { fingerprint, mut generation } = agreed;
    let identity = cluster.tls.as_ref().map(Identity::load).transpose()?.map(Arc::new);
    let door = Door::open(cluster, agreed, identity.clone())?;
    let identity = identity.as_deref();
    let mut links = Links::default();
    let mut streams: Vec<Option<_>> = (0..processes).map(|_| None).collect();
    let take = |links: &mut Links, process: usize, wire: Wire| {
        let address = cluster.addresses[process].clone();
        links.add(process, wire, control).map_err(|source| ClusterError::Handshake {
            process,
            address,
            source,
        })
    };
    #[allow(clippy::needless_range_loop)] // The index is the peer's number in messages, too.
    for process in 0..own {
        let greeting = Greeting {
            from: own as u32,
            to: process as u32,
            processes: processes as u32,
            fingerprint,
            nonce: [0; NONCE],
        };
        let (wire, told) = call(cluster, identity, greeting, deadline, waited, control)?;
        if process == 0 {
            generation = told;
        }
        streams[process] = Some(take(&mut links, process, wire)?);
    }
    let mut missing = processes - own - 1;
    while missing > 0 {
        if control.is_stopping() || control.has_failed() {
            return Err(RunError::NotStarted);
        }
        let Some((process, wire)) = door.next(deadline) else {
            if Instant::now() < deadline {
                continue;
            }
            let process = (own + 1..processes)
                .find(|process| streams[*process].is_none())
                .expect("one is missing");
            let address = cluster.addresses[process].clone();
            return Err(ClusterError::Absent { process, address, waited }.into());
        };
        streams[process] = Some(take(&mut links, process, wire)?);
        missing -= 1;
    }
    links.door = Some(door);
    Ok(Met { streams, links, generation })
}

fn call(
    cluster: &Cluster,
    identity: Option<&Identity>,
    mut greeting: Greeting,
    deadline: Instant,
    waited: Duration,
    control: &Control,
) -> Result<(Wire, u64), RunError> {
    let process = greeting.to as usize;
    let address = cluster.addresses[process].clone();
    loop {
        if control.is_stopping() || control.has_failed() {
            return Err(RunError::NotStarted);
        }
        let broken = |source| ClusterError::Handshake { process, address: address.clone(), source };
        greeting.nonce = nonce().map_err(broken)?;
        if let Ok(socket) = TcpStream::connect(&address) {
            let presented = Wire::call(socket, identity, &address).map_err(Denied::from).and_then(
                |mut wire| {
                    let generation = present(&mut wire, cluster.secret.expose(), &greeting)?;
                    Ok((wire, generation))
                },
            );
            match presented {
                Ok(presented) => return Ok(presented),
                Err(Denied::Refused(reason)) => {
                    return Err(ClusterError::Refused { process, address, reason }.into());
                }
                Err(Denied::NotYet(error)) => log::debug!("process {process}: {error}"),
            }
        }
        if Instant::now() >= deadline {
            return Err(ClusterError::Absent { process, address, waited }.into());
        }
        std::thread::sleep(RETRY_EVERY);
    }
}
