//! All integration tests in one binary, by guarantee: each module says at its head what it can
//! catch and what it can't.
//!
//! `cargo xtask test` runs them with a Kafka broker at hand; without one (`TIDEGATE_KAFKA` is not
//! set) the Kafka lane is listed as skipped, never as passed.

#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod cluster;
mod facts;
mod sinks;
mod sources;
mod support;

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = [
        facts::trials(),
        sources::trials(),
        sinks::trials(),
        #[cfg(feature = "cli")]
        cli::trials(),
        #[cfg(feature = "cli")]
        cluster::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
