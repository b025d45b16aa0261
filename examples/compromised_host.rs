//! cargo run --example compromised_host -- 10.0.0.66 < examples/data/connections.log
//!
//! A host has been taken over: which others may it have infected? All that can be reached from it
//! along the connections of the last 200 lines of standard input (second, source, target, port),
//! looked at every 50 lines; what comes into reach and what goes out of it is told, not the whole.

use tidegate::source::Stdin;
use tidegate::{Config, DStream, Span, Table, Trigger};

/// From whom to whom.
type Link = (String, String);

fn link(line: &[u8]) -> Result<Link, String> {
    let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let [_second, source, target, _port] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err("use `SECOND SOURCE TARGET PORT`".into());
    };
    Ok((source.to_owned(), target.to_owned()))
}

/// The hosts within reach of `host` in a sliding window of connections, itself aside.
fn within_reach<'s>(links: DStream<'s, Link>, host: &str) -> Table<'s, String> {
    let links = links.window(Span::batches(4), Span::batches(1)).table().distinct();
    let (start, own) = (host.to_owned(), host.to_owned());
    let begin = links.clone().map(|(source, _)| source).filter(move |source| *source == start);
    // A way of more than a hundred steps would be news of its own: the job ends rather than hide it.
    let reached = links.arranged_by_key().reach(begin, 100).must_settle();
    reached.table.filter(move |reached| *reached != own)
}

fn main() -> Result<(), tidegate::RunError> {
    let host = std::env::args().nth(1).unwrap_or("10.0.0.66".into());
    let config =
        Config::new("compromised").spread_from_env(2)?.trigger(Trigger::Count { records: 50 });
    tidegate::run(config, move |ctx| {
        let reached = within_reach(ctx.source(Stdin::decoded(link)), &host);
        reached.changes().foreach_batch(|tick, changes| {
            for change in changes {
                let sign = if change.diff > 0 { '+' } else { '-' };
                println!("batch {:>2}: {sign} {}", tick.id, change.row);
            }
            Ok(())
        });
    })?;
    Ok(())
}
