//! Nexmark's queries, as Feldera's SQL or its own benchmark has them: a step of the circuit for each
//! batch, and what changed in it, to a file; the first column is `+` for new rows, `-` for old ones.
//!
//! The events are parsed on as many threads as there are workers, and changes written on one, while the
//! circuit takes a step.

mod columns;
mod events;
mod queries;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::sync::mpsc;
use std::thread;

use dbsp::Runtime;

use crate::{Peer, Result};
use events::{Events, Tables};
use queries::Taken;

pub fn run(query: String, peer: &Peer) -> Result<()> {
    let (mut circuit, (tables, changes)) =
        Runtime::init_circuit(peer.workers, move |circuit| {
            let (streams, tables) = Tables::of(circuit);
            Ok((tables, queries::changes(&query, &streams)?))
        })?;
    tables.fill();
    let mut lines = BufReader::new(File::open(&peer.records)?).lines();
    let mut out = BufWriter::new(File::create(&peer.changes)?);
    let (parsed, batches) = mpsc::sync_channel(1);
    let (taken, written) = mpsc::sync_channel::<Taken>(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                let batch = lines.by_ref().take(peer.batch).collect::<io::Result<Vec<_>>>();
                let batch = batch.and_then(|batch| parse(&batch, peer.workers));
                let last = !batch.as_ref().is_ok_and(|batch| !batch.is_empty());
                if parsed.send(batch).is_err() || last {
                    break;
                }
            }
        });
        let writer = scope.spawn(move || {
            written.into_iter().try_for_each(|changes| changes(&mut out))?;
            out.flush()
        });
        for batch in batches {
            tables.append(batch?);
            circuit.transaction()?;
            // If there is nobody to take it any more, the error is the writer's.
            if taken.send(changes()).is_err() {
                break;
            }
        }
        drop(taken);
        Ok::<_, Box<dyn std::error::Error>>(writer.join().expect("a thread that writes")?)
    })?;
    Ok(circuit.kill().map_err(|_| "a worker panicked")?)
}

fn parse(lines: &[String], threads: usize) -> io::Result<Vec<Events>> {
    thread::scope(|scope| {
        let parts = lines.chunks(lines.len().div_ceil(threads).max(1));
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| Events::parse(part))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread that parses")).collect()
    })
}
