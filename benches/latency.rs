//! Question: how long does a batch take at a steady load, and how long does a record wait?
//!
//! `cargo bench --bench latency`; for longer: `cargo run --release -- bench latency`.
//!
//! Expectation and method (open loop): `tidegate::bench::latency`.

mod support;

fn main() -> Result<(), tidegate::RunError> {
    support::show(tidegate::bench::latency(&support::settings(), &mut |_row| {}))
}
