//! cargo run --example wordcount -- file:src/lib.rs
//!
//! Counts the words of each batch of lines, without memory of the batch before, and prints the
//! most frequent ones. Reads `file:PATH`, `tcp:HOST:PORT` (a server that sends lines, until it
//! closes the connection) or `kafka:HOST:PORT/TOPIC` (what is there now).

use tidegate::source::{File, Kafka, Socket};
use tidegate::workloads::words;
use tidegate::{Config, Trigger};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: wordcount file:PATH | tcp:HOST:PORT | kafka:HOST:PORT/TOPIC";
    let argument = std::env::args().nth(1).ok_or(usage)?;
    let (kind, place) = argument.split_once(':').ok_or(usage)?;
    let (kind, place) = (kind.to_owned(), place.to_owned());
    if !["file", "tcp", "kafka"].contains(&&*kind) {
        return Err(usage.into());
    }

    let config = Config::new("wordcount")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(50)
        .fail_fast(true);
    let summary = tidegate::run(config, move |ctx| {
        let lines = match &*kind {
            "tcp" => ctx.source(Socket::new(&place)),
            "kafka" => {
                let (brokers, topic) = place.rsplit_once('/').unwrap_or((&place, "lines"));
                ctx.source(Kafka::text(brokers, topic))
            }
            _ => ctx.source(File::new(&place)),
        };
        words(lines).count_by_value().foreach_batch(|tick, counts| {
            let mut most: Vec<_> = counts.iter().map(|(word, count)| (count, word)).collect();
            most.sort_unstable_by(|left, right| right.cmp(left));
            println!("batch {:>3}: {:?}", tick.id, &most[..most.len().min(5)]);
            Ok(())
        });
    })?;
    println!("{} lines in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
