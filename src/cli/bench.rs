//! `tidegate bench`: figures, each beside a baseline in the same run.

use clap::Args;

use super::failure::Failure;
use super::progress::Terminal;

/// Measure, each figure beside a baseline in the same run
#[derive(Args)]
pub struct Bench {}

impl Bench {
    pub fn run(self, _terminal: &Terminal) -> Result<(), Failure> {
        Err(Failure::Usage("nothing to measure yet".into()))
    }
}
