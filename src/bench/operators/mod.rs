//! Operators against plain loops: running counts, sliding counts, sessions, growing state, joins,
//! iteration.

mod against;
mod batch_join;
mod drive;
mod growth;
mod idle_state;
mod joins;
mod plain;
mod ranking;
mod reachability;
mod running;
mod sessions;
mod sliding;
mod sliding_max;
mod stream_join;

use super::Settings;
use super::report::{BenchRow, Report};
use crate::RunError;

/// Runs the benches of operators.
///
/// # Errors
///
/// If a job can't run.
///
/// # Panics
///
/// If a variant gives another answer than the plain loop: a figure for a wrong answer is none.
pub fn operators(
    settings: &Settings,
    progress: &mut dyn FnMut(&BenchRow),
) -> Result<Report, RunError> {
    let mut report = Report::default();
    running::run(settings, &mut report, progress)?;
    sliding::run(settings, &mut report, progress)?;
    sliding_max::run(settings, &mut report, progress)?;
    sessions::run(settings, &mut report, progress)?;
    batch_join::run(settings, &mut report, progress)?;
    ranking::run(settings, &mut report, progress)?;
    idle_state::run(settings, &mut report, progress)?;
    growth::run(settings, &mut report, progress)?;
    joins::run(settings, &mut report, progress)?;
    stream_join::run(settings, &mut report, progress)?;
    reachability::run(settings, &mut report, progress)?;
    Ok(report)
}
