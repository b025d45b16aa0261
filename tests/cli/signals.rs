//! A job that is told to stop finishes its open batch: nothing is lost, nothing is double.

use std::fs;
use std::io::{BufWriter, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use super::assert_each_once;
use crate::support::process::{Running, is_alive, tidegate};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials![
        "cli";
        sigterm_finishes_the_open_batch,
        sigterm_finishes_the_open_batch_of_every_process,
        sigint_at_one_process_stops_all,
        sigterm_loses_nothing_of_a_growing_file,
        a_second_sigint_ends_the_run_at_once,
        processes_end_with_the_program_that_launched_them,
        what_a_bench_starts_ends_with_it,
    ]
}

/// A server that sends the lines `0`, `1`, `2`, ... to whoever comes, and how many it has sent.
struct Numbers {
    address: String,
    over: Arc<AtomicBool>,
}

impl Numbers {
    fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        std::thread::spawn(move || {
            let (socket, _) = listener.accept().expect("somebody comes");
            let mut socket = BufWriter::new(socket);
            for number in 0u64.. {
                // The reader may have gone: that is what the test is about.
                if ended.load(Ordering::SeqCst) || writeln!(socket, "{number}").is_err() {
                    return;
                }
                if number % 50 == 49 {
                    let _ = socket.flush();
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Numbers { address, over }
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

const OUTPUT: &str = "--output changes --sink jsonl:out --interval 30ms";

fn lines_of(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// Starts a count of numbers, and waits until some have come out.
fn counting(command: &str, source: &str, at: &Path) -> Running {
    let program = tidegate(&format!("{command} --source {source} {OUTPUT}")).within(at);
    let mut running = program.start();
    let out = at.join("out");
    running.wait_until("has written rows", |_| lines_of(&out) > 500);
    running
}

fn sigterm_finishes_the_open_batch() {
    let place = tempfile::tempdir().expect("a directory");
    let numbers = Numbers::serve();
    let source = format!("tcp://{}", numbers.address);
    let running = counting("run wordcount -w 2", &source, place.path());
    running.signal(Signal::TERM);
    let ended = running.end().well();
    assert_each_once(&place.path().join("out"), ended.figure("records in"));
}

fn sigterm_finishes_the_open_batch_of_every_process() {
    let place = tempfile::tempdir().expect("a directory");
    let numbers = Numbers::serve();
    let source = format!("tcp://{}", numbers.address);
    let running = counting("launch -n 2 -w 2 run wordcount", &source, place.path());
    let children = running.children();
    assert_eq!(children.len(), 2);
    running.signal(Signal::TERM);
    let ended = running.end().well();
    assert_each_once(&place.path().join("out"), ended.figure("records in"));
    assert!(!children.into_iter().any(is_alive), "a process is left");
}

fn sigint_at_one_process_stops_all() {
    let place = tempfile::tempdir().expect("a directory");
    let numbers = Numbers::serve();
    let source = format!("tcp://{}", numbers.address);
    let running = counting("launch -n 2 run wordcount", &source, place.path());
    let second = *running.children().last().expect("two processes");
    crate::support::process::send(second, Signal::INT);
    let ended = running.end().well();
    assert_each_once(&place.path().join("out"), ended.figure("records in"));
}

fn sigterm_loses_nothing_of_a_growing_file() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("in");
    fs::write(&path, "").expect("written");
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let writer = std::thread::spawn(move || {
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("there");
        for number in 0u64.. {
            if ended.load(Ordering::SeqCst) {
                return number;
            }
            // In two pieces: a line that has no end yet is no record.
            let text = number.to_string();
            let (head, tail) = text.split_at(text.len() / 2);
            file.write_all(head.as_bytes()).expect("written");
            file.write_all(format!("{tail}\n").as_bytes()).expect("written");
            if number % 20 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        0
    });
    let running = counting("run wordcount", "file:in?follow=true", place.path());
    running.signal(Signal::TERM);
    let ended = running.end().well();
    over.store(true, Ordering::SeqCst);
    let written = writer.join().expect("no panic");
    assert!(ended.figure("records in") <= written);
    assert_each_once(&place.path().join("out"), ended.figure("records in"));
}

fn a_second_sigint_ends_the_run_at_once() {
    let place = tempfile::tempdir().expect("a directory");
    let words: String =
        ('a'..='k').map(|c| format!("{}\n", c.to_string().repeat(30_000))).collect();
    fs::write(place.path().join("in"), words).expect("written");
    // Nobody reads what is printed, so the open batch can't be finished.
    let mut running = tidegate("run wordcount --source file:in?follow=true --interval 20ms -v")
        .within(place.path())
        .with_nobody_reading();
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::INT);
    running.wait_for("the open batch will be finished");
    std::thread::sleep(Duration::from_millis(200));
    assert!(!running.has_ended(), "the first one asks, and waits");
    running.signal(Signal::INT);
    let asked = Instant::now();
    let ended = running.end().failed(130, &["interrupted: the open batch was not finished"]);
    let took = ended.at.duration_since(asked);
    assert!(took < Duration::from_secs(1), "it took {took:?}");
}

fn processes_end_with_the_program_that_launched_them() {
    let place = tempfile::tempdir().expect("a directory");
    let numbers = Numbers::serve();
    let source = format!("tcp://{}", numbers.address);
    let running = counting("launch -n 2 run wordcount", &source, place.path());
    let children = running.children();
    assert_eq!(children.len(), 2);
    running.signal(Signal::KILL);
    let killed = Instant::now();
    while children.iter().any(|child| is_alive(*child)) {
        if killed.elapsed() > Duration::from_secs(5) {
            children.into_iter().for_each(|id| crate::support::process::send(id, Signal::KILL));
            panic!("they live on:\n{}", running.stderr());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = running.end();
    assert_eq!(ended.code, None);
    assert!(ended.stderr.contains("which started this one, is gone"), "{}", ended.stderr);
    // They were asked, not killed: their open batch is whole.
    let numbers = super::numbers(&place.path().join("out"));
    assert_eq!(numbers.last().map(|last| last + 1), Some(numbers.len() as u64));
}

fn what_a_bench_starts_ends_with_it() {
    let stranger = tidegate("bench spin").variable("TIDEGATE_PARENT", "1").start();
    let ended = stranger.end();
    assert_eq!(ended.code, None, "a signal ended it: its parent is another");
    let mut own =
        tidegate("bench spin").variable("TIDEGATE_PARENT", &std::process::id().to_string()).start();
    std::thread::sleep(Duration::from_millis(400));
    assert!(!own.has_ended(), "its parent is there");
}
