//! `tidegate savepoint`: a checkpoint put aside.

use std::path::PathBuf;

use clap::Args;
use tidegate::BatchId;
use tidegate::recovery::Archive;

use super::checkpoint::refused;
use super::counted::counted;
use super::failure::Failure;
use super::progress::Terminal;

/// Copy a checkpoint, with what was planned behind it, to a directory of its own
///
/// The job may be running. The copy is never tidied away; a job can be started from it with
/// `--checkpoint DEST`: with the same sinks, if the job that it was copied from never runs again (its
/// rows would be written twice), else with others.
#[derive(Args)]
#[command(after_help = "Examples:
  tidegate savepoint state before-upgrade
  tidegate savepoint state at-180 --at 180")]
pub struct Savepoint {
    /// What the job was given with --checkpoint: a directory, or with the feature `object-store` a URL
    /// such as `s3://bucket/path`
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Where to copy it: a directory that is empty, or does not exist yet
    #[arg(value_name = "DEST")]
    copy: PathBuf,

    /// The checkpoint of this batch [default: the newest]
    #[arg(long, value_name = "BATCH")]
    at: Option<BatchId>,
}

impl Savepoint {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let archive = Archive::open(&self.directory).map_err(refused)?;
        let manifest = archive.checkpoint(self.at).map_err(refused)?;
        archive.copy(Some(&manifest), None, &self.copy).map_err(refused)?;
        let copy = Archive::open(&self.copy).map_err(refused)?;
        let (_, behind) = copy.standing().map_err(refused)?;
        if !terminal.is_quiet() {
            eprintln!(
                "the checkpoint of batch {} is in `{}`; planned behind it, and run again from there: {}",
                manifest.tick.id,
                self.copy.display(),
                counted(behind.len() as u64, "batch", "batches")
            );
        }
        Ok(())
    }
}
