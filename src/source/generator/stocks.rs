//! Stock prices that wander.

use serde::{Deserialize, Serialize};
use tidegate_operators::stable_hash;

use super::Generator;

/// A trade.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StockTick {
    /// The stock.
    pub symbol: String,
    /// The price of a share, in cents.
    pub price_cents: i64,
    /// How many shares.
    pub shares: i64,
    /// When: milliseconds since the stream began.
    pub time_ms: i64,
}

/// A value that wanders between -1 and 1 as `time` goes on: value noise, the sum of interpolated
/// random numbers at several scales. Unlike a random walk it can be asked at any time.
fn wander(seed: u64, symbol: u64, time: u64) -> f64 {
    let mut sum = 0.0;
    let mut weight = 0.5;
    for octave in 0..8u64 {
        let scale = 1u64 << (14 - octave);
        let corner = |index: u64| {
            let bits = stable_hash(&(seed, symbol, octave, index));
            (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        let part = (time % scale) as f64 / scale as f64;
        let smooth = part * part * (3.0 - 2.0 * part);
        let (from, to) = (corner(time / scale), corner(time / scale + 1));
        sum += weight * (from + (to - from) * smooth);
        weight *= 0.6;
    }
    sum.clamp(-1.0, 1.0)
}

impl Generator<StockTick> {
    /// Trades in `symbols` stocks, whose prices wander up and down.
    ///
    /// ```
    /// use tidegate::source::Generator;
    ///
    /// let trades = Generator::stocks(8, 7);
    /// let trade = trades.record(0, 100);
    /// assert!(trade.price_cents > 0 && trade.shares > 0);
    /// ```
    pub fn stocks(symbols: u64, seed: u64) -> Self {
        Generator::new("stocks", seed, move |random, offset| {
            let stock = random.below(symbols);
            let base = 1_000.0 + (stable_hash(&(seed, stock)) % 50_000) as f64;
            let letter = |place: u64| (b'A' + (stock / place % 26) as u8) as char;
            StockTick {
                symbol: [letter(676), letter(26), letter(1)].iter().collect(),
                price_cents: (base * (1.0 + 0.4 * wander(seed, stock, offset))) as i64,
                shares: 1 + random.below(500) as i64,
                time_ms: offset as i64,
            }
        })
    }
}
