//! cargo run --example windowed_wordcount
//!
//! Counts the words of the last second, every 250 ms, of lines that come through a socket: this
//! program's own server sends its source, a line every 20 ms, and closes the connection.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use tidegate::workloads::windowed_wordcount;
use tidegate::{Config, source::Socket};

const TEXT: &str = include_str!("windowed_wordcount.rs");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?.to_string();
    let sending = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut connection, _) = server.accept()?;
        for line in TEXT.lines().cycle().take(150) {
            writeln!(connection, "{line}")?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });

    // With `fail_fast` a connection that is closed is the end, and not tried again.
    let interval = Duration::from_millis(250);
    let config =
        Config::new("windowed wordcount").spread_from_env(2)?.interval(interval).fail_fast(true);
    let summary = tidegate::run(config, move |ctx| {
        let lines = ctx.source(Socket::new(&address));
        let counts = windowed_wordcount(lines, Duration::from_secs(1), interval);
        let ranked = counts.map(|(word, count)| ((), (count, word)));
        ranked.top_k(4).snapshots().foreach_batch(|tick, top| {
            let top: Vec<String> =
                top.iter().rev().map(|((), (count, word))| format!("{count} {word}")).collect();
            println!("batch {:>3}: {}", tick.id, top.join(", "));
            Ok(())
        });
    })?;
    sending.join().expect("the sender does not panic")?;
    println!("{} lines in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
