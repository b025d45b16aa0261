//! The highest rate that a job can keep up with.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Cell, Grid, GridError, Run};

/// A rate that was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Records a second that were due.
    pub rate: f64,
    /// Ninety-nine in a hundred records were through in this time from when they were due, in
    /// milliseconds.
    pub p99_ms: f64,
    /// Records that were due and in no batch at the end.
    pub missing: u64,
    /// Whether that is good enough.
    pub holds: bool,
}

/// The highest rate at which ninety-nine in a hundred records are through in a given time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// What was run; its rate is the highest that was good enough, or 0.
    pub cell: Cell,
    /// The time, in milliseconds.
    pub p99_ms: f64,
    /// What was tried, in this order.
    pub probes: Vec<Probe>,
}

/// The search ends when the rates between which the answer lies differ by no more than this.
const CLOSE: f64 = 1.12;
/// Beyond this nothing is tried.
const RATE_MAX: f64 = 64e6;

impl Saturation {
    /// Doubles the rate until it is too high, or halves it until it is not; then takes the middle.
    pub(super) fn find(
        program: &Path,
        shape: &Cell,
        grid: &Grid,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Self, GridError> {
        let p99_ms = grid.saturation_p99_ms.unwrap_or(f64::INFINITY);
        let begin = grid.rates.iter().copied().fold(1.0, f64::max);
        let (rate, probes) = search(begin, |rate| {
            progress(rate);
            let cell = Cell { rate, ..shape.clone() };
            let run = Run::measure(program, &cell, grid, 0)?;
            let found = run.records().p99_ms;
            // Behind by less than a batch is the batch that was open.
            let open = rate * (2 * cell.interval_ms) as f64 / 1e3;
            // Where no record came, nothing was in time.
            let came = run.samples.iter().any(|sample| sample.to > sample.from);
            let holds = came && found <= p99_ms && (run.missing as f64) <= open;
            Ok(Probe { rate, p99_ms: found, missing: run.missing, holds })
        })?;
        Ok(Saturation { cell: Cell { rate, ..shape.clone() }, p99_ms, probes })
    }
}

/// The highest rate that holds, and all that were tried.
fn search<E>(
    begin: f64,
    mut probe: impl FnMut(f64) -> Result<Probe, E>,
) -> Result<(f64, Vec<Probe>), E> {
    let mut probes = Vec::new();
    let (mut holds, mut fails) = (0.0, f64::INFINITY);
    let mut rate = begin;
    while (1.0..=RATE_MAX).contains(&rate) && fails > holds * CLOSE {
        let found = probe(rate)?;
        probes.push(found);
        if found.holds {
            holds = rate;
        } else {
            fails = rate;
        }
        rate = match (holds, fails) {
            (0.0, fails) => fails / 2.0,
            (holds, f64::INFINITY) => holds * 2.0,
            (holds, fails) => (holds * fails).sqrt(),
        };
    }
    Ok((holds, probes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_rate_is_found_from_below_and_from_above() {
        for limit in [700.0, 90_000.0, 1_234_567.0] {
            let tried = |rate: f64| {
                let holds = rate <= limit;
                Ok::<_, ()>(Probe { rate, holds, ..Probe::default() })
            };
            let (found, probes) = search(100_000.0, tried).unwrap();
            assert!(found <= limit && found * CLOSE >= limit, "{found} of {limit}");
            assert!(probes.len() < 14, "{}", probes.len());
        }
        // What never holds comes to an end, too.
        let never = |rate| Ok::<_, ()>(Probe { rate, ..Probe::default() });
        assert_eq!(search(100.0, never).unwrap().0, 0.0);
    }
}
