//! A row at a steady rate, as Spark's rate source gives them.

use serde::{Deserialize, Serialize};

use super::Generator;

/// A numbered row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RateRow {
    /// Its number within its partition, from 0.
    pub value: u64,
    /// When it was due: microseconds since the stream began.
    pub time_us: u64,
}

impl Generator<RateRow> {
    /// `rows_per_s` rows a second.
    ///
    /// ```
    /// use tidegate::source::Generator;
    ///
    /// assert_eq!(Generator::rate(1000.0).record(0, 5).time_us, 5000);
    /// ```
    pub fn rate(rows_per_s: f64) -> Self {
        let every_us = 1e6 / rows_per_s;
        Generator::new("rate", 0, move |_, offset| RateRow {
            value: offset,
            time_us: (offset as f64 * every_us) as u64,
        })
        .rows_per_s(rows_per_s)
    }
}
