//! All integration tests in one binary, by guarantee: each module says at its head what it can
//! catch and what it can't.
//!
//! `cargo xtask test` runs them with a Kafka broker at hand; without one (`TIDEGATE_KAFKA_JARS` is
//! not set) the Kafka lane is listed as skipped, never as passed.

#![allow(clippy::unwrap_used)]

mod cli;
mod cluster;
mod engine;
mod facts;
mod kafka;
mod oracle;
mod recovery;
mod restore;
mod sinks;
mod sources;
mod support;

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = [
        facts::trials(),
        oracle::trials(),
        restore::trials(),
        recovery::trials(),
        engine::trials(),
        sources::trials(),
        sinks::trials(),
        cluster::trials(),
        cli::trials(),
        kafka::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    kafka::stop();
    conclusion.exit_code()
}
