//! `tidegate checkpoint set-aside`

use clap::Args;
use tidegate::BatchId;

use super::{Place, refused};
use crate::cli::failure::Failure;

/// Hand the records of a batch that the job can't get through to the dead letters
///
/// The batch must be planned and not saved: one of those that a restart runs again. From its next start
/// on, all its records are dead letters, and the job goes on behind it. `tidegate rehearse` finds the
/// batch; `tidegate launch --poison dead-letters` does both by itself.
#[derive(Args)]
pub struct SetAside {
    #[command(flatten)]
    place: Place,

    /// The batch
    #[arg(value_name = "BATCH")]
    batch: BatchId,
}

impl SetAside {
    pub fn run(self) -> Result<(), Failure> {
        self.place.open()?.set_aside(self.batch).map_err(refused)
    }
}
