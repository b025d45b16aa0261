//! `tidegate checkpoint show`

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use tidegate::BatchId;
use tidegate::recovery::{Archive, Manifest, OperatorState};

use super::{Place, damaged, refused, unwritten};
use crate::cli::counted::counted;
use crate::cli::failure::Failure;
use crate::cli::progress::Terminal;

/// Show a checkpoint: how far its sources were read, its operators, and what they hold
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    place: Place,

    /// The checkpoint of this batch [default: the newest]
    #[arg(long, value_name = "BATCH")]
    at: Option<BatchId>,

    /// Only the operator of this name
    #[arg(long, value_name = "UID")]
    operator: Option<String>,

    /// Show so many rows of each operator, as JSON
    #[arg(long, value_name = "N", default_value_t = 0)]
    rows: usize,

    /// Only rows, all of them, as JSON lines: `{"operator": UID, "row": ROW}`
    #[arg(long, conflicts_with = "rows")]
    json: bool,
}

impl Show {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let archive = self.place.open()?;
        let manifest = archive.checkpoint(self.at).map_err(refused)?;
        let is_wanted =
            |state: &&OperatorState| self.operator.as_ref().is_none_or(|uid| *uid == state.uid);
        let operators: Vec<&OperatorState> = manifest.operators.iter().filter(is_wanted).collect();
        if let (Some(uid), true) = (&self.operator, operators.is_empty()) {
            let known: Vec<&str> = manifest.operators.iter().map(|state| &*state.uid).collect();
            return Err(Failure::Usage(format!(
                "no operator `{uid}` in the checkpoint of batch {}: there are `{}`",
                manifest.tick.id,
                known.join("`, `")
            )));
        }
        let mut text = if self.json { String::new() } else { self.head(&manifest) };
        for state in operators {
            if self.json {
                for row in rows(&archive, &manifest, state)?.into_iter().flatten() {
                    let line = serde_json::json!({ "operator": state.uid, "row": row });
                    text.push_str(&format!("{line}\n"));
                }
                continue;
            }
            text.push_str(&format!(
                "  {:<28} {:>14} rows saved, {:>10} in {}\n",
                state.uid,
                HumanCount(state.rows()).to_string(),
                HumanBytes(state.bytes()).to_string(),
                counted(state.files.len() as u64, "file", "files")
            ));
            if self.rows == 0 {
                continue;
            }
            let Some(held) = rows(&archive, &manifest, state)? else {
                let name = &state.schema.name;
                text.push_str(&format!("    rows of `{name}`, which only the program can read\n"));
                continue;
            };
            held.iter().take(self.rows).for_each(|row| text.push_str(&format!("    {row}\n")));
            if held.len() > self.rows {
                let more = HumanCount((held.len() - self.rows) as u64);
                text.push_str(&format!("    ... and {more} more\n"));
            }
        }
        terminal.print(&text).map_err(unwritten)
    }

    fn head(&self, manifest: &Manifest) -> String {
        let Manifest { tick, generation, previous, sources, .. } = manifest;
        let mut text = format!("checkpoint of batch {}, by generation {generation}", tick.id);
        if let Some(previous) = previous {
            text.push_str(&format!("; the one before is that of batch {previous}"));
        }
        text.push_str("\nread up to\n");
        for position in sources.iter().flatten() {
            text.push_str(&format!("  {:<28} {:>14}\n", position.name, position.next));
        }
        text.push_str("operators\n");
        text
    }
}

type Rows = Option<Vec<serde_json::Value>>;

fn rows(archive: &Archive, manifest: &Manifest, state: &OperatorState) -> Result<Rows, Failure> {
    archive.contents(manifest, state).map_err(damaged)
}
