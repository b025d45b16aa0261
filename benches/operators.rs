//! Question: how much of a plain loop's speed is left when operators do the same work?
//!
//! `cargo bench --bench operators`, `cargo bench --bench operators -- sliding`; with more input:
//! `cargo run --release -- bench operators`.
//!
//! Expectation and method: `tidegate::bench::operators`, which checks the answers of each variant.

mod support;

fn main() -> Result<(), tidegate::RunError> {
    let settings = support::settings();
    support::show(tidegate::bench::operators::operators(&settings, &mut |_row| {}))
}
