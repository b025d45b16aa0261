//! Programs against a plain recomputation: random rows in random batches, on 1, 2 and 4 workers,
//! with every strategy.
//!
//! Catches a wrong row, a missing or doubled one, a retraction of what was not there, a change
//! that is none, an output that should not be or is not, a wrong order, and any difference between
//! strategies, numbers of workers and batches in flight. Can't catch what no program here does, an
//! error that the plain recomputation makes as well, and whatever goes by the wall clock.

mod batch_joins;
mod chains;
mod check;
mod event_joins;
mod event_time;
mod event_time_idle;
mod event_time_splits;
mod graphs;
pub mod input;
mod interop;
mod joins;
mod learning;
pub mod process;
mod queryable;
mod same_bytes;
mod skew;
mod state;
mod streams;
mod tables;
mod windows;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [
        streams::trials(),
        batch_joins::trials(),
        windows::trials(),
        tables::trials(),
        chains::trials(),
        state::trials(),
        process::trials(),
        queryable::trials(),
        event_time::trials(),
        event_joins::trials(),
        event_time_idle::trials(),
        event_time_splits::trials(),
        interop::trials(),
        joins::trials(),
        graphs::trials(),
        learning::trials(),
        same_bytes::trials(),
        skew::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
