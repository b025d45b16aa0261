//! TLS between processes: who has no certificate by the authority is turned away, and who listens
//! in between reads nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{hosts, process};
use crate::support::free_addresses;
use crate::support::process::{Running, tidegate};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials![
        "cluster::tls";
        who_listens_in_between_reads_nothing,
        long_frames_go_both_ways_at_once,
        a_process_without_the_right_certificate_is_turned_away,
        a_file_that_is_no_certificate_fails_before_anything_starts,
    ]
}

const JOB: &str = "run wordcount --source file:in --trigger available-now --sink jsonl:out";
const TLS: &str = "--tls-ca ca.pem --tls-certificate own.pem --tls-key own.key";

/// Writes `ca.pem`, and `NAME.pem` with `NAME.key` for each name and the host that it is for.
fn certify(at: &Path, certificates: &[(&str, &str)]) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(authority, key).expect("signed");
    fs::write(at.join("ca.pem"), authority.pem()).expect("written");
    for (name, host) in certificates {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([(*host).to_owned()]).expect("a host");
        let certificate = params.signed_by(&key, &authority).expect("signed");
        fs::write(at.join(format!("{name}.pem")), certificate.pem()).expect("written");
        fs::write(at.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    }
}

fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    // Words of which some belong to the other process.
    let words: String = (0..20).map(|n| format!("confidential{n:02}\n")).collect();
    fs::write(place.path().join("in"), words).expect("written");
    certify(place.path(), &[("own", "127.0.0.1"), ("elsewhere", "example.org")]);
    place
}

fn assert_output_is_right(at: &Path) {
    let rows = fs::read_to_string(at.join("out")).expect("there");
    let counts: Vec<&str> = rows.lines().filter_map(|line| line.split("\"row\":").nth(1)).collect();
    let expected: Vec<String> = (0..20).map(|n| format!("[\"confidential{n:02}\",1]}}")).collect();
    assert_eq!(counts, expected);
}

/// Passes on what it hears on a port of its own, and keeps it.
fn listen_in(target: String) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        for caller in listener.incoming() {
            let caller = caller.expect("accepted");
            // Whoever is called may not be there yet: the caller will come again.
            let Ok(called) = TcpStream::connect(&target) else { continue };
            for (mut from, mut to) in [
                (caller.try_clone().expect("cloned"), called.try_clone().expect("cloned")),
                (called, caller),
            ] {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while let Ok(read @ 1..) = from.read(&mut bytes) {
                        kept.lock().expect("no panic").extend_from_slice(&bytes[..read]);
                        if to.write_all(&bytes[..read]).is_err() {
                            return;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    (address, heard)
}

fn who_listens_in_between_reads_nothing() {
    let place = place();
    for (flags, is_readable) in [("", true), (TLS, false)] {
        let addresses = free_addresses(2);
        let (between, heard) = listen_in(addresses[0].clone());
        let start = |index: usize, addresses: &[String]| -> Running {
            let at = place.path().join(index.to_string());
            fs::create_dir_all(&at).expect("created");
            let hosts = hosts(addresses, &at);
            process(index, &hosts, &format!("{JOB} {flags}"))
                .within(place.path())
                .variable("TIDEGATE_SECRET", "of the test")
                .start()
        };
        let first = start(0, &addresses);
        let second = start(1, &[between, addresses[1].clone()]);
        first.end().well();
        second.end().well();
        assert_output_is_right(place.path());
        fs::remove_file(place.path().join("out")).expect("removed");
        let heard = heard.lock().expect("no panic");
        let needle = b"confidential";
        let found = heard.windows(needle.len()).any(|bytes| bytes == needle);
        assert_eq!(found, is_readable, "{} bytes with `{flags}`", heard.len());
    }
}

fn long_frames_go_both_ways_at_once() {
    let place = place();
    // 60,000 words of 20 bytes in one batch: half of them go to the other process.
    let words: String = (0..60_000).map(|n| format!("{n:020}\n")).collect();
    for part in 0..4 {
        let path = place.path().join("many").join(format!("{part}.txt"));
        fs::create_dir_all(path.parent().expect("there")).expect("created");
        fs::write(path, words.replace('\n', &format!("-{part}\n"))).expect("written");
    }
    let job = "run wordcount --source dir:many --trigger available-now --sink jsonl:out";
    let [alone, spread] = [job.to_owned(), format!("launch -n 2 {job} {TLS}")].map(|command| {
        tidegate(&command).within(place.path()).run().well();
        let path = place.path().join("out");
        let bytes = fs::read(&path).expect("there");
        fs::remove_file(path).expect("removed");
        bytes
    });
    assert!(alone.len() > 1_000_000 && alone == spread);
}

fn a_process_without_the_right_certificate_is_turned_away() {
    let place = place();
    let other = tempfile::tempdir().expect("a directory");
    certify(other.path(), &[("own", "127.0.0.1")]);
    let hosts = hosts(&free_addresses(2), place.path());
    let start = |index: usize, flags: &str, at: &Path| {
        let job = JOB.replace("file:in", &format!("file:{}", place.path().join("in").display()));
        process(index, &hosts, &format!("{job} {flags}"))
            .within(at)
            .variable("TIDEGATE_SECRET", "of the test")
            .start()
    };
    let mut first = start(0, TLS, place.path());
    // It believes no other authority, and is not believed by it.
    start(1, TLS, other.path())
        .end()
        .failed(2, &["invalid peer certificate", "certificate by the same"]);
    first.wait_for("refused a connection from 127.0.0.1");
    // It believes this one, and has nothing by it.
    fs::copy(place.path().join("ca.pem"), other.path().join("ca.pem")).expect("copied");
    start(1, TLS, other.path()).end().failed(2, &["certificate by the same authority"]);
    // It speaks no TLS at all; nobody tells it.
    let plain = start(1, "", place.path());
    first.wait_for("no TLS");
    plain.signal(rustix::process::Signal::KILL);
    plain.end();
    start(1, TLS, place.path()).end().well();
    first.end().well();
    assert_output_is_right(place.path());
    // The one that is called must be who it was called by.
    let elsewhere = TLS.replace("own", "elsewhere");
    let first = start(0, &elsewhere, place.path());
    let texts = ["not valid for name", "the host of its address"];
    start(1, TLS, place.path()).end().failed(2, &texts);
    // One that is called by TLS and has none says so.
    first.signal(rustix::process::Signal::KILL);
    first.end();
    let mut first = start(0, "", place.path());
    let mut second = start(1, TLS, place.path());
    first.wait_for("it speaks TLS, and this process does not");
    for running in [&mut first, &mut second] {
        running.signal(rustix::process::Signal::KILL);
    }
    first.end();
    second.end();
}

fn a_file_that_is_no_certificate_fails_before_anything_starts() {
    let place = place();
    let hosts = hosts(&free_addresses(2), place.path());
    for (flags, texts) in [
        (TLS.replace("own.pem", "none.pem"), ["none.pem", "No such file"]),
        (TLS.replace("ca.pem", "in"), ["`in`", "no certificate in it"]),
        (TLS.replace("own.key", "own.pem"), ["own.pem", "TLS"]),
        (TLS.replace("own.key", "elsewhere.key"), ["own.pem", "KeyMismatch"]),
        (TLS.replace("--tls-key own.key", ""), ["--tls-key", "required"]),
    ] {
        let started = process(0, &hosts, &format!("{JOB} {flags}")).within(place.path()).start();
        started.end().failed(2, &texts);
    }
    assert!(!place.path().join("out").exists(), "nothing was written");
}
