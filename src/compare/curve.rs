//! How the ratio depends on something: the window's length, the number of keys, the share changed.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tidegate_operators::Record;

use super::check::{Checked, CompareError, check};
use super::input::Input;
use super::measure::{Limits, ModeRow, measure};
use super::mode::Mode;
use super::plain::PlainLoop;

/// A figure over something that varies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What is measured on what.
    pub name: String,
    /// What varies.
    pub over: String,
    /// One measurement for each value, in rising order.
    pub points: Vec<Point>,
}

/// All modes at one value of what varies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The value.
    pub at: f64,
    /// The value, as people write it.
    pub label: String,
    /// What outputs were compared before anything was measured, on a smaller input.
    pub checked: Checked,
    /// What each mode took.
    pub modes: Vec<ModeRow>,
    /// What plain loops took.
    pub plain: Vec<ModeRow>,
}

impl Curve {
    /// A mode at a value, if it was measured there.
    pub fn find(&self, at: f64, mode: &str) -> Option<&ModeRow> {
        let point = self.points.iter().find(|point| point.at == at)?;
        point.modes.iter().find(|row| row.mode == mode)
    }
}

/// What is measured at a point.
pub(super) struct Subject<'a, D, R: 'static> {
    pub(super) at: f64,
    pub(super) label: String,
    pub(super) input: Input<D>,
    /// The same, smaller: on it the outputs are compared.
    pub(super) small: Input<D>,
    pub(super) modes: &'a [Mode<D, R>],
    pub(super) limits: Limits,
}

/// Checks that all modes give the same, and takes their times and those of plain loops.
pub(super) fn point<D: Record, R: Record>(
    subject: &Subject<'_, D, R>,
    loops: &[PlainLoop],
    plain: impl Fn(PlainLoop) -> ModeRow,
) -> Result<Point, CompareError> {
    let checked = check(&subject.small, subject.modes, subject.limits.workers)?;
    let (mut modes, mut plains): (Vec<ModeRow>, Vec<ModeRow>) = Default::default();
    for round in rounds() {
        for (number, mode) in subject.modes.iter().enumerate() {
            let row = measure(&subject.input, mode, &subject.limits)?;
            add(&mut modes, round, number, row);
        }
        for (number, kind) in loops.iter().enumerate() {
            add(&mut plains, round, number, plain(*kind));
        }
    }
    relate(&mut modes, &plains, loops);
    Ok(Point { at: subject.at, label: subject.label.clone(), checked, modes, plain: plains })
}

/// So often each mode and each loop runs, and after how long no more.
const ROUNDS: usize = 2;
const LONG: Duration = Duration::from_secs(4);

/// The rounds in which modes and loops take turns: what else happens on the machine should not fall to
/// one of them alone. Where a round takes long there is one.
pub(super) fn rounds() -> impl Iterator<Item = usize> {
    let begun = Instant::now();
    (0..ROUNDS).take_while(move |round| *round == 0 || begun.elapsed() < LONG)
}

/// Adds what a mode took in a round to what it took in those before.
pub(super) fn add(rows: &mut Vec<ModeRow>, round: usize, number: usize, row: ModeRow) {
    match round {
        0 => rows.push(row),
        _ => rows[number] = std::mem::take(&mut rows[number]).with(&row),
    }
}

/// Fills in what each mode takes of the first one, and of the plain loop that does the same.
pub(super) fn relate(modes: &mut [ModeRow], plain: &[ModeRow], loops: &[PlainLoop]) {
    let first = modes.first().map_or(0.0, ModeRow::median_ms);
    for row in modes.iter_mut() {
        row.ratio = (first > 0.0).then(|| row.median_ms() / first);
    }
    for (kind, plain) in loops.iter().zip(plain) {
        for row in modes.iter_mut().filter(|row| row.mode == kind.mode()) {
            assert!(
                (row.rows_out - plain.rows_out).abs() < 0.5 || row.batches != plain.batches,
                "`{}` gives {} rows a batch, and a plain loop {}",
                row.mode,
                row.rows_out,
                plain.rows_out
            );
            row.of_plain = Some(row.median_ms() / plain.median_ms().max(f64::MIN_POSITIVE));
        }
    }
}
