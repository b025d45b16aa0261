//! What workloads read: how records of each type are decoded, and made up.

use std::sync::Arc;

use tidegate::Record;
use tidegate::source::Generator;
use tidegate::source::generator::nexmark::NexmarkEvent;
use tidegate::source::generator::{AdActivity, AdEvent, Click};
use tidegate::workloads::{Edge, LabelledPoint, Point};

use crate::cli::learning::made_up_weights;

/// What a workload reads: how a record is decoded, and made up.
pub trait Input: Record {
    fn decode(bytes: &[u8]) -> Result<Self, String>;
    /// Records made up from a seed; those with times of their own may go by how many come a second.
    fn generator(seed: u64, rate: f64) -> Generator<Self>;
}

impl Input for String {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("no UTF-8: {error}"))?;
        Ok(text.to_owned())
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::lines(seed)
    }
}

impl Input for Click {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no click: {error}"))
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::clicks(10_000, 100, seed)
    }
}

impl Input for AdEvent {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no ad event: {error}"))
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::ads(100, seed)
    }
}

impl Input for AdActivity {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no activity on an ad: {error}"))
    }

    fn generator(seed: u64, rate: f64) -> Generator<Self> {
        Generator::ad_activity(rate as u64, seed)
    }
}

impl Input for NexmarkEvent {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no event of Nexmark: {error}"))
    }

    fn generator(seed: u64, rate: f64) -> Generator<Self> {
        Generator::nexmark(rate as u64, seed)
    }
}

impl Input for Edge {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no edge `[from, to]`: {error}"))
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::edges(1_000, seed)
    }
}

impl Input for Point {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("no point `[x, y, ...]`: {error}"))
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::points(3, 2, seed)
    }
}

impl Input for LabelledPoint {
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| {
            format!("no labelled point `{{\"label\": y, \"features\": [x, ...]}}`: {error}")
        })
    }

    fn generator(seed: u64, _rate: f64) -> Generator<Self> {
        Generator::labelled(made_up_weights(2), 0.1, seed)
    }
}

/// Records of which more is asked than that they can be decoded.
#[derive(Clone)]
pub struct Made<D> {
    whole: Arc<dyn Fn(&D) -> Result<(), String> + Send + Sync>,
    pub(super) generator: Arc<dyn Fn(u64, f64) -> Generator<D> + Send + Sync>,
}

impl<D: Input> Made<D> {
    /// Records that are `whole`, or are dead letters; and how they are made up.
    pub fn new(
        whole: impl Fn(&D) -> Result<(), String> + Send + Sync + 'static,
        generator: impl Fn(u64, f64) -> Generator<D> + Send + Sync + 'static,
    ) -> Self {
        Made { whole: Arc::new(whole), generator: Arc::new(generator) }
    }

    /// All that can be decoded.
    pub fn any() -> Self {
        Made::new(|_| Ok(()), D::generator)
    }

    pub(super) fn decode(&self, bytes: &[u8]) -> Result<D, String> {
        let record = D::decode(bytes)?;
        (self.whole)(&record).map(|()| record)
    }
}
