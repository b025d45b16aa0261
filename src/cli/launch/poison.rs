//! The batch that a job can't get through: found out, and put aside.

use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum;
use tidegate::plan::PlanRow;
use tidegate::recovery::Archive;

use crate::cli::failure::POISON;

/// What becomes of a batch that a job can't get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Poison {
    /// The job is given up.
    Stop,
    /// Its records become dead letters, and the job goes on.
    DeadLetters,
}

/// Runs what was planned and not saved again, in a process of its own and without sinks, each time one
/// batch further: the first that can't be got through is put aside, and given. `run` are the words behind
/// `tidegate run`.
pub fn put_aside<'a>(
    program: &Path,
    run: &[String],
    checkpoints: &Path,
    behind: &'a [PlanRow],
) -> Option<&'a PlanRow> {
    let is_poison = |row: &&PlanRow| {
        let mut rehearsal = Command::new(program);
        rehearsal.arg("--quiet").args(["rehearse", "--through", &row.tick.id.to_string()]);
        rehearsal.args(run).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // It says so, or has no time to: what can't be found out is no reason to lose records.
        let status = rehearsal.status();
        status.is_ok_and(|status| status.code().is_none_or(|code| code == i32::from(POISON)))
    };
    let poisoned = behind.iter().find(is_poison)?;
    let aside = Archive::open(checkpoints).and_then(|archive| archive.set_aside(poisoned.tick.id));
    match aside {
        Ok(()) => Some(poisoned),
        Err(error) => {
            log::warn!("batch {} can't be put aside: {error}", poisoned.tick.id);
            None
        }
    }
}
