//! Feldera's dbsp on what `run.py` makes: a step of the circuit for each batch, and what changed in it,
//! as `word,count,difference`, to a file.
//!
//!     dbsp-peer [--memory | --nexmark QUERY] WORKERS RECORDS CHANGES BATCH [WINDOW]
//!
//! With `--memory` the records are read before, and the changes written after what is timed: from the
//! first batch that goes in to the last change that each worker has put out. Prints `took SECONDS`.
//! With `--nexmark` it is one of Nexmark's queries (`nexmark/`).

mod nexmark;

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::str::FromStr;
use std::time::Instant;

use dbsp::mimalloc::MiMalloc;
use dbsp::typed_batch::{IndexedZSetReader, SpineSnapshot, TypedBox};
use dbsp::utils::Tup2;
use dbsp::{DBData, OrdIndexedZSet, OutputHandle, Runtime, ZWeight};

/// As in dbsp's own benchmarks.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Changes<K> = SpineSnapshot<OrdIndexedZSet<K, ZWeight>>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A word or a number that comes, and one of a batch.
type Came<K> = Tup2<K, ZWeight>;
type CameIn<K> = Tup2<u64, Came<K>>;

/// What is counted: words from files, numbers from memory.
trait Key: DBData + FromStr<Err: Error + 'static> + Display {}

impl Key for String {}
impl Key for u64 {}

struct Peer {
    memory: bool,
    workers: usize,
    records: String,
    changes: String,
    batch: usize,
}

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let memory = arguments.first().is_some_and(|first| first == "--memory");
    arguments.drain(..usize::from(memory));
    let nexmark = arguments.first().is_some_and(|first| first == "--nexmark");
    let query = arguments.drain(..2 * usize::from(nexmark)).nth(1);
    let [workers, records, changes, batch, window @ ..] = arguments.as_slice() else {
        return Err("give [--memory | --nexmark QUERY] WORKERS RECORDS CHANGES BATCH [WINDOW]".into());
    };
    let peer = Peer {
        memory,
        workers: workers.parse()?,
        records: records.clone(),
        changes: changes.clone(),
        batch: batch.parse()?,
    };
    if let Some(query) = query {
        return nexmark::run(query, &peer);
    }
    match window {
        [] if memory => peer.running::<u64>(),
        [] => peer.running::<String>(),
        [window, ..] if memory => peer.sliding::<u64>(window.parse()?),
        [window, ..] => peer.sliding::<String>(window.parse()?),
    }
}

impl Peer {
    fn running<K: Key>(&self) -> Result<()> {
        let (mut circuit, (words, counts)) = Runtime::init_circuit(self.workers, |circuit| {
            let (words, input) = circuit.add_input_zset::<K>();
            Ok((input, words.weighted_count().accumulate_output()))
        })?;
        let parse = |word: String| Ok(Tup2(word.parse()?, 1));
        self.drive(parse, &counts, |batch: &mut Vec<Came<K>>| {
            words.append(batch);
            Ok(circuit.transaction()?)
        })?;
        Ok(circuit.kill().map_err(|_| "a worker panicked")?)
    }

    /// The window is dbsp's own operator, over records indexed by the batch that they name.
    fn sliding<K: Key>(&self, window: u64) -> Result<()> {
        let (mut circuit, (words, bounds, counts)) =
            Runtime::init_circuit(self.workers, |circuit| {
                let (words, input) = circuit.add_input_indexed_zset::<u64, K>();
                let (bounds, bounds_input) = circuit.add_input_stream::<(u64, u64)>();
                let bounds = bounds.apply(|&(from, to)| (TypedBox::new(from), TypedBox::new(to)));
                let inside =
                    words.window((true, false), &bounds).map(|(_batch, word)| word.clone());
                Ok((input, bounds_input, inside.weighted_count().accumulate_output()))
            })?;
        self.drive(of_batch, &counts, |batch: &mut Vec<CameIn<K>>| {
            let end = batch.last().map_or(0, |Tup2(number, _)| number + 1);
            words.append(batch);
            bounds.set_for_all((end.saturating_sub(window), end));
            Ok(circuit.transaction()?)
        })?;
        Ok(circuit.kill().map_err(|_| "a worker panicked")?)
    }

    /// Takes a step for each batch, and writes what changed.
    fn drive<K: Key, R>(
        &self,
        parse: impl Fn(String) -> Result<R>,
        counts: &OutputHandle<Changes<K>>,
        mut step: impl FnMut(&mut Vec<R>) -> Result<()>,
    ) -> Result<()> {
        let mut lines = BufReader::new(File::open(&self.records)?).lines();
        let mut batches = std::iter::from_fn(|| {
            let batch = lines.by_ref().take(self.batch).map(|line| parse(line?));
            Some(batch.collect::<Result<Vec<R>>>()).filter(|b| !matches!(b, Ok(b) if b.is_empty()))
        });
        let mut changes = BufWriter::new(File::create(&self.changes)?);
        if self.memory {
            let mut batches = batches.collect::<Result<Vec<_>>>()?;
            let mut seen = Vec::with_capacity(batches.len());
            let begun = Instant::now();
            for batch in &mut batches {
                step(batch)?;
                seen.push(counts.take_from_all());
            }
            println!("took {}", begun.elapsed().as_secs_f64());
            for of_worker in seen.into_iter().flatten() {
                write(&of_worker, &mut changes)?;
            }
        } else {
            batches.try_for_each(|batch| {
                step(&mut batch?)?;
                write(&counts.concat(), &mut changes)
            })?;
        }
        Ok(changes.flush()?)
    }
}

fn of_batch<K: Key>(line: String) -> Result<CameIn<K>> {
    let (batch, word) = line.split_once(',').ok_or_else(|| format!("no comma in `{line}`"))?;
    Ok(Tup2(batch.parse()?, Tup2(word.parse()?, 1)))
}

fn write<K: Key>(counts: &Changes<K>, changes: &mut impl Write) -> Result<()> {
    for (word, count, difference) in counts.consolidate().iter() {
        writeln!(changes, "{word},{count},{difference}")?;
    }
    Ok(())
}
