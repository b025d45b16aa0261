//! What a comparison came to.

use serde::{Deserialize, Serialize};

use super::check::{Checked, CompareError, check};
use super::curve::{Curve, add, relate, rounds};
use super::input::Input;
use super::measure::{Limits, ModeRow, measure};
use super::mode::{Mode, PARTIALS, RECOMPUTE};
use super::plain::PlainLoop;
use super::{shares, windows};
use crate::bench::Verdict;
use tidegate_operators::Record;

/// All that a comparison has found: as a table in the terminal, as JSON, and as a page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompareReport {
    /// What kind of report it is: `compare`.
    pub kind: String,
    /// The version of its form: 1.
    pub version: u32,
    /// What was measured where.
    pub machine: Machine,
    /// The workload.
    pub workload: String,
    /// Where its input came from.
    pub input: String,
    /// The number of batches of the input, and of its rows.
    pub batches: usize,
    /// The number of its rows.
    pub rows: u64,
    /// That all modes gave the same.
    pub checked: Checked,
    /// What the modes took for the workload.
    pub modes: Vec<ModeRow>,
    /// What plain loops took for the same.
    pub plain: Vec<ModeRow>,
    /// How the ratio depends on window length, keys and share changed.
    pub curves: Vec<Curve>,
    /// Whether figures are as good as they should be.
    pub verdicts: Vec<Verdict>,
}

/// What a report was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The version of Tidegate.
    pub version: String,
    /// How it was built: figures of a debug build say nothing.
    pub build: String,
    /// The operating system and the processor's architecture.
    pub system: String,
    /// The number of cores that may be used.
    pub cores: usize,
}

impl Machine {
    /// This one.
    ///
    /// ```
    /// assert!(tidegate::compare::Machine::this().cores >= 1);
    /// ```
    pub fn this() -> Self {
        Machine {
            version: env!("CARGO_PKG_VERSION").into(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl CompareReport {
    /// The kind of every such report.
    pub const KIND: &str = "compare";

    /// Checks that a workload's modes give the same on an input, and takes their times.
    ///
    /// # Errors
    ///
    /// If they differ, or do not run.
    pub fn of<D: Record, R: Record>(
        (workload, source): (&str, &str),
        input: &Input<D>,
        modes: &[Mode<D, R>],
        limits: &Limits,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, CompareError> {
        progress("comparing outputs");
        let checked = check(input, modes, limits.workers)?;
        let mut report = CompareReport {
            kind: Self::KIND.into(),
            version: 1,
            machine: Machine::this(),
            workload: workload.into(),
            input: source.into(),
            batches: input.batches(),
            rows: input.rows(),
            checked,
            ..CompareReport::default()
        };
        for round in rounds() {
            for (number, mode) in modes.iter().enumerate() {
                progress(&format!("measuring {}", mode.name));
                let row = measure(input, mode, limits)?;
                add(&mut report.modes, round, number, row);
            }
        }
        relate(&mut report.modes, &[], &[]);
        Ok(report)
    }

    /// Adds what plain loops took for the workload.
    pub fn with_plain(mut self, loops: &[PlainLoop], plain: impl Fn(PlainLoop) -> ModeRow) -> Self {
        self.plain = loops.iter().map(|kind| plain(*kind)).collect();
        relate(&mut self.modes, &self.plain, loops);
        self
    }

    /// Asks of the curves what they should show; nothing of what was not measured.
    pub fn judge(&mut self) {
        let asked = [
            (windows::LENGTHS, 60.0, RECOMPUTE, 10.0, "window of 60"),
            (windows::LENGTHS, 60.0, PARTIALS, 2.0, "window of 60"),
            (shares::RUNNING, 0.01, RECOMPUTE, 50.0, "1 % changed"),
        ];
        for (name, at, mode, wanted, place) in asked {
            let curve = self.curves.iter().find(|curve| curve.name == name);
            let Some(row) = curve.and_then(|curve| curve.find(at, mode)) else { continue };
            if let Some(found) = row.ratio {
                let question = format!("{name}, {place}: {mode} of incremental");
                self.verdicts.push(Verdict { question, found, wanted, at_least: true });
            }
            if let Some(found) = row.of_plain {
                let question = format!("{name}, {place}: {mode} of a plain loop");
                self.verdicts.push(Verdict { question, found, wanted: 1.5, at_least: false });
            }
        }
    }
}
