//! A proxy before a broker that lies about commits: some are carried out and denied, some are denied
//! and not carried out. Whoever asks can't tell them apart.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Kafka's number for requests that end a transaction.
const END_TRANSACTION: [u8; 2] = [0, 26];
/// `INVALID_PRODUCER_EPOCH`: also what is said to those who are shut out.
const DENIAL: [u8; 2] = [0, 47];
/// So many commits are there for one that is denied.
const HONEST: u64 = 4;

/// What it has done so far.
#[derive(Default)]
pub struct Lies {
    commits: AtomicU64,
    /// Commits that were carried out, and denied.
    pub done: AtomicU64,
    /// Commits that were not carried out.
    pub not_done: AtomicU64,
}

/// Serves whoever connects, each with a connection of its own to the broker.
pub fn serve(listener: TcpListener, broker: SocketAddr) -> Arc<Lies> {
    let lies = Arc::new(Lies::default());
    let told = Arc::clone(&lies);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if let Ok(broker) = TcpStream::connect(broker) {
                connect(client, broker, &told);
            }
        }
    });
    lies
}

fn connect(client: TcpStream, broker: TcpStream, lies: &Arc<Lies>) {
    let denied: Arc<Mutex<HashSet<[u8; 4]>>> = Arc::default();
    let copy = |stream: &TcpStream| stream.try_clone().expect("a handle");
    let (mut requests, mut onward) = (copy(&client), copy(&broker));
    let (mut answers, client) = (broker, Arc::new(Mutex::new(client)));
    let (lies, to_deny, back) = (Arc::clone(lies), Arc::clone(&denied), Arc::clone(&client));
    std::thread::spawn(move || {
        while let Ok(request) = frame(&mut requests) {
            // Key, version, number, ..., and at the end whether it is a commit.
            let number = [request[4], request[5], request[6], request[7]];
            let is_commit = request[..2] == END_TRANSACTION && request.last() == Some(&1);
            if is_commit && lies.commits.fetch_add(1, Ordering::SeqCst) % HONEST == HONEST - 1 {
                let done = lies.done.load(Ordering::SeqCst);
                if done > lies.not_done.load(Ordering::SeqCst) {
                    lies.not_done.fetch_add(1, Ordering::SeqCst);
                    let _ = send(&mut back.lock().expect("no panic"), &denial(number));
                    continue;
                }
                lies.done.fetch_add(1, Ordering::SeqCst);
                to_deny.lock().expect("no panic").insert(number);
            }
            if send(&mut onward, &request).is_err() {
                break;
            }
        }
        let _ = onward.shutdown(std::net::Shutdown::Both);
    });
    std::thread::spawn(move || {
        while let Ok(mut answer) = frame(&mut answers) {
            let number = [answer[0], answer[1], answer[2], answer[3]];
            if denied.lock().expect("no panic").remove(&number) {
                answer = denial(number);
            }
            if send(&mut client.lock().expect("no panic"), &answer).is_err() {
                break;
            }
        }
        let _ = client.lock().expect("no panic").shutdown(std::net::Shutdown::Both);
    });
}

/// An answer: the request's number, no time to wait, and the error.
fn denial(number: [u8; 4]) -> Vec<u8> {
    [&number[..], &[0; 4], &DENIAL].concat()
}

fn frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn send(to: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&[&(bytes.len() as u32).to_be_bytes()[..], bytes].concat())
}
