//! Who knocks at a process's port and is none of the job: turned away and written down, and the
//! job goes on.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use super::{hosts, process};
use crate::support::free_addresses;
use crate::support::process::Running;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials![
        "cluster";
        strangers_before_the_start_are_turned_away,
        strangers_during_the_run_are_turned_away,
        a_process_with_another_secret_is_turned_away,
        silent_connections_do_not_keep_the_others_out,
        a_process_that_never_comes_is_waited_for_in_vain,
        ports_that_others_can_reach_need_a_secret,
    ]
}

/// What a stranger may send; a greeting has 56 bytes.
fn junk() -> Vec<Vec<u8>> {
    let oversize = [b"TIDEGATE".to_vec(), vec![0xff; 1 << 20]].concat();
    let replay = [b"TIDEGATE\x02\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0".to_vec(), vec![0; 64]].concat();
    vec![
        b"GET / HTTP/1.1\r\nHost: a-host-with-a-long-name.example.org\r\n\r\n".to_vec(),
        // What crashes timely's own start-up: eight bytes.
        vec![0; 8],
        vec![0xff; 100],
        b"TIDEGATE".to_vec(),
        oversize,
        replay,
    ]
}

fn visit(address: &str) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match TcpStream::connect(address) {
            Ok(socket) => return socket,
            Err(error) => assert!(Instant::now() < deadline, "nobody at {address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends junk of every kind, and gives connections that stay open.
fn molest(address: &str) -> Vec<TcpStream> {
    let mut open = vec![visit(address), visit(address)];
    for bytes in junk() {
        let mut socket = visit(address);
        // It may be turned away before it has said everything.
        let _ = socket.write_all(&bytes);
        open.push(socket);
    }
    // One that hangs up at once.
    drop(visit(address));
    open
}

const SECRET: &str = "between us";
const JOB: &str = "run wordcount --source file:in --trigger available-now --sink jsonl:out";
const ENDLESS: &str = "run wordcount --source file:in?follow=true --interval 20ms --sink jsonl:out";

fn start(index: usize, hosts: &Path, job: &str, secret: &str) -> Running {
    let at = hosts.parent().expect("a directory");
    let program = process(index, hosts, job).within(at);
    if secret.is_empty() {
        program.start()
    } else {
        program.variable("TIDEGATE_SECRET", secret).start()
    }
}

fn place() -> (tempfile::TempDir, std::path::PathBuf, Vec<String>) {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("in"), "tide gate\ngate\n").expect("written");
    let addresses = free_addresses(2);
    let hosts = hosts(&addresses, place.path());
    (place, hosts, addresses)
}

fn assert_output_is_right(at: &Path) {
    let rows = fs::read_to_string(at.join("out")).expect("there");
    let counts: Vec<&str> = rows.lines().filter_map(|line| line.split("\"row\":").nth(1)).collect();
    assert_eq!(counts, ["[\"gate\",2]}", "[\"tide\",1]}"]);
}

fn strangers_before_the_start_are_turned_away() {
    let (place, hosts, addresses) = place();
    let mut first = start(0, &hosts, JOB, SECRET);
    let open = molest(&addresses[0]);
    first.wait_for("it is no Tidegate process");
    let second = start(1, &hosts, JOB, SECRET);
    let (first, second) = (first.end().well(), second.end().well());
    drop(open);
    assert!(first.stderr.contains("refused a connection from 127.0.0.1:"), "{}", first.stderr);
    assert!(first.stderr.contains("does not know the job's secret"), "{}", first.stderr);
    assert!(!first.stderr.contains("panicked"), "{}", first.stderr);
    assert_eq!(second.stderr, "");
    assert_output_is_right(place.path());
}

fn strangers_during_the_run_are_turned_away() {
    let (place, hosts, addresses) = place();
    let mut first = start(0, &hosts, ENDLESS, SECRET);
    let mut second = start(1, &hosts, ENDLESS, SECRET);
    let out = place.path().join("out");
    first.wait_until("has written", |_| fs::metadata(&out).is_ok_and(|file| file.len() > 0));
    let open = [molest(&addresses[0]), molest(&addresses[1])];
    for running in [&mut first, &mut second] {
        running.wait_for("it is no Tidegate process");
        running.wait_for("does not know the job's secret");
        // The silent ones, after two seconds.
        running.wait_for("the handshake broke off");
    }
    assert!(!first.has_ended() && !second.has_ended());
    drop(open);
    first.signal(rustix::process::Signal::TERM);
    let (first, _) = (first.end().well(), second.end().well());
    assert_eq!(first.figure("records in"), 2);
}

fn a_process_with_another_secret_is_turned_away() {
    let (place, hosts, _) = place();
    let mut first = start(0, &hosts, JOB, SECRET);
    for secret in ["between them", ""] {
        let stranger = start(1, &hosts, JOB, secret);
        let texts = ["refused", "does not know the job's secret", "give every process the same"];
        stranger.end().failed(2, &texts);
    }
    first.wait_for("refused a connection");
    let secret = place.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).expect("written");
    let job = format!("{JOB} --secret-file secret");
    let second = start(1, &hosts, &job, "");
    first.end().well();
    second.end().well();
    assert_output_is_right(place.path());
}

