//! Bids by how much they offer.

use serde::{Deserialize, Serialize};

/// How much a bid offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PriceRank {
    /// Less than 10,000 cents.
    Low,
    /// Less than 1,000,000 cents.
    Middle,
    /// 1,000,000 cents or more.
    High,
}

impl PriceRank {
    /// The rank of a price in cents.
    ///
    /// ```
    /// use tidegate::workloads::nexmark::PriceRank;
    ///
    /// assert_eq!(PriceRank::of(9_999), PriceRank::Low);
    /// assert_eq!(PriceRank::of(10_000), PriceRank::Middle);
    /// assert_eq!(PriceRank::of(1_000_000), PriceRank::High);
    /// ```
    pub fn of(price: i64) -> Self {
        match price {
            ..10_000 => PriceRank::Low,
            10_000..1_000_000 => PriceRank::Middle,
            _ => PriceRank::High,
        }
    }
}

/// How many there are in all, and by rank.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ByRank {
    /// In all.
    pub all: i64,
    /// Of low prices.
    pub low: i64,
    /// Of middling prices.
    pub middle: i64,
    /// Of high prices.
    pub high: i64,
}

impl ByRank {
    /// One of a rank, which is not counted in all.
    pub(super) fn one_of(rank: PriceRank) -> Self {
        let none = ByRank::default();
        match rank {
            PriceRank::Low => ByRank { low: 1, ..none },
            PriceRank::Middle => ByRank { middle: 1, ..none },
            PriceRank::High => ByRank { high: 1, ..none },
        }
    }

    /// One, in all and of the rank of its price.
    pub(super) fn of_price(price: i64) -> Self {
        ByRank { all: 1, ..ByRank::one_of(PriceRank::of(price)) }
    }

    pub(super) fn plus(self, other: ByRank) -> Self {
        ByRank {
            all: self.all + other.all,
            low: self.low + other.low,
            middle: self.middle + other.middle,
            high: self.high + other.high,
        }
    }
}
