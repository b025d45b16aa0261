//! `cargo xtask`: all tests in one command, and a real Kafka broker for trying things out.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use xtask::chaos::Chaos;
use xtask::kafka::{Broker, Jars, Topic};
use xtask::test::Test;

/// What the project needs around its code
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all tests, those against a real Kafka broker and real databases included
    Test(Test),
    /// Kill jobs again and again, and compare what they write
    Chaos(Chaos),
    /// Start a real Kafka broker on this host, and stop it at Ctrl-C
    ///
    /// It begins empty, and what is in it goes when it is stopped. Neither it nor Tidegate creates topics
    /// by itself: name those that are to be there.
    Kafka {
        /// The port it listens on; 0 for a free one
        #[arg(long, default_value_t = 9092)]
        port: u16,

        /// Create this topic, with one partition or with so many; may be given several times
        #[arg(long = "topic", value_name = "NAME[:PARTITIONS]")]
        topics: Vec<Topic>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Test(test) => test.run(),
        Command::Chaos(chaos) => chaos.run(),
        Command::Kafka { port, topics } => serve(port, &topics).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn serve(port: u16, topics: &[Topic]) -> Result<(), String> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|e| format!("can't listen for signals: {e}"))?;
    let jars = Jars::fetch()?;
    let broker = Broker::start(&jars, port)?;
    for topic in topics {
        broker.create(topic)?;
        println!("created the topic `{}`, partitions: {}", topic.name, topic.partitions);
    }
    println!("Apache Kafka {} at {}; Ctrl-C stops it", xtask::kafka::VERSION, broker.address());
    signals.forever().next();
    Ok(())
}
