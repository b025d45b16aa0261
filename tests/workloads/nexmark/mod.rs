//! Nexmark's queries, against plain computations.

mod events;
mod joins;
mod one_by_one;
mod statistics;
mod windows;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    let trials = [one_by_one::trials(), joins::trials(), windows::trials(), statistics::trials()];
    trials.into_iter().flatten().collect()
}
