//! Worker 0's part: it learns from each batch, and says what the next one may take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Backlog, BatchTiming, Limits, RateEstimator};
use crate::config::{Config, Trigger};
use crate::metrics::BatchRecord;
use crate::plan::PlanRow;
use crate::source::Partition;

/// How far a partition was behind when it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lag {
    pub(crate) source: u32,
    pub(crate) partition: u32,
    pub(crate) records: u64,
}

/// Sets the limits of batches.
pub(crate) struct Controller {
    config: Arc<Config>,
    sources: Vec<SourceRate>,
    started: Instant,
    last_cut: Option<Instant>,
}

struct SourceRate {
    estimator: Option<Box<dyn RateEstimator>>,
    /// The newest estimate, in records a second.
    latest: Option<f64>,
    /// Each partition's name, and how far it was behind when it was last cut.
    partitions: BTreeMap<u32, (String, u64)>,
}

impl Controller {
    /// A controller of the sources with these partitions; `None`, if there is nothing to control.
    pub(crate) fn new(config: &Arc<Config>, sources: Vec<Vec<Partition>>) -> Option<Self> {
        if !config.rate_control.is_active() {
            return None;
        }
        let sources = sources.into_iter().map(|partitions| SourceRate {
            estimator: config.rate_control.make_estimator(config.interval),
            latest: None,
            partitions: partitions.into_iter().map(|p| (p.id, (p.name, 0))).collect(),
        });
        Some(Controller {
            config: Arc::clone(config),
            sources: sources.collect(),
            started: Instant::now(),
            last_cut: None,
        })
    }

    /// A batch has been cut: these partitions there are, and so far they are behind.
    pub(crate) fn planned(&mut self, plan: &PlanRow, lags: &[Lag]) {
        for cut in &plan.sources {
            let Some(source) = self.sources.get_mut(cut.source as usize) else { continue };
            for partition in &cut.partitions {
                let name = || (partition.name.clone(), 0);
                source.partitions.entry(partition.partition).or_insert_with(name);
            }
        }
        for lag in lags {
            let source = self.sources.get_mut(lag.source as usize);
            if let Some(known) = source.and_then(|s| s.partitions.get_mut(&lag.partition)) {
                known.1 = lag.records;
            }
        }
    }

    /// A batch is done.
    pub(crate) fn completed(&mut self, record: &BatchRecord) {
        let time_ms = self.started.elapsed().as_secs_f64() * 1e3;
        for (source, took) in self.sources.iter_mut().zip(&record.sources) {
            let batch = BatchTiming {
                time_ms,
                records: (took.rows + took.dead_letters) as i64,
                processing_ms: record.processing_ms,
                scheduling_ms: record.scheduling_delay_ms,
            };
            let estimate = source.estimator.as_mut().and_then(|e| e.estimate(batch));
            source.latest = estimate.or(source.latest);
        }
    }

    /// What the batch that is cut now may take of each source.
    pub(crate) fn limits(&mut self, now: Instant) -> Vec<Limits> {
        let length = self.length(now);
        self.last_cut = Some(now);
        let control = &self.config.rate_control;
        let limits = self.sources.iter().map(|source| {
            let initial = control.initial_rate.filter(|_| source.estimator.is_some());
            let rate = source.latest.or(initial);
            // Nobody was behind at the last cut: who will be now is not known, so all get the same.
            let is_known = source.partitions.values().any(|(_, records)| *records > 0);
            let backlogs: Vec<Backlog<'_>> = source
                .partitions
                .values()
                .map(|(name, records)| Backlog {
                    partition: name,
                    records: if is_known { *records } else { 1 },
                })
                .collect();
            match control.records(&backlogs, rate, length) {
                Some(records) => {
                    let by_partition = source.partitions.keys().copied().zip(records).collect();
                    Limits::by_partition(by_partition, control.min_records_per_partition)
                }
                None => Limits::default(),
            }
        });
        limits.collect()
    }

    /// The time that a batch stands for: an interval, or, without intervals, what has passed.
    fn length(&self, now: Instant) -> Duration {
        let interval = self.config.interval;
        match (&self.config.trigger, self.last_cut) {
            (Trigger::Continuous, Some(last)) => now.saturating_duration_since(last).min(interval),
            _ => interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::SourceRecord;
    use crate::rate::{Pid, RateControl};

    fn controller(control: RateControl) -> Controller {
        let config = Config::new("test").rate_control(control);
        let partition = |id| Partition { id, name: format!("p-{id}") };
        Controller::new(&Arc::new(config), vec![vec![partition(0), partition(1)]]).expect("active")
    }

    fn limits(controller: &mut Controller) -> [Option<u64>; 2] {
        let limits = controller.limits(Instant::now());
        [0, 1].map(|partition| limits[0].of(partition))
    }

    fn done(rows: u64, processing_ms: f64) -> BatchRecord {
        let source = SourceRecord { rows, ..SourceRecord::default() };
        BatchRecord { sources: vec![source], processing_ms, ..BatchRecord::default() }
    }

    #[test]
    fn without_limits_there_is_no_controller() {
        let config = Arc::new(Config::new("test"));
        assert!(Controller::new(&config, vec![]).is_none());
    }

    #[test]
    fn the_initial_rate_holds_until_there_is_an_estimate_which_is_dealt_out_by_lag() {
        let control = RateControl::new().backpressure(Pid { integral: 0.0, ..Pid::default() });
        let mut controller = controller(control.initial_rate(500.0).max_rate_of("p-1", 300.0));
        assert_eq!(limits(&mut controller), [Some(250), Some(250)]);
        controller.completed(&done(500, 500.0));
        assert_eq!(limits(&mut controller), [Some(250), Some(250)], "the first is no estimate");
        // The second batch shows that 2000 records a second can be borne.
        std::thread::sleep(Duration::from_millis(1));
        controller.completed(&done(1000, 500.0));
        let lag = |partition, records| Lag { source: 0, partition, records };
        let plan = PlanRow { tick: Default::default(), sources: Vec::new() };
        controller.planned(&plan, &[lag(0, 3000), lag(1, 1000)]);
        assert_eq!(limits(&mut controller), [Some(1500), Some(300)]);
        controller.planned(&plan, &[lag(0, 4000), lag(1, 0)]);
        assert_eq!(limits(&mut controller), [Some(2000), Some(1)], "a record is always allowed");
    }

    #[test]
    fn a_batch_without_an_interval_takes_what_its_time_is_worth() {
        let control = RateControl::new().max_rate_per_partition(1000.0);
        let config = Config::new("test").trigger(Trigger::Continuous).rate_control(control);
        let partition = Partition { id: 0, name: "p-0".into() };
        let mut controller =
            Controller::new(&Arc::new(config), vec![vec![partition]]).expect("active");
        let now = Instant::now();
        let mut at = |ms| controller.limits(now + Duration::from_millis(ms))[0].of(0);
        assert_eq!([at(0), at(250), at(260), at(9_000)], [1000, 250, 10, 1000].map(Some));
    }
}
