//! What the engine promises, whatever the program: when a batch is cut, when it counts as done,
//! who is shown it, how far the job runs ahead of its sinks, and how a run ends.
//!
//! Catches a batch shown early, twice, out of order or not at all; more batches in flight than
//! allowed; a job that outruns its sinks; a failure that hangs or comes without its name. Can't
//! catch wrong rows (that is what the oracle is for), nor what only many processes or a broker do.

mod delivery;
mod failures;
mod limits;
mod load;
mod programs;
mod records;
mod stand_ins;
mod triggers;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [
        delivery::trials(),
        failures::trials(),
        limits::trials(),
        load::trials(),
        programs::trials(),
        records::trials(),
        triggers::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
