//! Two measurements side by side: which is better, as far as can be told.

use super::Table;
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

impl Comparison {
    /// Compares a quantile of times, each given run by run, with the uncertainty of a bootstrap.
    ///
    /// Batches that follow each other are not independent: whole blocks of them are drawn (H. Künsch, *The
    /// jackknife and the bootstrap for general stationary observations*, 1989), and runs before them.
    pub(crate) fn of_times(
        what: String,
        one: &[Vec<f64>],
        two: &[Vec<f64>],
        quantile: f64,
    ) -> Self {
        let mut random = Random::of(SEED, 0, 0);
        let mut ratios: Vec<f64> = (0..DRAWS)
            .map(|_| at(drawn(two, &mut random), quantile) / at(drawn(one, &mut random), quantile))
            .collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = (ratios[DRAWS / 40], ratios[DRAWS - 1 - DRAWS / 40]);
        let (before, after) = (at(one.concat(), quantile), at(two.concat(), quantile));
        Comparison { what, before, after, ratio, verdict: verdict(ratio, false) }
    }

    /// Compares two rates, each of which was found as near as `close` times.
    pub(crate) fn of_rates(what: String, before: f64, after: f64, close: f64) -> Self {
        let ratio = (after / before / close, after / before * close);
        Comparison { what, before, after, ratio, verdict: verdict(ratio, true) }
    }

    /// Compares two counts of which less is better, each of which may be off by `close` times.
    pub(crate) fn of_counts(what: String, before: f64, after: f64, close: f64) -> Self {
        let ratio = (after / before / close, after / before * close);
        Comparison { what, before, after, ratio, verdict: verdict(ratio, false) }
    }

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
