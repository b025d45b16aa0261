//! Stands between a job and its server, and cuts the connection at a commit.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of the commit.
    Before,
    /// The server has committed, and its answer is lost.
    After,
}

/// A proxy to a server.
pub struct Proxy {
    pub address: String,
    next: Arc<Mutex<Option<Cut>>>,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let proxy = Proxy { address, next: Arc::default(), cuts: Arc::default() };
        let (next, cuts) = (Arc::clone(&proxy.next), Arc::clone(&proxy.cuts));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                pass(client, server, Arc::clone(&next), Arc::clone(&cuts));
            }
        });
        proxy
    }

    /// Cuts the connection at the next commit.
    pub fn cut(&self, cut: Cut) {
        *self.next.lock().expect("no panic") = Some(cut);
    }

    /// How often it has cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

/// Passes on what either side says.
fn pass(
    client: TcpStream,
    server: TcpStream,
    next: Arc<Mutex<Option<Cut>>>,
    cuts: Arc<AtomicUsize>,
) {
    let halves = || -> std::io::Result<_> { Ok((client.try_clone()?, server.try_clone()?)) };
    let (mut asked, mut to_server) = halves().expect("a socket can be shared");
    let (mut to_client, mut answered) = halves().expect("a socket can be shared");
    let is_cut = Arc::new(Mutex::new(false));
    let cut_off = Arc::clone(&is_cut);
    let close = |one: &TcpStream, other: &TcpStream| {
        // Either may be closed.
        let _ = one.shutdown(Shutdown::Both);
        let _ = other.shutdown(Shutdown::Both);
    };
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = asked.read(&mut buffer) {
            let said = &buffer[..read];
            let commits = said.ends_with(b"COMMIT") || said.ends_with(b"COMMIT\0");
            let cut = if commits { next.lock().expect("no panic").take() } else { None };
            if cut.is_some() {
                cuts.fetch_add(1, Ordering::SeqCst);
            }
            match cut {
                Some(Cut::Before) => break,
                Some(Cut::After) => *is_cut.lock().expect("no panic") = true,
                None => {}
            }
            if to_server.write_all(said).is_err() {
                break;
            }
        }
        // The other side may yet hear the answer that is not passed on.
        if !*is_cut.lock().expect("no panic") {
            close(&asked, &to_server);
        }
    });
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = answered.read(&mut buffer) {
            let cut = *cut_off.lock().expect("no panic");
            if cut || to_client.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        close(&answered, &to_client);
    });
}
