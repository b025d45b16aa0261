//! One watermark for several sources.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::Epoch;
use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::event_time::Reading;

/// Which of several sources' watermarks holds for all of them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum WatermarkPolicy {
    /// The lowest: no source's rows become late by another's. It waits for a
    /// source that has nothing to say, unless that counts as idle.
    #[default]
    Min,
    /// The highest: it advances although a source is idle, and drops what that brings later.
    Max,
}

/// The watermark of several sources, by a policy, on the worker that is its owner; others give
/// nothing.
///
/// A source that is idle does not hold the others back; where all are idle, the highest counts.
/// It never goes back, although one of them may come back behind the others. Kept: one number, and
/// the policy: one that is restored wins over that of the program, since what it has called late
/// stays so.
///
/// ```
/// use tidegate_operators::event_time::{CombineWatermarks, Reading, WatermarkPolicy};
/// use tidegate_operators::local::Local;
///
/// let reading = |now_ms, is_idle| Reading { now_ms, is_idle, ..Reading::default() };
/// let input = |is_idle| vec![vec![reading(10, is_idle), reading(15, false)]];
/// let mut lowest = Local::new(CombineWatermarks::new(WatermarkPolicy::Min, true));
/// assert_eq!(lowest.close(input(false))[0][0].now_ms, 10);
/// assert_eq!(lowest.close(input(true))[0][0].now_ms, 15);
/// assert_eq!(lowest.close(input(false))[0][0].now_ms, 15);
/// let mut highest = Local::new(CombineWatermarks::new(WatermarkPolicy::Max, true));
/// assert_eq!(highest.close(input(false))[0][0].now_ms, 15);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CombineWatermarks {
    policy: WatermarkPolicy,
    is_owner: bool,
    /// The watermark of the last batch.
    now_ms: i64,
    updated: u64,
    /// Whether the policy is in what the tap gave.
    is_fixed: bool,
}

impl CombineWatermarks {
    /// Combines by this policy, unless another one is restored.
    pub fn new(policy: WatermarkPolicy, is_owner: bool) -> Self {
        CombineWatermarks { policy, is_owner, now_ms: 0, updated: 0, is_fixed: false }
    }

    fn choose(&self, readings: &[Reading]) -> Option<i64> {
        let highest = readings.iter().map(|reading| reading.now_ms).max();
        let active = readings.iter().filter(|reading| !reading.is_idle);
        match self.policy {
            WatermarkPolicy::Min => active.map(|reading| reading.now_ms).min().or(highest),
            WatermarkPolicy::Max => highest,
        }
    }
}

impl<T: Epoch> BatchOperator<T> for CombineWatermarks {
    type Input = Vec<Reading>;
    type Output = Vec<Reading>;
    /// The policy, and the watermark of the last batch.
    type Saved = (WatermarkPolicy, i64);

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Vec<Reading>>,
        output: &mut Output<'_, Vec<Reading>>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let readings = input.concat();
        let Some(chosen_ms) = self.choose(&readings).filter(|_| self.is_owner) else { return };
        let stats = readings.iter().filter_map(|reading| reading.stats);
        let stats = stats.reduce(|mut stats, others| {
            stats.merge(&others);
            stats
        });
        let (previous_ms, now_ms) = (self.now_ms, self.now_ms.max(chosen_ms));
        let is_idle = readings.iter().all(|reading| reading.is_idle);
        output.give(vec![Reading { previous_ms, now_ms, stats, is_idle }]);
        self.updated = u64::from(now_ms != previous_ms);
        if now_ms != previous_ms || !self.is_fixed {
            self.now_ms = now_ms;
            self.is_fixed = true;
            tap.record(|| (self.policy, now_ms));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn form() -> SavedForm {
        SavedForm::Rows
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |_, _| Ordering::Equal, |_| false)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        for (policy, now_ms) in saved {
            self.policy = policy;
            self.now_ms = self.now_ms.max(now_ms);
            self.is_fixed = true;
        }
    }

    fn size(&self) -> StateSize {
        let keys = u64::from(self.is_owner);
        StateSize {
            keys,
            bytes: keys * size_of::<(WatermarkPolicy, i64)>() as u64,
            updated: self.updated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Local;

    /// What two sources come to, one of them at `low`, the other at `high`.
    fn read(local: &mut Local<CombineWatermarks>, low: i64, high: i64) -> i64 {
        let reading = |now_ms| Reading { now_ms, ..Reading::default() };
        local.close(vec![vec![reading(low), reading(high)]])[0][0].now_ms
    }

    #[test]
    fn the_policy_of_the_first_run_stays() {
        let new = |policy| CombineWatermarks::new(policy, true);
        let mut local = Local::new(new(WatermarkPolicy::Max));
        assert_eq!(read(&mut local, 10, 15), 15);
        let mut local = local.restart(new(WatermarkPolicy::Min));
        assert_eq!(read(&mut local, 20, 30), 30);
        // It is saved before there is a watermark.
        let mut local = Local::new(new(WatermarkPolicy::Min));
        assert_eq!(read(&mut local, 0, 15), 0);
        let mut local = local.restart(new(WatermarkPolicy::Max));
        assert_eq!(read(&mut local, 20, 30), 20);
    }
}
