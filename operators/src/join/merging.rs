//! When an arrangement is tidied up although nothing comes in.
//!
//! A trace is a few batches of updates, each some times as large as the next. Differential merges
//! them as updates come in, at a cost in proportion to those. What it does beyond that is decided
//! here: an idle arrangement must not keep rows that have long been taken back, and a busy one
//! must not be rewritten, in every round of an iteration, for the sake of the few updates that the
//! last round brought.

use std::sync::Arc;

use differential_dataflow::trace::ExertionLogic;
use timely::WorkerConfig;

/// As many updates' worth of merging is done each time an arrangement is scheduled.
const EFFORT: usize = 1000;

/// So many updates in all are always merged: it costs next to nothing.
const SMALL: usize = 1000;

/// Smaller batches are merged into the largest once they have this part of its updates.
const PART: usize = 8;

/// Makes a worker merge its arrangements in proportion to what there is to be gained: what is kept
/// in excess of one batch of updates stays below an eighth.
///
/// ```
/// use tidegate_operators::join::merge_in_proportion;
///
/// let mut config = timely::WorkerConfig::default();
/// merge_in_proportion(&mut config);
/// ```
pub fn merge_in_proportion(config: &mut WorkerConfig) {
    let logic: ExertionLogic = Arc::new(|layers| is_worth_it(layers).then_some(EFFORT));
    config.set("differential/default_exert_logic".to_owned(), logic);
}

/// Whether to merge, by the layers of a trace: index, number of batches, number of updates.
fn is_worth_it(layers: &[(usize, usize, usize)]) -> bool {
    let (mut total, mut largest) = (0, 0);
    for (_, batches, updates) in layers {
        if *batches > 1 {
            // What is begun is finished: until then both batches and their merge are kept.
            return true;
        }
        total += updates;
        largest = largest.max(*updates);
    }
    let others = total - largest;
    others > 0 && (total <= SMALL || others * PART >= largest)
}

#[cfg(test)]
mod tests {
    use super::is_worth_it;

    #[test]
    fn a_large_batch_is_left_alone_for_a_few_updates() {
        let single = |updates: usize| (0, 1, updates);
        assert!(!is_worth_it(&[]));
        assert!(!is_worth_it(&[single(100_000), (0, 0, 0)]));
        assert!(!is_worth_it(&[single(100_000), single(10), single(3)]));
        assert!(is_worth_it(&[single(100_000), single(12_000), single(600)]));
        assert!(is_worth_it(&[single(900), single(1)]));
        assert!(is_worth_it(&[(0, 2, 100_000), single(3)]));
    }
}