fn silent_connections_do_not_keep_the_others_out() {
    let (place, hosts, addresses) = place();
    let first = start(0, &hosts, JOB, SECRET);
    // More than are let in at once, and each says a byte now and then.
    let mut silent: Vec<TcpStream> = (0..40).map(|_| visit(&addresses[0])).collect();
    let dripping = std::thread::spawn(move || {
        for byte in b"TIDEGATE\x01\0\0\0" {
            silent.iter_mut().for_each(|socket| drop(socket.write_all(&[*byte])));
            std::thread::sleep(Duration::from_millis(500));
        }
        // All have been shown out by now.
        let mut answer = [0];
        silent.iter_mut().for_each(|socket| drop(socket.read(&mut answer)));
    });
    let begun = Instant::now();
    let second = start(1, &hosts, JOB, SECRET);
    first.end().well();
    second.end().well();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(6), "it took {took:?}");
    assert_output_is_right(place.path());
    dripping.join().expect("no panic");
}

fn a_process_that_never_comes_is_waited_for_in_vain() {
    for process in [0, 1] {
        let addresses = free_addresses(2);
        let cluster = tidegate::Cluster {
            process,
            addresses: addresses.clone(),
            join_timeout: Some(Duration::from_millis(300)),
            ..Default::default()
        };
        let config = tidegate::Config::new("alone").cluster(cluster);
        let outcome = tidegate::run(config, |ctx| {
            let numbers = tidegate::source::Generator::zipf_keys(9, 1);
            ctx.source(numbers).sink(tidegate::sink::Null::default());
        });
        let error = outcome.expect_err("it is alone");
        assert!(error.is_before_start());
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        let absent =
            format!("process {} at `{}` did not join", 1 - process, addresses[1 - process]);
        assert!(cause.starts_with(&absent), "{cause}");
    }
}

fn ports_that_others_can_reach_need_a_secret() {
    for (own, secret, warned) in
        [("0.0.0.0", "", true), ("0.0.0.0", SECRET, false), ("127.0.0.1", "", false)]
    {
        let (place, _, addresses) = place();
        let open: Vec<String> = addresses.iter().map(|a| a.replace("127.0.0.1", own)).collect();
        let hosts = hosts(&open, place.path());
        let (first, second) = (start(0, &hosts, JOB, secret), start(1, &hosts, JOB, secret));
        let warning = "it has no secret: whoever connects can take part";
        for ended in [first.end().well(), second.end().well()] {
            assert_eq!(ended.stderr.contains(warning), warned, "{own}: {}", ended.stderr);
        }
        assert_output_is_right(place.path());
    }
}
