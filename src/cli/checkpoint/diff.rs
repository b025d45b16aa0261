//! `tidegate checkpoint diff`

use std::collections::BTreeMap;

use clap::Args;
use indicatif::HumanCount;
use tidegate::BatchId;
use tidegate::recovery::{Archive, Manifest};

use super::{Place, damaged, refused, unwritten};
use crate::cli::counted::counted;
use crate::cli::failure::Failure;
use crate::cli::progress::Terminal;

/// Show what came and went in the state between two checkpoints
///
/// Each row is a line: `- UID ROW` for what went, `+ UID ROW` for what came, rows as JSON.
#[derive(Args)]
pub struct Diff {
    #[command(flatten)]
    place: Place,

    /// The batch of the older checkpoint
    #[arg(value_name = "FROM")]
    from: BatchId,

    /// The batch of the newer one [default: the newest]
    #[arg(value_name = "TO")]
    to: Option<BatchId>,
}

/// How often each row is there, by operator.
type Contents = BTreeMap<(String, String), i64>;

impl Diff {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let archive = self.place.open()?;
        let from = archive.checkpoint(Some(self.from)).map_err(refused)?;
        let to = archive.checkpoint(self.to).map_err(refused)?;
        let mut changes = contents(&archive, &to)?;
        for (row, times) in contents(&archive, &from)? {
            *changes.entry(row).or_default() -= times;
        }
        let (mut text, mut came, mut went) = (String::new(), 0, 0);
        for ((uid, row), times) in changes {
            let sign = if times < 0 { '-' } else { '+' };
            for _ in 0..times.unsigned_abs() {
                text.push_str(&format!("{sign} {uid} {row}\n"));
            }
            match times < 0 {
                true => went += times.unsigned_abs(),
                false => came += times.unsigned_abs(),
            }
        }
        terminal.print(&text).map_err(unwritten)?;
        if !terminal.is_quiet() {
            let (came, went) = (counted(came, "row", "rows"), HumanCount(went));
            let (from, to) = (from.tick.id, to.tick.id);
            eprintln!("from batch {from} to batch {to}: {came} came, {went} went");
        }
        Ok(())
    }
}

fn contents(archive: &Archive, manifest: &Manifest) -> Result<Contents, Failure> {
    let mut all = Contents::new();
    for state in &manifest.operators {
        let rows = archive.contents(manifest, state).map_err(damaged)?.ok_or_else(|| {
            Failure::Other(format!(
                "the rows of operator `{}` are of type `{}`, which only the program can read",
                state.uid, state.schema.name
            ))
        })?;
        for row in rows {
            *all.entry((state.uid.clone(), row.to_string())).or_default() += 1;
        }
    }
    Ok(all)
}
