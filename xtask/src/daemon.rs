//! A server's process: started, waited for, ended.

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that listens at an address, and is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    address: SocketAddr,
    log: PathBuf,
    process: Option<Child>,
}

/// A server is up within this time, even on a slow machine.
const START: Duration = Duration::from_secs(60);

impl Daemon {
    /// One that is not started yet.
    pub(crate) fn new(name: &'static str, address: SocketAddr, log: PathBuf) -> Self {
        Daemon { name, address, log, process: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the process, and waits until it can be connected to.
    pub(crate) fn start(&mut self, mut command: Command) -> Result<(), String> {
        let name = self.name;
        let begun = Instant::now();
        loop {
            let unwritable = |e| format!("can't write the log of {name}: {e}");
            let file = File::create(&self.log).map_err(unwritable)?;
            let copy = file.try_clone().map_err(unwritable)?;
            command.stdin(Stdio::null()).stdout(file).stderr(copy);
            let process = command.spawn().map_err(|e| format!("can't run {name}: {e}"))?;
            let process = self.process.insert(process);
            let ended = loop {
                let ended = process.try_wait().map_err(|e| format!("can't watch {name}: {e}"))?;
                if ended.is_some() || begun.elapsed() > START {
                    break ended;
                }
                if TcpStream::connect_timeout(&self.address, Duration::from_millis(200)).is_ok() {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(50));
            };
            let said = self.said();
            // What is left of one that was killed may still be about to go.
            let is_left = said.contains("still in use") || said.contains("Unable to lock");
            if ended.is_none() || !is_left {
                return Err(format!("{name} does not come up:\n{said}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The end of its log.
    fn said(&self) -> String {
        let mut text = String::new();
        let read = File::open(&self.log).and_then(|mut file| file.read_to_string(&mut text));
        if let Err(error) = read {
            text = format!("(its log can't be read: {error})");
        }
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends the process as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address of this host at which nobody listens.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|e| format!("can't find a free port: {e}"))
}
