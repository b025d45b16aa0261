//! The batch that a job can't get through: found out, and put aside.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use clap::ValueEnum;
use signal_hook::consts::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
use tidegate::plan::PlanRow;
use tidegate::recovery::Archive;

use crate::cli::failure::POISON;
use crate::cli::parent::PARENT_VARIABLE;

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
        // One process of its own, whatever is said of several.
        rehearsal.arg("--quiet").args(["rehearse", "--processes", "1"]);
        rehearsal.args(["--through", &row.tick.id.to_string()]);
        rehearsal.args(run).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // It ends with this process, and has nothing to do with the terminal's Ctrl-C.
        rehearsal.env(PARENT_VARIABLE, std::process::id().to_string()).process_group(0);
        rehearsal.status().is_ok_and(is_from_within)
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

/// Whether a process has ended by what it did itself, and not by what others did to it or did not give
/// it: what can't be found out is no reason to lose records.
fn is_from_within(status: ExitStatus) -> bool {
    match (status.code(), status.signal()) {
        (Some(code), _) => code == i32::from(POISON),
        (None, Some(signal)) => [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV].contains(&signal),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_killed_says_nothing_about_its_batch() {
        let ended = |raw| is_from_within(ExitStatus::from_raw(raw));
        let (exit, signal) = (|code: i32| code << 8, |signal: i32| signal);
        assert!(ended(exit(3)) && ended(signal(SIGABRT)) && ended(signal(SIGSEGV)));
        assert!(!ended(exit(0)) && !ended(exit(1)) && !ended(exit(2)) && !ended(exit(130)));
        // Ctrl-C, a kill, the end of memory, a stop that was asked for.
        assert!([2, 9, 15].into_iter().all(|number| !ended(signal(number))));
    }
}
