//! Keys: uniform, and by Zipf's law.

use std::sync::Arc;

use super::{Generator, Random};

/// A sampler of ranks by Zipf's law: rank `k` (from 0) comes in proportion to `1 / (k + 1)^s`.
///
/// It looks the rank up in the cumulative weights, which are made of additions and divisions alone
/// where `s` is 1, and of a portable power function elsewhere: the same on every machine.
///
/// ```
/// use tidegate::source::generator::Zipf;
///
/// let zipf = Zipf::new(1000, 1.0);
/// assert_eq!(zipf.rank(0.0), 0);
/// assert_eq!(zipf.rank(0.999_999_9), 999);
/// ```
#[derive(Clone, Debug)]
pub struct Zipf {
    cumulative: Arc<[f64]>,
}

impl Zipf {
    /// Ranks below `keys`, which is at least 1, with exponent `s`.
    pub fn new(keys: u64, s: f64) -> Self {
        let mut total = 0.0;
        let cumulative = (1..=keys.max(1)).map(|rank| {
            let rank = rank as f64;
            total += if s == 1.0 { 1.0 / rank } else { libm::pow(rank, -s) };
            total
        });
        Zipf { cumulative: cumulative.collect() }
    }

    /// The rank for a number in `[0, 1)`.
    pub fn rank(&self, unit: f64) -> u64 {
        let total = self.cumulative.last().copied().unwrap_or(1.0);
        let wanted = unit * total;
        let rank = self.cumulative.partition_point(|reached| *reached <= wanted);
        rank.min(self.cumulative.len() - 1) as u64
    }

    /// A random rank.
    pub fn sample(&self, random: &mut Random) -> u64 {
        self.rank(random.unit())
    }
}

/// Ranks are spread over all numbers, so that neighbours in rank are not neighbours in value.
pub(super) fn scatter(rank: u64) -> u64 {
    rank.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16
}

impl Generator<u64> {
    /// Keys, each of `keys` as likely as the others.
    pub fn uniform_keys(keys: u64, seed: u64) -> Self {
        Generator::new("uniform", seed, move |random, _| scatter(random.below(keys)))
    }

    /// Keys by Zipf's law with exponent 1: the most frequent one comes twice as often as the
    /// second, and three times as often as the third.
    pub fn zipf_keys(keys: u64, seed: u64) -> Self {
        let zipf = Zipf::new(keys, 1.0);
        Generator::new("zipf", seed, move |random, _| scatter(zipf.sample(random)))
    }
}
