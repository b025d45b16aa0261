//! Who knocks at this process: the others of the job, once each; and whoever else finds the port.

use std::collections::HashSet;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Agreement;
use super::handshake::{self, Greeting};
use super::tls::Identity;
use super::wire::Wire;
use crate::config::Cluster;
use crate::engine::control::lock;
use crate::error::ClusterError;

/// Listens for as long as the job runs. After the last process has come in, everybody is turned
/// away, and it is logged who.
pub(super) struct Door {
    arrivals: Mutex<Receiver<(usize, Wire)>>,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Handshakes that may be under way at once; others wait in the backlog.
const VISITORS_MAX: usize = 32;
const GLANCE: Duration = Duration::from_millis(20);

/// What visitors are judged by.
struct Porter {
    identity: Option<Arc<Identity>>,
    secret: Vec<u8>,
    process: usize,
    processes: usize,
    agreed: Agreement,
    inside: Mutex<HashSet<u32>>,
    visitors: AtomicUsize,
}

impl Door {
    pub(super) fn open(
        cluster: &Cluster,
        agreed: Agreement,
        identity: Option<Arc<Identity>>,
    ) -> Result<Self, ClusterError> {
        let address = cluster.addresses[cluster.process].clone();
        let failed = |source| ClusterError::Listen { address: address.clone(), source };
        let listener = TcpListener::bind(&address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let porter = Arc::new(Porter {
            identity,
            secret: cluster.secret.expose().to_vec(),
            process: cluster.process,
            processes: cluster.addresses.len(),
            agreed,
            inside: Mutex::default(),
            visitors: AtomicUsize::new(0),
        });
        let closed = Arc::new(AtomicBool::new(false));
        let (announce, arrivals) = channel();
        let over = Arc::clone(&closed);
        let thread = std::thread::Builder::new()
            .name("door".into())
            .spawn(move || attend(&listener, &porter, &announce, &over))
            .map_err(failed)?;
        Ok(Door { arrivals: Mutex::new(arrivals), closed, thread: Some(thread) })
    }

    /// The next process that has been let in; `None` after a while, to look at other things.
    pub(super) fn next(&self, deadline: Instant) -> Option<(usize, Wire)> {
        let left = deadline.saturating_duration_since(Instant::now());
        lock(&self.arrivals).recv_timeout(left.min(Duration::from_millis(100))).ok()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn attend(
    listener: &TcpListener,
    porter: &Arc<Porter>,
    announce: &Sender<(usize, Wire)>,
    closed: &AtomicBool,
) {
    while !closed.load(Ordering::SeqCst) {
        if porter.visitors.load(Ordering::SeqCst) >= VISITORS_MAX {
            std::thread::sleep(GLANCE);
            continue;
        }
        let Ok((socket, _)) = listener.accept() else {
            std::thread::sleep(GLANCE);
            continue;
        };
        porter.visitors.fetch_add(1, Ordering::SeqCst);
        let (host, announce) = (Arc::clone(porter), announce.clone());
        let visit = std::thread::Builder::new().name("visitor".into()).spawn(move || {
            host.meet(socket, &announce);
            host.visitors.fetch_sub(1, Ordering::SeqCst);
        });
        if let Err(error) = visit {
            porter.visitors.fetch_sub(1, Ordering::SeqCst);
            log::warn!("a visitor had to be turned away: {error}");
        }
    }
}

impl Porter {
    fn meet(&self, socket: TcpStream, announce: &Sender<(usize, Wire)>) {
        let visitor = socket.peer_addr().map_or_else(|_| "somebody".into(), |a| a.to_string());
        let mut admitted = None;
        let admit = |greeting: &Greeting| {
            self.admit(greeting)?;
            admitted = Some(greeting.from);
            Ok(())
        };
        let met = Wire::accept(socket, self.identity.as_deref())
            .map_err(|error| format!("no TLS: {error}"))
            .and_then(|mut wire| {
                let (secret, generation) = (&self.secret, self.agreed.generation);
                let greeting = handshake::receive(&mut wire, secret, generation, admit)?;
                Ok((greeting.from as usize, wire))
            });
        match met {
            Ok(met) => {
                // Nobody waits for arrivals any more if the start was given up.
                let _ = announce.send(met);
            }
            Err(reason) => {
                if let Some(process) = admitted {
                    // It has not heard so, and will come again.
                    lock(&self.inside).remove(&process);
                }
                log::warn!("refused a connection from {visitor}: {reason}");
            }
        }
    }

    fn admit(&self, greeting: &Greeting) -> Result<(), String> {
        if greeting.to as usize != self.process {
            return Err(format!(
                "this is process {}, not {}: the addresses are in another order",
                self.process, greeting.to
            ));
        }
        if greeting.processes as usize != self.processes {
            return Err(format!(
                "this job has {} processes, not {}",
                self.processes, greeting.processes
            ));
        }
        let expected = self.process + 1..self.processes;
        if !expected.contains(&(greeting.from as usize)) {
            return Err(format!("process {} is not expected here", greeting.from));
        }
        if greeting.fingerprint != self.agreed.fingerprint {
            return Err("another job: start every process with the same program and flags".into());
        }
        if !lock(&self.inside).insert(greeting.from) {
            return Err(format!("process {} is here already", greeting.from));
        }
        Ok(())
    }
}
