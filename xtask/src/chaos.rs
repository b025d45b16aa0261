//! `cargo xtask chaos`: jobs that are killed and damaged for as long as one likes.

use std::process::{Command, ExitCode};

use clap::Args;

/// Kill jobs again and again, tear their plans, damage their checkpoints, and compare what they
/// write
///
/// The same code as one of the tests, with more kills: jobs of one and two processes, on one to
/// four workers drawn anew at each start. Ends with the number of kills, torn tails and flipped
/// bits; a failure prints the seed that shows it again.
#[derive(Args)]
pub struct Chaos {
    /// How often jobs are killed in all
    #[arg(long, default_value_t = 200, value_name = "N")]
    kills: u64,

    /// What is drawn
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
}

impl Chaos {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// If Cargo can't be run.
    pub fn run(self) -> Result<ExitCode, String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--features", crate::test::FEATURES, "--test", "tests"]);
        cargo.args(["--", "recovery::chaos"]).current_dir(crate::root());
        cargo.env("TIDEGATE_CHAOS_KILLS", self.kills.to_string());
        cargo.env("TIDEGATE_SEED", self.seed.to_string());
        let status = cargo.status().map_err(|error| format!("can't run Cargo: {error}"))?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
