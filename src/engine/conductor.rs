//! Who cuts a batch, and when: worker 0's clock and admission.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tidegate_operators::Tick;

use crate::batch::BatchId;
use crate::config::{Config, Trigger};
use crate::plan::PlanRow;
use crate::recovery::Past;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Cut this batch, which was due at this time.
    Cut(Tick, Instant),
    /// Cut this batch as it was planned.
    Replay(PlanRow, Instant),
    /// Nothing, for at most this long, if nothing else happens.
    Wait(Option<Duration>),
    /// No batch will be cut any more.
    Over,
}

/// Decides about ticks.
pub(super) struct Conductor {
    config: Arc<Config>,
    /// When the first interval began, and its batch time.
    started: Instant,
    origin_ms: i64,
    previous: BatchId,
    /// The last batch of an earlier run.
    past: BatchId,
    /// Whether there was more than the earlier run has planned when this one began.
    has_more: bool,
    /// Whether this run has cut a batch, as planned or of its own.
    has_cut: bool,
    in_flight: Vec<BatchId>,
    /// When the last batch was cut, for triggers that go by it.
    last_cut: Instant,
    /// How long to wait for the next batch when the last one was empty.
    pause: Duration,
    over: bool,
    /// What an earlier run has planned: it is cut again as it was.
    replay: VecDeque<PlanRow>,
    /// Batches that no start could get through.
    aside: BTreeSet<BatchId>,
    /// How often the state is saved, if it is, and when that was begun last.
    checkpoint_every: Option<Duration>,
    last_checkpoint: Instant,
    unsaved: Option<BatchId>,
}

/// Pauses between empty batches double up to this.
const PAUSE_MAX: Duration = Duration::from_millis(10);

impl Conductor {
    pub(super) fn new(config: Arc<Config>, past: &Past, has_more: bool) -> Self {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let since_1970 = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Intervals are aligned to the wall clock, as Spark aligns them.
        let into_interval =
            Duration::from_nanos((since_1970.as_nanos() % config.interval.as_nanos()) as u64);
        let mut started = now.checked_sub(into_interval).unwrap_or(now);
        let by_wall = matches!(config.trigger, Trigger::Interval | Trigger::Continuous);
        let mut origin_ms = match config.batch_time_origin_ms {
            Some(origin) => origin,
            None if by_wall => (since_1970 - into_interval).as_millis() as i64,
            None => 0,
        };
        let last = past.last().filter(|_| Self::is_by_wall_clock(&config));
        if let (Some(last), Trigger::Interval) = (last, &config.trigger) {
            // Intervals go on counting from where they began, the time between included. A clock
            // that was set back does not stop the job: the next interval is due at once.
            let passed = config.interval.as_millis() as i64 * last.id as i64;
            let age_ms = (since_1970.as_millis() as i64 - (last.time_ms - passed)).max(passed);
            origin_ms = last.time_ms - passed;
            let age = Duration::from_millis(age_ms as u64);
            started = now.checked_sub(age).unwrap_or(started);
        }
        Conductor {
            checkpoint_every: config.checkpoints.as_ref().map(|checkpoints| checkpoints.every),
            config,
            started,
            origin_ms,
            past: past.last().map_or(0, |tick| tick.id),
            has_more,
            has_cut: false,
            previous: past.as_of().map_or(0, |tick| tick.id),
            in_flight: Vec::new(),
            last_cut: now,
            pause: Duration::ZERO,
            over: false,
            replay: past.replay.iter().cloned().collect(),
            aside: past.aside.clone(),
            last_checkpoint: now,
            unsaved: None,
        }
    }

    /// Whether batch times come from the wall clock.
    pub(super) fn is_by_wall_clock(config: &Config) -> bool {
        config.batch_time_origin_ms.is_none()
            && matches!(config.trigger, Trigger::Interval | Trigger::Continuous)
    }

    /// Whether no start could get through a batch.
    pub(super) fn is_set_aside(&self, batch: BatchId) -> bool {
        self.aside.contains(&batch)
    }

    /// The number of batches cut but not confirmed.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Every batch before `frontier` is confirmed; all of them, if there is none.
    pub(super) fn confirmed(&mut self, frontier: Option<BatchId>) {
        self.in_flight.retain(|id| frontier.is_some_and(|frontier| *id >= frontier));
    }

