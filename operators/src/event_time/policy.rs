//! One watermark for several sources.

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::event_time::Reading;
use crate::{Epoch, Record};

/// Which of several sources' watermarks holds for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatermarkPolicy {
    /// The lowest: no source's rows become late by another's. It waits for a source that is idle.
    #[default]
    Min,
    /// The highest: it advances although a source is idle, and drops what that brings later.
    Max,
}

/// The watermark of several sources, by a policy.
///
/// Nothing is kept: each source's own watermark never goes back, so neither does the lowest nor
/// the highest of them.
///
/// ```
/// use tidegate_operators::event_time::{CombineWatermarks, Reading, WatermarkPolicy};
/// use tidegate_operators::local::Local;
///
/// let reading = |now_ms| Reading { previous_ms: 0, now_ms, stats: None };
/// let input = || vec![vec![reading(10), reading(15)]];
/// let mut lowest = Local::new(CombineWatermarks::new(WatermarkPolicy::Min));
/// assert_eq!(lowest.close(input()), [[reading(10)]]);
/// let mut highest = Local::new(CombineWatermarks::new(WatermarkPolicy::Max));
/// assert_eq!(highest.close(input()), [[reading(15)]]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CombineWatermarks {
    policy: WatermarkPolicy,
}

impl CombineWatermarks {
    /// Combines by this policy.
    pub fn new(policy: WatermarkPolicy) -> Self {
        CombineWatermarks { policy }
    }

    fn choose<N: Record>(&self, one: N, other: N) -> N {
        match self.policy {
            WatermarkPolicy::Min => one.min(other),
            WatermarkPolicy::Max => one.max(other),
        }
    }
}

impl<T: Epoch> BatchOperator<T> for CombineWatermarks {
    type Input = Vec<Reading>;
    type Output = Vec<Reading>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Vec<Reading>>,
        output: &mut Output<'_, Vec<Reading>>,
        _tap: &mut Tap<()>,
    ) {
        let combined = input.into_iter().flatten().reduce(|one, other| Reading {
            previous_ms: self.choose(one.previous_ms, other.previous_ms),
            now_ms: self.choose(one.now_ms, other.now_ms),
            stats: match (one.stats, other.stats) {
                (Some(mut stats), Some(others)) => {
                    stats.merge(&others);
                    Some(stats)
                }
                (stats, others) => stats.or(others),
            },
        });
        if let Some(combined) = combined {
            output.give(vec![combined]);
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
