//! `tidegate checkpoint ls`

use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use serde_json::json;
use tidegate::error::RecoveryError;
use tidegate::recovery::{Manifest, OperatorState};

use super::{Place, damaged, unwritten};
use crate::cli::counted::counted;
use crate::cli::failure::Failure;
use crate::cli::progress::Terminal;

/// List the checkpoints, the newest first
#[derive(Args)]
pub struct Ls {
    #[command(flatten)]
    place: Place,

    /// Only the checkpoints, as JSON lines
    #[arg(long)]
    json: bool,
}

impl Ls {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let archive = self.place.open()?;
        if self.json {
            let found = archive.checkpoints().map_err(damaged)?;
            return terminal
                .print(&found.iter().map(json_line).collect::<String>())
                .map_err(unwritten);
        }
        let mut text = format!(
            "{:>10}  {:<24}  {:>10}  {:>9}  {:>14}  {:>10}\n",
            "batch", "batch time", "generation", "operators", "rows", "size"
        );
        let found = archive.checkpoints().map_err(damaged)?;
        if found.is_empty() {
            text = "no checkpoint yet\n".into();
        }
        for manifest in found {
            match manifest {
                Ok(manifest) => text.push_str(&line(&manifest)),
                Err(error) => text.push_str(&format!("  damaged: {error}\n")),
            }
        }
        match archive.standing() {
            Ok((saved, behind)) => {
                let saved = saved.map_or("the beginning".into(), |batch| format!("batch {batch}"));
                text.push_str(&format!(
                    "\na restart begins behind {saved}, and runs {} again\n",
                    match behind.len() {
                        0 => "nothing".to_owned(),
                        batches => counted(batches as u64, "batch", "batches"),
                    }
                ));
            }
            Err(error) => text.push_str(&format!("\na restart is refused: {error}\n")),
        }
        terminal.print(&text).map_err(unwritten)
    }
}

fn json_line(found: &Result<Manifest, RecoveryError>) -> String {
    let line = match found {
        Ok(manifest) => json!({
            "batch": manifest.tick.id,
            "time_ms": manifest.tick.time_ms,
            "generation": manifest.generation,
            "operators": manifest.operators.len(),
            "rows": sum(manifest, OperatorState::rows),
            "bytes": sum(manifest, OperatorState::bytes),
        }),
        Err(error) => json!({ "damaged": error.to_string() }),
    };
    format!("{line}\n")
}

fn sum(manifest: &Manifest, of: fn(&OperatorState) -> u64) -> u64 {
    manifest.operators.iter().map(of).sum()
}

fn line(manifest: &Manifest) -> String {
    let since = Duration::from_millis(u64::try_from(manifest.tick.time_ms).unwrap_or(0));
    format!(
        "{:>10}  {:<24}  {:>10}  {:>9}  {:>14}  {:>10}\n",
        manifest.tick.id,
        humantime::format_rfc3339_millis(UNIX_EPOCH + since),
        manifest.generation,
        manifest.operators.len(),
        HumanCount(sum(manifest, OperatorState::rows)).to_string(),
        HumanBytes(sum(manifest, OperatorState::bytes)).to_string(),
    )
}