    /// What to do at `now`, knowing the newest plan row.
    pub(super) fn step(&mut self, now: Instant, plan: Option<&PlanRow>, stopping: bool) -> Step {
        if self.over {
            return Step::Over;
        }
        if !self.replay.is_empty() && !stopping {
            if self.in_flight.len() >= self.config.in_flight_max {
                return Step::Wait(None);
            }
            if let Some(row) = self.replay.pop_front() {
                self.previous = row.tick.id;
                self.has_cut = true;
                self.in_flight.push(row.tick.id);
                self.last_cut = now;
                return Step::Replay(row, now);
            }
        }
        if stopping && !self.replay.is_empty() {
            // What is planned waits for the next start.
            self.over = true;
            return Step::Over;
        }
        if self.config.replays_only {
            self.over = true;
            return Step::Over;
        }
        let newest = plan.filter(|plan| plan.tick.id == self.previous);
        let manual = matches!(self.config.trigger, Trigger::Manual(_));
        // What was exhausted in an earlier run may have more by now.
        let exhausted = match self.previous > self.past {
            true => newest.is_some_and(PlanRow::is_exhausted),
            false => !self.has_more,
        } && !manual;
        if exhausted || (stopping && (manual || self.config.fills_batches())) {
            // What stopping leaves open in a batch that waits for records is cut by the sources.
            self.over = true;
            return Step::Over;
        }
        if self.in_flight.len() >= self.config.in_flight_max {
            return Step::Wait(None);
        }
        if stopping {
            // The open batch: what has come since the last cut.
            self.over = true;
            return self.cut(self.previous + 1, now, now, true);
        }
        match &self.config.trigger {
            Trigger::Interval => {
                let elapsed = now.saturating_duration_since(self.started);
                let due = (elapsed.as_nanos() / self.config.interval.as_nanos()) as BatchId;
                if due > self.previous {
                    return self.cut(due, now, self.due(due), false);
                }
                Step::Wait(Some(self.due(self.previous + 1).saturating_duration_since(now)))
            }
            Trigger::Continuous => {
                let Some(plan) = newest else {
                    return if !self.has_cut {
                        self.cut(self.previous + 1, now, now, false)
                    } else {
                        Step::Wait(None)
                    };
                };
                let next = self.last_cut + self.pause;
                if now < next {
                    return Step::Wait(Some(next - now));
                }
                self.pause = if plan.records() == 0 {
                    (self.pause * 2).clamp(Duration::from_millis(1), PAUSE_MAX)
                } else {
                    Duration::ZERO
                };
                self.cut(self.previous + 1, now, now, false)
            }
            Trigger::Count { .. } | Trigger::AvailableNow => {
                // Only the plan of the last batch says whether there is another one.
                if self.has_cut && newest.is_none() {
                    return Step::Wait(None);
                }
                self.cut(self.previous + 1, now, now, false)
            }
            Trigger::Manual(clock) => match clock.take_request() {
                Some((id, time_ms)) => {
                    let mut step = self.cut(id, now, now, false);
                    if let (Step::Cut(tick, _), Some(time_ms)) = (&mut step, time_ms) {
                        tick.time_ms = time_ms;
                    }
                    step
                }
                None => Step::Wait(None),
            },
        }
    }

    /// Whether the state is saved at the batch that is cut now.
    pub(super) fn is_checkpoint(&mut self, tick: &Tick, now: Instant) -> bool {
        let Some(every) = self.checkpoint_every else { return false };
        let is_due = now.saturating_duration_since(self.last_checkpoint) >= every;
        if is_due {
            self.last_checkpoint = now;
        }
        self.unsaved = (!is_due).then_some(tick.id);
        is_due
    }

    /// The newest batch, unless it is a checkpoint already: if it is the last, it becomes one.
    pub(super) fn unsaved(&self) -> Option<BatchId> {
        self.unsaved
    }

    fn due(&self, id: BatchId) -> Instant {
        let nanos = self.config.interval.as_nanos() * u128::from(id);
        self.started + Duration::from_nanos(nanos as u64)
    }

