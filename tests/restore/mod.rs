//! Operators that are taken up again: from what their taps gave through some batch, on any number
//! of workers, they go on as if nothing had happened.
//!
//! Catches state that is not tapped, tapped state that is not restored or restored twice, contents
//! that are not given to what follows, and rows that change on the wire. Can't catch what the files
//! and the protocol of recovery may lose: here the taps' rows stay in memory.

mod arranged;
mod event_joins;
mod event_time;
mod operators;
mod process;
mod run;
mod transport;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [
        operators::trials(),
        process::trials(),
        arranged::trials(),
        event_time::trials(),
        event_joins::trials(),
        transport::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
