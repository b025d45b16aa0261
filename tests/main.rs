//! All integration tests in one binary, by guarantee: each module says at its head what it can
//! catch and what it can't.
//!
//! `cargo xtask test` runs them with a Kafka broker, database servers and an S3 server at hand; without one
//! (`TIDEGATE_KAFKA_JARS`, `TIDEGATE_POSTGRES`, `TIDEGATE_MARIADB` or `TIDEGATE_S3MOCK` is not set) its lane is listed as
//! skipped, never as passed.

#![allow(clippy::unwrap_used)]

mod bench;
mod cli;
mod cluster;
mod compare;
mod engine;
mod facts;
mod kafka;
mod oracle;
mod recovery;
mod restore;
mod sinks;
mod sources;
#[cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod sql;
mod support;
mod workloads;

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
        compare::trials(),
        bench::trials(),
        workloads::trials(),
        cli::trials(),
        kafka::trials(),
        databases(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    kafka::lane::stop();
    recovery::stop();
    #[cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
    sql::stop();
    conclusion.exit_code()
}

#[cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
fn databases() -> Vec<libtest_mimic::Trial> {
    sql::trials()
}

#[cfg(not(all(feature = "mysql", feature = "postgres", feature = "sqlite")))]
fn databases() -> Vec<libtest_mimic::Trial> {
    let why = "built without `--features mysql,postgres,sqlite` (`cargo xtask test` has them)";
    vec![support::skipped("sql", "databases hold what a plain computation gives", why)]
}
