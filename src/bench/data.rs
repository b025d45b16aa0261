//! Input for benches: the same on every machine.

use std::sync::Arc;

use crate::source::Generator;

/// Keys in the order in which they come.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) name: String,
    pub(super) keys: Arc<Vec<u64>>,
}

fn short(number: u64) -> String {
    match number {
        n if n >= 1_000_000 && n.is_multiple_of(1_000_000) => format!("{}M", n / 1_000_000),
        n if n >= 1_000 && n.is_multiple_of(1_000) => format!("{}k", n / 1_000),
        n => n.to_string(),
    }
}

impl Keys {
    fn made(name: &str, distinct: u64, generator: &Generator<u64>, records: u64) -> Self {
        let keys = (0..records).map(|offset| generator.record(0, offset)).collect();
        Keys { name: format!("{name}-{}", short(distinct)), keys: Arc::new(keys) }
    }

    /// `records` keys by Zipf's law over `distinct` keys.
    pub(super) fn zipf(distinct: u64, records: u64) -> Self {
        Self::made("zipf", distinct, &Generator::zipf_keys(distinct, 1), records)
    }

    /// `records` keys, each of `distinct` as likely as the others.
    pub(super) fn uniform(distinct: u64, records: u64) -> Self {
        Self::made("uniform", distinct, &Generator::uniform_keys(distinct, 2), records)
    }
}
