//! Two measurements of a grid side by side.

use super::{Cell, GridReport, Run};
use crate::report::Comparison;

/// The searches for the highest rate end when they are as near as this.
const CLOSE: f64 = 1.12;
/// Two counts of the same instructions differ by what threads wait for each other, at most so many times.
const ALIKE: f64 = 1.02;

impl GridReport {
    /// Holds this against an earlier measurement: the median and the 99th percentile of the batches of
    /// each cell that both have, the highest rates, and the instructions of a record.
    pub fn against(&self, earlier: &GridReport) -> Vec<Comparison> {
        let mut found = Vec::new();
        for row in earlier.rows() {
            let (one, two) = (runs(earlier, &row.cell), runs(self, &row.cell));
            if one.is_empty() || two.is_empty() {
                continue;
            }
            for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
                let what =
                    format!("{}, {:.0}/s: batch {name}, ms", row.cell.shape(), row.cell.rate);
                found.push(Comparison::of_times(what, &one, &two, quantile));
            }
        }
        for one in &earlier.saturations {
            let same = self.saturations.iter().find(|two| two.cell.shape() == one.cell.shape());
            if let Some(two) = same {
                let what = format!("{}: highest rate, records/s", one.cell.shape());
                found.push(Comparison::of_rates(what, one.cell.rate, two.cell.rate, CLOSE));
            }
        }
        for one in &earlier.instructions {
            if let Some(two) = self.instructions.iter().find(|two| two.cell == one.cell) {
                let what =
                    format!("{}: instructions of a record, busiest thread", one.cell.shape());
                found.push(Comparison::of_counts(what, one.busiest, two.busiest, ALIKE));
            }
        }
        found
    }
}

/// The times of all batches of a cell, run by run.
fn runs(report: &GridReport, cell: &Cell) -> Vec<Vec<f64>> {
    let times = |run: &Run| run.samples.iter().map(|sample| sample.total_ms()).collect();
    let runs = report.runs.iter().filter(|run| run.cell == *cell).map(times);
    runs.filter(|times: &Vec<f64>| !times.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::grid::{Grid, GridFile, Line, Sample};
    use crate::source::generator::Random;

    /// A report of three runs whose batches take about `ms`, with noise that lasts for some batches.
    fn report(seed: u64, ms: f64) -> GridReport {
        let grid = Grid::quick();
        let cell = grid.cells()[0].clone();
        let mut file = GridFile::nowhere(&grid);
        let mut random = Random::of(seed, 0, 0);
        for repeat in 0..3 {
            let mut noise = 1.0;
            let samples = (1..=400).map(|batch| {
                if random.below(10) == 0 {
                    noise = 0.8 + 0.4 * random.unit();
                }
                let processing_ms = ms * noise * (0.95 + 0.1 * random.unit());
                Sample { batch, processing_ms, from: batch, to: batch + 1, ..Sample::default() }
            });
            let run =
                Run { cell: cell.clone(), repeat, samples: samples.collect(), ..Run::default() };
            file.add(Line::Run(run)).unwrap();
        }
        file.report().clone()
    }

    fn verdict_of(one: &GridReport, two: &GridReport) -> &'static str {
        two.against(one)[0].verdict
    }

    #[test]
    fn what_differs_is_told_from_what_does_not() {
        for seed in 0..10 {
            let (one, same) = (report(seed, 10.0), report(seed + 100, 10.0));
            let found = same.against(&one);
            assert!(!["faster", "slower"].contains(&found[0].verdict), "seed {seed}: {found:?}");
            let (least, most) = found[0].ratio;
            assert!(least < 1.0 && 1.0 < most || found[0].verdict == "the same", "{found:?}");
            assert_eq!(verdict_of(&one, &report(seed, 13.0)), "slower", "seed {seed}");
            assert_eq!(verdict_of(&one, &report(seed, 7.5)), "faster", "seed {seed}");
        }
    }

    #[test]
    fn what_is_compared_with_itself_is_the_same() {
        let one = report(1, 10.0);
        assert!(one.against(&one).iter().all(|found| found.before == found.after));
    }
}
