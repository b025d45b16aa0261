//! The processes of a job: how they find each other, and how each notices that another is gone.
//!
//! Timely's own start-up trusts whoever connects, prints, and waits for ever. So the sockets are
//! made here, after a handshake in which both sides prove that they know the job's secret and run
//! the same job; timely is given connections that carry heartbeats between its own bytes, and say
//! goodbye before they close.

mod door;
mod handshake;
mod link;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod wire;

use std::any::Any;
use std::net::ToSocketAddrs;
use std::sync::Arc;

use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};

use self::link::PeerStream;
use super::control::Control;
use crate::config::{Cluster, Config};
use crate::error::{ClusterError, RunError};

pub(super) use link::Links;

/// What the processes of a run agree on when they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    /// The same for the same program and flags.
    pub(super) fingerprint: u64,
    /// The generation that process 0 has claimed; the others are told.
    pub(super) generation: u64,
}

/// The connections with the other processes, over which nothing has been sent yet.
#[derive(Default)]
pub(super) struct Met {
    streams: Vec<Option<PeerStream>>,
    links: Links,
    /// The generation of the run, if it is saved.
    pub(super) generation: u64,
}

/// What timely needs to start workers that talk to each other.
pub(super) struct Joined {
    pub(super) allocators: Vec<AllocatorBuilder>,
    /// Kept until the workers are through; then it waits for the threads behind the sockets.
    pub(super) guard: Box<dyn Any + Send>,
    pub(super) links: Links,
}

/// The other processes, if there are any.
fn peers(config: &Config) -> Option<&Cluster> {
    config.cluster.as_ref().filter(|cluster| cluster.addresses.len() > 1)
}

/// Connects this process with the others, if there are any.
pub(super) fn meet(
    config: &Config,
    own: Agreement,
    control: &Arc<Control>,
) -> Result<Met, RunError> {
    match peers(config) {
        None => Ok(Met { generation: own.generation, ..Met::default() }),
        Some(cluster) => {
            warn_if_open(cluster);
            handshake::connect(cluster, own, control)
        }
    }
}

impl Met {
    /// Leaves the others, who notice at once.
    pub(super) fn leave(self) {
        self.links.cut();
    }

    /// Hands the connections to timely.
    pub(super) fn join(self, config: &Config) -> Result<Joined, RunError> {
        let hooks = Hooks::default();
        let (refill, spill) = (hooks.refill.clone(), hooks.spill.clone());
        let local = ProcessBuilder::new_typed_vector(config.workers, refill, spill);
        let Some(cluster) = peers(config) else {
            let allocators = local.into_iter().map(AllocatorBuilder::Process).collect();
            return Ok(Joined { allocators, guard: Box::new(()), links: self.links });
        };
        let (process, streams) = (cluster.process, self.streams);
        let (builders, guard) =
            initialize_networking_from_sockets(local, streams, process, config.workers, hooks)
                .map_err(|source| ClusterError::Handshake {
                    process,
                    address: cluster.addresses[process].clone(),
                    source,
                })?;
        let allocators = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        Ok(Joined { allocators, guard: Box::new(guard), links: self.links })
    }
}

/// Without a secret, whoever reaches the port may take a process's place.
fn warn_if_open(cluster: &Cluster) {
    if !cluster.secret.expose().is_empty() {
        return;
    }
    let is_private = |address: &&String| {
        let mut resolved = address.to_socket_addrs().into_iter().flatten().peekable();
        resolved.peek().is_some() && resolved.all(|address| address.ip().is_loopback())
    };
    if let Some(address) = cluster.addresses.iter().find(|address| !is_private(address)) {
        log::warn!(
            "other hosts can reach this job (`{address}`), and it has no secret: whoever connects \
             can take part; give every process the same secret (`--secret-file`, TIDEGATE_SECRET \
             or `Cluster::secret`)"
        );
    }
}
