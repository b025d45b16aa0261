//! `tidegate checkpoint`: what a job has saved.

mod diff;
mod ls;
mod set_aside;
mod show;
mod verify;

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tidegate::error::RecoveryError;

use super::failure::{Failure, with_causes};
use super::progress::Terminal;

/// See what a job has saved: the job may be running or not
#[derive(Args)]
#[command(after_help = "Examples:
  tidegate checkpoint ls state
  tidegate checkpoint show state --rows 20
  tidegate checkpoint diff state 120 180
  tidegate checkpoint verify state
  tidegate checkpoint set-aside state 181")]
pub struct Checkpoint {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the checkpoints, the newest first
    Ls(ls::Ls),
    /// Show one: its sources, its operators, what they hold
    Show(show::Show),
    /// Read everything, and compare it with what was written
    Verify(verify::Verify),
    /// Show what came and went between two
    Diff(diff::Diff),
    /// Hand the records of a batch that the job can't get through to the dead letters
    SetAside(set_aside::SetAside),
}

impl Checkpoint {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        match self.what {
            What::Ls(command) => command.run(terminal),
            What::Show(command) => command.run(terminal),
            What::Verify(command) => command.run(terminal),
            What::Diff(command) => command.run(terminal),
            What::SetAside(command) => command.run(),
        }
    }
}

/// Where it lies.
#[derive(Args)]
struct Place {
    /// What the job was given with --checkpoint: a directory, or with the feature `object-store` a URL
    /// such as `s3://bucket/path`
    ///
    /// Object stores are S3 and what speaks like it, Google Cloud Storage (`gs:`) and Azure (`az:`).
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Place {
    fn open(&self) -> Result<tidegate::recovery::Archive, Failure> {
        tidegate::recovery::Archive::open(&self.directory).map_err(refused)
    }
}

/// There is no such thing.
pub fn refused(error: RecoveryError) -> Failure {
    Failure::Usage(with_causes(&error))
}

/// It is there, and is not what it should be.
fn damaged(error: RecoveryError) -> Failure {
    Failure::Other(with_causes(&error))
}

fn unwritten(error: io::Error) -> Failure {
    Failure::Other(format!("can't write to standard output: {error}"))
}
