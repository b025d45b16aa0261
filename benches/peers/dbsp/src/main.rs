//! Feldera's dbsp on what `run.py` makes: a step of the circuit for each batch, and what changed in it,
//! as `word,count,difference`, to a file.
//!
//!     dbsp-peer WORKERS RECORDS CHANGES BATCH [WINDOW]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};

use dbsp::typed_batch::{IndexedZSetReader, SpineSnapshot, TypedBox};
use dbsp::utils::Tup2;
use dbsp::{OrdIndexedZSet, OutputHandle, Runtime, ZWeight};

type Counts = OutputHandle<SpineSnapshot<OrdIndexedZSet<String, ZWeight>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workers, records, changes, batch, window @ ..] = arguments.as_slice() else {
        return Err("give WORKERS RECORDS CHANGES BATCH [WINDOW]".into());
    };
    let lines = BufReader::new(File::open(records)?);
    let changes = BufWriter::new(File::create(changes)?);
    match window {
        [] => running(workers.parse()?, lines, changes, batch.parse()?),
        [window, ..] => sliding(workers.parse()?, lines, changes, batch.parse()?, window.parse()?),
    }
}

fn running(
    workers: usize,
    lines: impl BufRead,
    mut changes: impl Write,
    batch: usize,
) -> Result<(), Box<dyn Error>> {
    let (mut circuit, (words, counts)) = Runtime::init_circuit(workers, |circuit| {
        let (words, input) = circuit.add_input_zset::<String>();
        Ok((input, words.weighted_count().accumulate_output()))
    })?;
    in_batches(lines, batch, |lines| {
        words.append(&mut lines.drain(..).map(|word| Tup2(word, 1)).collect());
        circuit.transaction()?;
        write(&counts, &mut changes)
    })?;
    circuit.kill().map_err(|_| "a worker panicked")?;
    Ok(changes.flush()?)
}

/// The window is dbsp's own operator, over records indexed by the batch that they name.
fn sliding(
    workers: usize,
    lines: impl BufRead,
    mut changes: impl Write,
    batch: usize,
    window: u64,
) -> Result<(), Box<dyn Error>> {
    let (mut circuit, (words, bounds, counts)) = Runtime::init_circuit(workers, |circuit| {
        let (words, input) = circuit.add_input_indexed_zset::<u64, String>();
        let (bounds, bounds_input) = circuit.add_input_stream::<(u64, u64)>();
        let bounds = bounds.apply(|&(from, to)| (TypedBox::new(from), TypedBox::new(to)));
        let inside = words.window((true, false), &bounds).map(|(_batch, word)| word.clone());
        Ok((input, bounds_input, inside.weighted_count().accumulate_output()))
    })?;
    in_batches(lines, batch, |lines| {
        let mut rows = lines.iter().map(|line| parse(line)).collect::<Result<Vec<_>, _>>()?;
        let end = rows.last().map_or(0, |Tup2(batch, _)| batch + 1);
        words.append(&mut rows);
        bounds.set_for_all((end.saturating_sub(window), end));
        circuit.transaction()?;
        write(&counts, &mut changes)
    })?;
    circuit.kill().map_err(|_| "a worker panicked")?;
    Ok(changes.flush()?)
}

fn in_batches(
    lines: impl BufRead,
    batch: usize,
    mut step: impl FnMut(&mut Vec<String>) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut gathered = Vec::with_capacity(batch);
    for line in lines.lines() {
        gathered.push(line?);
        if gathered.len() == batch {
            step(&mut gathered)?;
            gathered.clear();
        }
    }
    if !gathered.is_empty() {
        step(&mut gathered)?;
    }
    Ok(())
}

fn parse(line: &str) -> Result<Tup2<u64, Tup2<String, ZWeight>>, Box<dyn Error>> {
    let (batch, word) = line.split_once(',').ok_or_else(|| format!("no comma in `{line}`"))?;
    Ok(Tup2(batch.parse()?, Tup2(word.to_owned(), 1)))
}

fn write(counts: &Counts, changes: &mut impl Write) -> Result<(), Box<dyn Error>> {
    for (word, count, difference) in counts.concat().consolidate().iter() {
        writeln!(changes, "{word},{count},{difference}")?;
    }
    Ok(())
}
