//! Question: how much of a bare consumer's speed is left when a job reads from Kafka?
//!
//! `cargo bench --bench ingest`, which starts a broker of its own; against a real one:
//! `cargo run --release -- bench ingest --broker HOST:PORT`.
//!
//! Expectation and method: `tidegate::bench::ingest`.

mod support;

fn main() -> Result<(), tidegate::RunError> {
    support::show(tidegate::bench::ingest(&support::settings(), &mut |_row| {}))
}
