//! What the processor executes for a record: figures that nothing else on the machine disturbs.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::child::{self, system};
use super::{Cell, Grid, GridError};

/// Records of the smaller of two runs; the larger one has twice as many, and the difference is theirs
/// alone, without the program's start and end.
const RECORDS: u64 = 20_000;
/// Records of a batch.
const BATCH: u64 = 2_000;

/// What a workload executes for a record, on a number of workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Instructions {
    /// What was run; it has no rate, since all records are there from the beginning.
    pub cell: Cell,
    /// Instructions of all threads, for a record.
    pub all: f64,
    /// Those of the thread that executes the most of them: what a record costs where every thread has a
    /// core of its own.
    pub busiest: f64,
}

impl Instructions {
    /// Runs the program under Valgrind's Callgrind (N. Nethercote, J. Seward, *Valgrind: a framework for
    /// heavyweight dynamic binary instrumentation*, 2007), which counts for each thread.
    pub(super) fn count(program: &Path, shape: &Cell, grid: &Grid) -> Result<Self, GridError> {
        let fewer = threads(program, shape, grid, RECORDS)?;
        let more = threads(program, shape, grid, 2 * RECORDS)?;
        let each = |of: fn(&[u64]) -> u64| match of(&more).checked_sub(of(&fewer)) {
            Some(more @ 1..) => Ok(more as f64 / RECORDS as f64),
            _ => Err(GridError::Nothing {
                command: shown(shape, grid, 2 * RECORDS),
                why: "it executed no more than with half of the records".into(),
            }),
        };
        let all = each(|threads| threads.iter().sum())?;
        let busiest = each(|threads| threads.iter().copied().max().unwrap_or(0))?;
        Ok(Instructions { cell: shape.clone(), all, busiest })
    }
}

/// The instructions of each thread of a run with so many records.
fn threads(program: &Path, shape: &Cell, grid: &Grid, records: u64) -> Result<Vec<u64>, GridError> {
    let place = tempfile::tempdir().map_err(system("make a directory"))?;
    let run = run(shape, grid, records);
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--separate-threads=yes", "--callgrind-out-file=counts"])
        .arg(program)
        .args(run.split_whitespace());
    let shown = shown(shape, grid, records);
    child::end(command, &place, &shown).map_err(|error| match error {
        GridError::System { source, .. } if source.kind() == ErrorKind::NotFound => {
            GridError::NotInstalled { program: "valgrind", option: "--instructions" }
        }
        other => other,
    })?;
    let mut threads = Vec::new();
    for file in std::fs::read_dir(place.path()).map_err(system("list what was counted"))? {
        let file = file.map_err(system("list what was counted"))?;
        let text = std::fs::read_to_string(file.path()).map_err(system("read what was counted"))?;
        threads.extend(total(&text));
    }
    match threads.is_empty() {
        true => Err(GridError::Nothing {
            command: shown,
            why: "it wrote no `totals`; is this a Valgrind of version 3?".into(),
        }),
        false => Ok(threads),
    }
}

/// The arguments of a run with so many records.
fn run(Cell { workload, workers, .. }: &Cell, Grid { seed, .. }: &Grid, records: u64) -> String {
    let each = BATCH / *workers as u64;
    format!(
        "run {workload} --workers {workers} --trigger available-now --records-per-partition {each} \
         --source generate:?records={records}&seed={seed}&partitions={workers} --output changes --sink \
         null --quiet"
    )
}

/// As people would write it.
fn shown(shape: &Cell, grid: &Grid, records: u64) -> String {
    format!("valgrind --tool=callgrind tidegate {}", run(shape, grid, records))
}

/// The instructions that one of Callgrind's files counts in all.
fn total(text: &str) -> Option<u64> {
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    total.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_has_executed_is_in_its_totals() {
        let text = "version: 1\nthread: 4\nevents: Ir\n\nfn=(1) main\n16 400\ntotals: 217884402\n";
        assert_eq!(total(text), Some(217_884_402));
        assert_eq!(total("version: 1\nthread: 4\n"), None);
    }
}
