//! What Spark's operations do, as facts: 157 of them, each run on 1, 2 and 4 workers.
//!
//! Catches an operation that bears a Spark name and does something else, and one that depends on
//! the number of workers. Can't catch what the facts don't mention: sizes, times, failures. A fact
//! about something that Tidegate does not have yet is listed by name as not yet supported.

mod case;
mod datum;
mod programs;

use libtest_mimic::Trial;

use crate::support;
use case::Case;

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (number, case) in case::all().into_iter().enumerate() {
        for workers in [1, 2, 4] {
            let name = format!("{:03} {} [{workers} workers]", number + 1, case.name);
            let case: Case = case.clone();
            trials.push(match programs::find(&case) {
                Ok(program) => support::test("facts", &name, move || program(&case, workers)),
                Err(what) => support::unsupported("facts", &name, &what),
            });
        }
    }
    trials
}
