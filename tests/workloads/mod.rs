//! Named workloads: each gives what a plain computation over vectors gives, batch by batch, and the
//! same bytes on 1, 2 and 4 workers and on two processes.
//!
//! Catches a workload or a query of Nexmark that computes something else than its documentation
//! says, gives a row in another batch, or depends on how a job is spread; and a workload that has a
//! name on the command line and no test. Can't catch a misreading that the plain computation
//! shares. Late rows are the matter of `oracle`; so are the references of what iterates and of what
//! learns (`oracle::graphs`, `oracle::learning`), whose workloads are here only on two processes.

mod ad_activity;
mod ads;
mod clicks;
mod gate;
mod lines;
mod nexmark;
#[cfg(feature = "cli")]
mod processes;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    let trials = [
        lines::trials(),
        clicks::trials(),
        ads::trials(),
        ad_activity::trials(),
        nexmark::trials(),
    ];
    let trials = trials.into_iter().flatten();
    #[cfg(feature = "cli")]
    let trials = trials.chain(processes::trials());
    trials.collect()
}
