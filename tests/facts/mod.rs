//! What Spark's operations do, as facts: 157 of them, each run on 1, 2 and 4 workers, and on two
//! processes of a worker each.
//!
//! Catches an operation that bears a Spark name and does something else, and one that depends on
//! the number of workers or of processes. A job that is stopped or fails, and is started again,
//! goes on from a checkpoint; from its plan alone; and from that with a sink that has forgotten all.
//! Facts that are not meant to hold are listed with the reason. Can't catch what the facts don't
//! mention: sizes, times, most failures. A fact about something that Tidegate does not have yet is
//! listed by name as not yet supported.

mod case;
mod datum;
mod driven;
mod input;
mod programs;

use libtest_mimic::Trial;

use crate::support;
use case::Case;

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (number, case) in case::all().into_iter().enumerate() {
        for (processes, workers) in [(1, 1), (1, 2), (1, 4), (2, 1)] {
            let has_job = !programs::runs_no_job(&case);
            if processes > 1 && !has_job {
                continue;
            }
            // `cargo xtask test` counts the facts that hold by what is in the brackets.
            let lane = if processes == 1 {
                format!("{workers} workers")
            } else {
                format!("{processes} processes")
            };
            let name = format!("{:03} {} [{lane}]", number + 1, case.name);
            if let Some(why) = programs::differs(&case) {
                trials.push(support::by_design("facts", &name, why));
                continue;
            }
            let cases: Vec<Case> = case.on(processes);
            trials.push(match programs::find(&case) {
                Ok(program) => support::test("facts", &name, move || {
                    for case in cases {
                        program(&case, workers);
                        if has_job {
                            case.check_that_it_has_run();
                        }
                    }
                }),
                Err(what) => support::unsupported("facts", &name, &what),
            });
        }
    }
    trials
}
