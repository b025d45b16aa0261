//! `tidegate checkpoint verify`

use clap::Args;
use indicatif::HumanBytes;
use tidegate::recovery::OperatorState;

use super::{Place, damaged, unwritten};
use crate::cli::counted::counted;
use crate::cli::failure::Failure;
use crate::cli::progress::Terminal;

/// Read every file of every checkpoint and the plan, and compare them with what was written
///
/// Ends with 1 if anything is damaged, be it that a restart could do without it.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    place: Place,
}

impl Verify {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let archive = self.place.open()?;
        let bar = terminal.spinner();
        let (mut text, mut faults) = (String::new(), 0);
        let mut note = |what: String, outcome: Result<String, tidegate::error::RecoveryError>| {
            let outcome = outcome.unwrap_or_else(|error| {
                faults += 1;
                error.to_string()
            });
            text.push_str(&format!("{what:<24} {outcome}\n"));
        };
        for manifest in archive.checkpoints().map_err(damaged)? {
            let manifest = match manifest {
                Ok(manifest) => manifest,
                Err(error) => {
                    note("a manifest".into(), Err(error));
                    continue;
                }
            };
            let what = format!("checkpoint {}", manifest.tick.id);
            bar.set_message(what.clone());
            let bytes = manifest.operators.iter().map(OperatorState::bytes).sum();
            let files: usize = manifest.operators.iter().map(|state| state.files.len()).sum();
            let files = counted(files as u64, "file", "files");
            let whole = format!("well: {} in {files}", HumanBytes(bytes));
            note(what, archive.verify(&manifest).map(|()| whole));
        }
        let plan = archive
            .plan()
            .map(|rows| format!("well: {}", counted(rows.len() as u64, "batch", "batches")));
        note("plan".into(), plan);
        bar.finish_and_clear();
        terminal.print(&text).map_err(unwritten)?;
        match faults {
            0 => Ok(()),
            faults => Err(Failure::Other(format!(
                "{faults} found to be damaged; `tidegate checkpoint ls` says what a restart would do"
            ))),
        }
    }
}
