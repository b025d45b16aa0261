//! cargo run --example stateful_wordcount < src/lib.rs
//!
//! Counts the words of standard input since it began, in batches of 40 lines: the state of a word
//! is its count and the batch in which it was last seen, and a word that has not come for three
//! batches is forgotten.

use tidegate::source::Stdin;
use tidegate::workloads::words;
use tidegate::{Config, Trigger, Update};

/// How often a word has come, and in which batch it came last.
type Count = (i64, u64);

fn update(update: Update<'_, String, ()>, state: Option<Count>) -> Option<Count> {
    let (count, last) = state.unwrap_or_default();
    match update.values.len() as i64 {
        0 if update.tick.id - last >= 3 => None,
        0 => Some((count, last)),
        came => Some((count + came, update.tick.id)),
    }
}

fn main() -> Result<(), tidegate::RunError> {
    let config = Config::new("stateful wordcount")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(40);
    let summary = tidegate::run(config, |ctx| {
        let words = words(ctx.source(Stdin::new())).map(|word| (word, ()));
        let counts = words.uid("words").update_state_by_key([], update);
        counts.snapshots().foreach_batch(|tick, counts| {
            let most = counts.iter().max_by_key(|(_word, (count, _last))| *count);
            print!("batch {:>3}: {:>4} words known", tick.id, counts.len());
            match most {
                Some((word, (count, _last))) => println!(", `{word}` {count} times"),
                None => println!(),
            }
            Ok(())
        });
    })?;
    println!("{} lines in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
