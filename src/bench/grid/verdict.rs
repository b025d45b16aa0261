//! Two measurements side by side: which is better, as far as can be told.

use super::{Cell, GridReport, Run};
use crate::report::Table;
use crate::source::generator::Random;

/// A figure of two measurements.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was compared, and where.
    pub what: String,
    /// The first, in milliseconds or records a second.
    pub before: f64,
    /// The second.
    pub after: f64,
    /// The second, divided by the first, lies between these with a probability of 95 %.
    pub ratio: (f64, f64),
    /// What can be said.
    pub verdict: &'static str,
}

/// A ratio so near to one is none.
const EQUAL: f64 = 1.05;
/// How often it is drawn anew.
const DRAWS: usize = 400;
const SEED: u64 = 0x7ede_6a7e;

/// Compares what both have measured: the median and the 99th percentile of batches, with the uncertainty
/// of a bootstrap, and the highest rates.
///
/// Batches that follow each other are not independent: whole blocks of them are drawn (H. Künsch, *The
/// jackknife and the bootstrap for general stationary observations*, 1989), and runs before them.
pub fn compare(before: &GridReport, after: &GridReport) -> Vec<Comparison> {
    let mut found = Vec::new();
    for row in before.rows() {
        let (one, two) = (runs(before, &row.cell), runs(after, &row.cell));
        if one.is_empty() || two.is_empty() {
            continue;
        }
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            let what = format!("{}, {:.0}/s: batch {name}, ms", row.cell.shape(), row.cell.rate);
            found.push(times(what, &one, &two, quantile));
        }
    }
    for one in &before.saturations {
        let Some(two) = after.saturations.iter().find(|two| two.cell.shape() == one.cell.shape())
        else {
            continue;
        };
        let what = format!("{}: highest rate, records/s", one.cell.shape());
        let (before, after) = (one.cell.rate, two.cell.rate);
        // The searches end when they are as near as this.
        let (ratio, close) = (after / before, 1.12);
        let ratio = (ratio / close, ratio * close);
        found.push(Comparison { what, before, after, ratio, verdict: verdict(ratio, true) });
    }
    found
}

/// The times of all batches of a cell, run by run.
fn runs(report: &GridReport, cell: &Cell) -> Vec<Vec<f64>> {
    let times = |run: &Run| run.samples.iter().map(|sample| sample.total_ms()).collect();
    let runs = report.runs.iter().filter(|run| run.cell == *cell).map(times);
    runs.filter(|times: &Vec<f64>| !times.is_empty()).collect()
}

fn times(what: String, one: &[Vec<f64>], two: &[Vec<f64>], quantile: f64) -> Comparison {
    let mut random = Random::of(SEED, 0, 0);
    let mut ratios: Vec<f64> = (0..DRAWS)
        .map(|_| at(drawn(two, &mut random), quantile) / at(drawn(one, &mut random), quantile))
        .collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = (ratios[DRAWS / 40], ratios[DRAWS - 1 - DRAWS / 40]);
    let (before, after) = (at(one.concat(), quantile), at(two.concat(), quantile));
    Comparison { what, before, after, ratio, verdict: verdict(ratio, false) }
}

fn at(mut times: Vec<f64>, quantile: f64) -> f64 {
    let place = ((times.len() as f64 * quantile) as usize).min(times.len() - 1);
    *times.select_nth_unstable_by(place, f64::total_cmp).1
}

/// As many times, in blocks from runs that are drawn.
fn drawn(runs: &[Vec<f64>], random: &mut Random) -> Vec<f64> {
    let mut drawn = Vec::new();
    for _ in runs {
        let run = &runs[random.below(runs.len() as u64) as usize];
        let block = (run.len() as f64).sqrt().ceil() as usize;
        let length = drawn.len() + run.len();
        while drawn.len() < length {
            let from = random.below((run.len() - block + 1) as u64) as usize;
            drawn.extend_from_slice(&run[from..from + block]);
        }
        drawn.truncate(length);
    }
    drawn
}

fn verdict((least, most): (f64, f64), more_is_better: bool) -> &'static str {
    let (less, more) = match more_is_better {
        true => ("lower", "higher"),
        false => ("faster", "slower"),
    };
    match (least, most) {
        (_, most) if most < 1.0 / EQUAL => less,
        (least, _) if least > EQUAL => more,
        (least, most) if least > 1.0 / EQUAL && most < EQUAL => "the same",
        _ => "can't be told",
    }
}

impl Comparison {
    /// Comparisons as a table.
    pub fn table(comparisons: &[Comparison]) -> Table {
        let mut table = Table::new(["", "before", "after", "ratio (95 %)", "verdict"]);
        for Comparison { what, before, after, ratio: (least, most), verdict } in comparisons {
            let figure = |figure: f64| match figure {
                figure if figure >= 1e3 => format!("{figure:.0}"),
                figure => format!("{figure:.2}"),
            };
            table.row([
                what.clone(),
                figure(*before),
                figure(*after),
                format!("{least:.2} - {most:.2}"),
                (*verdict).to_owned(),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::grid::{Grid, GridFile, Line, Sample};

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
        compare(one, two)[0].verdict
    }

    #[test]
    fn what_differs_is_told_from_what_does_not() {
        for seed in 0..10 {
            let (one, same) = (report(seed, 10.0), report(seed + 100, 10.0));
            let found = compare(&one, &same);
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
        assert!(compare(&one, &one).iter().all(|found| found.before == found.after));
    }
}
