//! Where the processes of a job listen: free ports of this host, or the addresses of a file that
//! all hosts have.

use std::net::{TcpListener, ToSocketAddrs};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::cli::arguments::read_hosts;
use crate::cli::failure::Failure;

/// A host file, and which of its processes are started here.
pub struct Hosts {
    path: PathBuf,
    pub processes: usize,
    pub own: Range<usize>,
    is_temporary: bool,
}

impl Hosts {
    /// Free ports of this host, in a file that is removed when this is dropped.
    pub fn local(processes: usize) -> std::io::Result<Self> {
        // All are held until all are found, so that none is found twice.
        let found: Vec<TcpListener> =
            (0..processes).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let mut text = String::new();
        for listener in &found {
            text.push_str(&format!("{}\n", listener.local_addr()?));
        }
        let path = std::env::temp_dir().join(format!("tidegate-hosts-{}", std::process::id()));
        std::fs::write(&path, text)?;
        Ok(Hosts { path, processes, own: 0..processes, is_temporary: true })
    }

    /// The processes of a host file whose addresses are this host's.
    pub fn of_file(path: &Path) -> Result<Self, Failure> {
        let addresses = read_hosts(path)?;
        let is_here: Vec<bool> = addresses.iter().map(|address| is_of_this_host(address)).collect();
        let first = is_here.iter().position(|here| *here);
        let last = is_here.iter().rposition(|here| *here);
        let (Some(first), Some(last)) = (first, last) else {
            return Err(Failure::Usage(format!(
                "none of the addresses in host file `{}` is this host's: run `launch` on the hosts \
                 that it names",
                path.display()
            )));
        };
        if is_here[first..=last].contains(&false) {
            return Err(Failure::Usage(format!(
                "the addresses of this host are apart in host file `{}`: put those of a host next \
                 to each other",
                path.display()
            )));
        }
        Ok(Hosts {
            path: path.to_owned(),
            processes: addresses.len(),
            own: first..last + 1,
            is_temporary: false,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether something can listen here under the name or number of an address.
fn is_of_this_host(address: &str) -> bool {
    let mut found = address.to_socket_addrs().into_iter().flatten();
    found.any(|address| TcpListener::bind((address.ip(), 0)).is_ok())
}

impl Drop for Hosts {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