    fn cut(&mut self, id: BatchId, now: Instant, due: Instant, last: bool) -> Step {
        let after = (self.config.interval.as_nanos() * u128::from(id)) / 1_000_000;
        let wall = Self::is_by_wall_clock(&self.config)
            && matches!(self.config.trigger, Trigger::Continuous);
        let time_ms = if wall {
            // Without intervals a batch's time is when it was cut.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_millis() as i64
        } else {
            self.origin_ms + after as i64
        };
        let tick = Tick { id, previous: self.previous, time_ms, last };
        self.previous = id;
        self.has_cut = true;
        self.in_flight.push(id);
        self.last_cut = now;
        Step::Cut(tick, due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ManualClock;
    use crate::plan::{PartitionCut, SourceCut};

    fn conductor(trigger: Trigger, in_flight_max: usize) -> Conductor {
        let config = Config::new("test")
            .interval(Duration::from_millis(10))
            .trigger(trigger)
            .in_flight_max(in_flight_max)
            .batch_time_origin_ms(0);
        let mut conductor = Conductor::new(Arc::new(config), &Past::default(), true);
        conductor.started = Instant::now();
        conductor
    }

    fn plan(id: BatchId, rows: u64, exhausted: bool) -> PlanRow {
        let cut = PartitionCut {
            partition: 0,
            name: "p-0".into(),
            from: 0,
            to: rows,
            rows,
            dead: 0,
            bytes: 0,
            hash: 0,
        };
        let source = SourceCut { source: 0, partitions: vec![cut], exhausted };
        PlanRow { tick: Tick { id, ..Tick::default() }, sources: vec![source] }
    }

    fn at(conductor: &Conductor, ms: u64) -> Instant {
        conductor.started + Duration::from_millis(ms)
    }

    fn id_of(step: Step) -> Option<(BatchId, BatchId)> {
        match step {
            Step::Cut(tick, _) => Some((tick.id, tick.previous)),
            Step::Replay(..) | Step::Wait(_) | Step::Over => None,
        }
    }

    #[test]
    fn an_interval_ticks_when_it_is_due_and_not_before() {
        let mut conductor = conductor(Trigger::Interval, 4);
        let (early, due) = (at(&conductor, 4), at(&conductor, 10));
        assert_eq!(conductor.step(early, None, false), Step::Wait(Some(due - early)));
        let Step::Cut(tick, was_due) = conductor.step(due, None, false) else { panic!("due") };
        assert_eq!((tick.id, tick.previous, tick.time_ms), (1, 0, 10));
        assert_eq!(was_due, due);
        assert!(matches!(conductor.step(due, None, false), Step::Wait(Some(_))));
    }

    #[test]
    fn overload_skips_ticks_instead_of_queueing_them() {
        let mut conductor = conductor(Trigger::Interval, 2);
        let times: Vec<Instant> = [10, 20, 30, 75].map(|ms| at(&conductor, ms)).to_vec();
        assert_eq!(id_of(conductor.step(times[0], None, false)), Some((1, 0)));
        assert_eq!(id_of(conductor.step(times[1], None, false)), Some((2, 1)));
        // Two in flight is the limit: nothing is cut until one is confirmed.
        assert_eq!(conductor.step(times[2], None, false), Step::Wait(None));
        assert_eq!(conductor.step(times[3], None, false), Step::Wait(None));
        conductor.confirmed(Some(2));
        assert_eq!(id_of(conductor.step(times[3], None, false)), Some((7, 2)));
    }

    #[test]
    fn stopping_cuts_the_open_batch_and_no_more() {
        let mut conductor = conductor(Trigger::Interval, 2);
        let now = at(&conductor, 3);
        let Step::Cut(tick, _) = conductor.step(now, None, true) else { panic!("the open batch") };
        assert!(tick.last && tick.id == 1);
        assert_eq!(conductor.step(now, None, true), Step::Over);
    }

    #[test]
    fn counting_triggers_wait_for_each_plan_and_end_with_the_input() {
        let mut conductor = conductor(Trigger::AvailableNow, 4);
        let now = at(&conductor, 0);
        assert_eq!(id_of(conductor.step(now, None, false)), Some((1, 0)));
        assert_eq!(conductor.step(now, None, false), Step::Wait(None));
        let (first, second) = (plan(1, 5, false), plan(2, 3, true));
        assert_eq!(id_of(conductor.step(now, Some(&first), false)), Some((2, 1)));
        assert_eq!(conductor.step(now, Some(&first), false), Step::Wait(None));
        assert_eq!(conductor.step(now, Some(&second), false), Step::Over);
    }

    #[test]
    fn a_continuous_trigger_pauses_after_empty_batches() {
        let mut conductor = conductor(Trigger::Continuous, 4);
        let now = Instant::now();
        assert_eq!(id_of(conductor.step(now, None, false)), Some((1, 0)));
        assert_eq!(id_of(conductor.step(now, Some(&plan(1, 0, false)), false)), Some((2, 1)));
        assert!(matches!(
            conductor.step(now, Some(&plan(2, 0, false)), false),
            Step::Wait(Some(pause)) if pause <= Duration::from_millis(1)
        ));
        let later = now + Duration::from_millis(5);
        assert_eq!(id_of(conductor.step(later, Some(&plan(2, 9, false)), false)), Some((3, 2)));
        assert_eq!(id_of(conductor.step(later, Some(&plan(3, 9, false)), false)), Some((4, 3)));
    }

    #[test]
    fn a_manual_clock_ticks_on_request_and_may_skip() {
        let clock = ManualClock::new();
        let mut conductor = conductor(Trigger::Manual(clock.clone()), 4);
        let now = Instant::now();
        assert_eq!(conductor.step(now, None, false), Step::Wait(None));
        clock.request(0);
        clock.request(2);
        assert_eq!(id_of(conductor.step(now, None, false)), Some((1, 0)));
        assert_eq!(id_of(conductor.step(now, None, false)), Some((4, 1)));
        assert_eq!(conductor.step(now, None, true), Step::Over);
    }
}
