//! Tables against a plain recomputation, for the tests of keyed operators: random rows that come
//! and go, split into batches at random, and an operator that is killed and started again.
//!
//! It finds wrong differences, wrong contents after a restart, and state that is kept too long. It
//! can't find what goes wrong in the exchange.

use std::collections::BTreeMap;

use crate::batched::BatchOperator;
use crate::local::Local;
use crate::{Chunks, Diff};

pub(crate) use crate::check::Numbers;

type Pair = (u64, i64);

/// Checks a table operator after each batch: the differences so far against `expected` of the rows
/// that are there, with how often each is.
pub(crate) fn check_against<R, O>(
    operator: impl Fn() -> O,
    row: impl Fn((Pair, Diff)) -> R,
    expected: impl Fn(&BTreeMap<Pair, i64>) -> BTreeMap<Pair, i64>,
) where
    O: BatchOperator<u64, Input = Chunks<R>, Output = Vec<(Pair, u64, Diff)>>,
{
    for seed in 0..20 {
        let mut numbers = Numbers::new(seed);
        let mut rows: BTreeMap<Pair, i64> = BTreeMap::new();
        let mut found: BTreeMap<Pair, i64> = BTreeMap::new();
        let mut local = Local::new(operator());
        for batch in 0..40 {
            let mut changes = Vec::new();
            for _ in 0..numbers.below(40) {
                let mut pair = (numbers.below(5), numbers.below(12) as i64);
                let goes = numbers.below(2) == 0 && !rows.is_empty();
                if goes {
                    let nth = numbers.below(rows.len() as u64) as usize;
                    pair = rows.keys().nth(nth).copied().unwrap_or(pair);
                }
                let diff = if goes { -1 } else { 1 };
                *rows.entry(pair).or_default() += diff as i64;
                rows.retain(|_, times| *times != 0);
                changes.push(row((pair, diff)));
            }
            for (row, diff) in local.changes(changes) {
                *found.entry(row).or_default() += diff as i64;
            }
            found.retain(|_, times| *times != 0);
            let expected = expected(&rows);
            assert_eq!(found, expected, "seed {seed}, batch {batch}");
            if numbers.below(4) == 0 {
                local = local.restart(operator());
                let mut table: BTreeMap<Pair, i64> = BTreeMap::new();
                for (row, diff) in local.table() {
                    *table.entry(row).or_default() += diff as i64;
                }
                assert_eq!(table, expected, "seed {seed}, restarted after batch {batch}");
            }
        }
        let all = rows.iter().map(|(pair, times)| row((*pair, -times as isize)));
        local.changes(all.collect());
        assert_eq!(local.size().keys, 0, "seed {seed}: state is left when every row has gone");
    }
}
