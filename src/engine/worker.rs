//! One worker: it builds the dataflow, and then turns its loop until the job is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidegate_operators::Peers;
use tidegate_operators::join::merge_in_proportion;
use timely::communication::Allocator;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::{Broadcast, Map};
use timely::dataflow::operators::{Input, Inspect, Probe};
use timely::worker::Worker;

use super::build::{Build, Names, Phase, Saving};
use super::conductor::{Conductor, Step};
use super::control::{Control, lock};
use super::registry::Registry;
use super::watchdog::Pulse;
use crate::Trigger;
use crate::batch::{BatchId, Tick};
use crate::config::Config;
use crate::context::Context;
use crate::error::RunError;
use crate::metrics::{Collector, ProgressCounter, Reporter, Summary};
use crate::plan::{self, Plan, PlanLog};
use crate::rate::{Controller, LimitedTick, Limits};
use crate::recovery::{Past, Publisher, Recovery};
use crate::source::Acknowledge;

/// A user's program.
pub(super) type Program = dyn Fn(Context<'_>) + Send + Sync;

/// What all workers of a process are given.
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) control: Arc<Control>,
    pub(super) program: Box<Program>,
    pub(super) registry: Arc<Mutex<Registry>>,
    pub(super) names: Names,
    pub(super) recovery: Option<Arc<Recovery>>,
    pub(super) pulses: Vec<Arc<Pulse>>,
}

/// How long a worker parks at most when nothing is due: so often it looks at flags that nobody
/// woke it for.
const PARK_MAX: Duration = Duration::from_millis(100);

type Ticks = InputHandle<BatchId, CapacityContainerBuilder<Vec<LimitedTick>>>;

/// A built dataflow, as the loop needs it.
struct Built {
    ticks: Ticks,
    done: Handle<BatchId>,
    acknowledge: Vec<Rc<dyn Acknowledge>>,
    collector: Rc<RefCell<Collector>>,
    controller: Rc<RefCell<Option<Controller>>>,
    saving: Option<Saving>,
}

/// Runs a worker until the job is over. Worker 0 has the summary.
pub(super) fn run(allocator: Allocator, shared: &Shared) -> Result<Option<Summary>, RunError> {
    let Shared { config, control, pulses, .. } = shared;
    control.register_worker();
    let mut worker_config = timely::WorkerConfig::default();
    // Arrangements are compacted as the frontier moves, idle ones too.
    merge_in_proportion(&mut worker_config);
    let mut worker = Worker::new(worker_config, allocator, Some(Instant::now()));
    let index = worker.index();
    let local = index % config.workers;
    if config.pin_workers {
        super::pin::pin_to_core(local);
    }
    let built = build(&mut worker, shared)?;
    let stop = stop_everywhere(&mut worker, config, control);
    let mut turner = Turner::new(shared, built, index, stop);
    let pulse = &pulses[local];
    loop {
        if control.has_failed() {
            pulse.end();
            return Ok(None);
        }
        let wait = turner.turn();
        pulse.turn();
        let more = worker.step_or_park(Some(wait.min(PARK_MAX)));
        pulse.stepped();
        if !more {
            break;
        }
    }
    pulse.end();
    Ok(turner.finish())
}

/// Builds the dataflow.
fn build(worker: &mut Worker, shared: &Shared) -> Result<Built, RunError> {
    let Shared { config, control, program, registry, names, recovery, .. } = shared;
    let index = worker.index();
    let is_first = index == 0;
    let listeners = if is_first { config.listeners.clone() } else { Vec::new() };
    let by_wall_clock = Conductor::is_by_wall_clock(config);
    let mut collector = Collector::new(Reporter::start(listeners)?, by_wall_clock, config.peers());
    if is_first && config.counts_progress {
        collector.count_progress(ProgressCounter::listen(worker));
    }
    collector.name(&names.sources, &names.sinks, &names.operators);
    let collector = Rc::new(RefCell::new(collector));
    // Worker 0 says what batches may take.
    let partitions = if is_first { lock(registry).partitions.clone() } else { Vec::new() };
    let controller = is_first.then(|| Controller::new(config, partitions)).flatten();
    let controller = Rc::new(RefCell::new(controller));

    let publisher = match recovery {
        Some(recovery) if is_first => {
            Some(Publisher::start(recovery, names.sources.len(), Arc::clone(control))?)
        }
        _ => None,
    };
    let saving = recovery.as_ref().map(|recovery| Saving {
        recovery: Arc::clone(recovery),
        publisher: Rc::new(RefCell::new(publisher)),
        saved: Handle::new(),
    });
    let mut logs: Vec<Arc<dyn PlanLog>> = Vec::new();
    logs.extend(recovery.iter().map(|recovery| Arc::clone(&recovery.plan_log) as _));
    logs.extend(config.plan_log.clone());
    let past = recovery.iter().flat_map(|recovery| &recovery.past.replay);
    let past = past.map(|row| (row.tick.id, row.clone())).collect();

    worker.dataflow_named::<BatchId, _, _>(&config.name, |scope| {
        let (tick_input, limited_ticks) = scope.new_input::<Vec<LimitedTick>>();
        let limited_ticks = limited_ticks.broadcast();
        let ticks = limited_ticks.clone().map(|limited| limited.tick);
        let cuts = Rc::default();
        let reported = plan::report(ticks.clone(), Rc::clone(&cuts));
        let (desk, control_desk) = (Rc::clone(&collector), Rc::clone(&controller));
        let publisher = saving.as_ref().map(|saving| Rc::clone(&saving.publisher));
        let plan = Plan {
            logs,
            past,
            control: Arc::clone(control),
            planned: Box::new(move |row, lags| {
                if let Some(controller) = &mut *control_desk.borrow_mut() {
                    controller.planned(&row, lags);
                }
                if let Some(publisher) = &publisher
                    && let Some(publisher) = &mut *publisher.borrow_mut()
                {
                    publisher.planned(&row);
                }
                desk.borrow_mut().planned(row);
            }),
        };
        let plan = plan::build(reported, ticks.clone(), plan)?;
        let done = Handle::new();
        // A batch is not done before its ticks and its plan are.
        ticks.clone().probe_with(&done);
        plan.clone().probe_with(&done);
        let build = Build {
            ticks,
            limited_ticks,
            plan,
            config: Arc::clone(config),
            control: Arc::clone(control),
            peers: Peers::new(index, config.peers(), config.workers, config.codecs.clone()),
            phase: Phase::Real(Arc::clone(registry)),
            errors: RefCell::default(),
            fatal: RefCell::default(),
            names: RefCell::default(),
            cuts,
            done: done.clone(),
            collector: Rc::clone(&collector),
            acknowledge: RefCell::default(),
            outputs: Cell::new(0),
            saving: saving.clone(),
        };
        program(Context::new(scope, &build));
        let mut acknowledge = build.acknowledge.take();
        if config.replays_only {
            // Whoever reads on must not be set back.
            acknowledge.clear();
        }
        match build.fatal.take() {
            Some(error) => Err(error),
            None => {
                Ok(Built { ticks: tick_input, done, acknowledge, collector, controller, saving })
            }
        }
    })
}

/// Cuts a batch: its tick, and the end of its time.
fn send(ticks: &mut Ticks, tick: LimitedTick) {
    let id = tick.tick.id;
    ticks.advance_to(id);
    ticks.send(tick);
    ticks.advance_to(id + 1);
}

/// A request to stop, from whichever process it comes, reaches all.
type StopEverywhere = InputHandle<BatchId, CapacityContainerBuilder<Vec<()>>>;

fn stop_everywhere(
    worker: &mut Worker,
    config: &Config,
    control: &Arc<Control>,
) -> Option<StopEverywhere> {
    if config.processes() == 1 {
        return None;
    }
    let control = Arc::clone(control);
    Some(worker.dataflow_named::<BatchId, _, _>("stop", |scope| {
        let (input, stop) = scope.new_input::<Vec<()>>();
        stop.broadcast().inspect(move |()| control.stop());
        input
    }))
}

/// What a worker does between two steps of timely.
struct Turner<'a> {
    shared: &'a Shared,
    /// Closed once the last batch is cut.
    ticks: Option<Ticks>,
    done: Handle<BatchId>,
    acknowledge: Vec<Rc<dyn Acknowledge>>,
    collector: Rc<RefCell<Collector>>,
    /// On worker 0, if rates are limited.
    controller: Rc<RefCell<Option<Controller>>>,
    saving: Option<Saving>,
    /// On worker 0.
    conductor: Option<Conductor>,
    stop: Option<StopEverywhere>,
    stop_seen: bool,
    /// The frontier of what is done, as last seen.
    frontier: Option<BatchId>,
    /// The last batch cut here, or heard of.
    newest: BatchId,
    started: Instant,
}

impl<'a> Turner<'a> {
    fn new(shared: &'a Shared, built: Built, index: usize, stop: Option<StopEverywhere>) -> Self {
        let Built { ticks, done, acknowledge, collector, controller, saving } = built;
        let nothing = Past::default();
        let past = shared.recovery.as_ref().map_or(&nothing, |recovery| &recovery.past);
        let has_more = lock(&shared.registry).has_more;
        let conductor =
            (index == 0).then(|| Conductor::new(Arc::clone(&shared.config), past, has_more));
        if let (Trigger::Manual(clock), true) = (&shared.config.trigger, index == 0) {
            clock.attach(std::thread::current());
        }
        Turner {
            shared,
            // Only worker 0 ticks.
            ticks: conductor.is_some().then_some(ticks),
            done,
            acknowledge,
            collector,
            controller,
            saving,
            conductor,
            stop,
            stop_seen: false,
            frontier: Some(0),
            newest: 0,
            started: Instant::now(),
        }
    }

    /// Does what is due, and says for how long nothing will be.
    fn turn(&mut self) -> Duration {
        let stopping = self.shared.control.is_stopping();
        if stopping && !self.stop_seen {
            self.stop_seen = true;
            self.acknowledge.iter().for_each(|source| source.look_again());
            if let Some(stop) = &mut self.stop {
                stop.send(());
                let next = stop.time() + 1;
                stop.advance_to(next);
            }
        }
        let frontier = self.done.with_frontier(|frontier| frontier.first().copied());
        if frontier != self.frontier {
            self.frontier = frontier;
            self.confirmed(frontier);
        }
        self.publish();
        let wait = self.conduct(stopping);
        if self.frontier.is_none() {
            // Everything is done; the other processes will see it too.
            self.stop = None;
        }
        wait
    }

    /// Every batch before `frontier` is done.
    fn confirmed(&mut self, frontier: Option<BatchId>) {
        let through = frontier.map_or(BatchId::MAX, |frontier| frontier.saturating_sub(1));
        self.acknowledge.iter().for_each(|source| source.acknowledge(through));
        let Some(conductor) = &mut self.conductor else { return };
        conductor.confirmed(frontier);
        let clock = match &self.shared.config.trigger {
            Trigger::Manual(clock) => Some(clock),
            _ => None,
        };
        let mut controller = self.controller.borrow_mut();
        self.collector.borrow_mut().complete(frontier, |record| {
            if let Some(controller) = &mut *controller {
                controller.completed(record);
            }
            if let Some(clock) = clock {
                clock.completed(record);
            }
        });
    }

    /// Publishes the checkpoints that are complete, on worker 0.
    fn publish(&mut self) {
        let Some(saving) = &self.saving else { return };
        let saved = saving.saved.with_frontier(|frontier| frontier.first().copied());
        if let Some(publisher) = &mut *saving.publisher.borrow_mut() {
            publisher.advance(saved, self.frontier);
        }
    }

    fn conduct(&mut self, stopping: bool) -> Duration {
        let (Some(conductor), Some(ticks)) = (&mut self.conductor, &mut self.ticks) else {
            return PARK_MAX;
        };
        let mark = |batch: BatchId| {
            if let Some(saving) = &self.saving
                && let Some(publisher) = &mut *saving.publisher.borrow_mut()
            {
                publisher.mark(batch);
            }
        };
        let is_checkpoint = |conductor: &mut Conductor, tick: &Tick, now| {
            let is_checkpoint = conductor.is_checkpoint(tick, now);
            if is_checkpoint {
                mark(tick.id);
            }
            is_checkpoint
        };
        loop {
            let now = Instant::now();
            let step = {
                let collector = self.collector.borrow();
                conductor.step(now, collector.newest_plan(), stopping)
            };
            match step {
                Step::Replay(row, due) => {
                    let limits = row.sources.iter().map(Limits::planned).collect();
                    let tick = row.tick;
                    let is_checkpoint = is_checkpoint(conductor, &tick, now);
                    let in_flight = conductor.in_flight();
                    self.collector.borrow_mut().cut(tick, due, now, in_flight);
                    self.newest = tick.id;
                    let is_set_aside = conductor.is_set_aside(tick.id);
                    let is_replayed = true;
                    send(
                        ticks,
                        LimitedTick { tick, limits, is_checkpoint, is_replayed, is_set_aside },
                    );
                }
                Step::Cut(tick, due) => {
                    let is_checkpoint = is_checkpoint(conductor, &tick, now);
                    let in_flight = conductor.in_flight();
                    self.collector.borrow_mut().cut(tick, due, now, in_flight);
                    self.newest = tick.id;
                    let limits = match &mut *self.controller.borrow_mut() {
                        Some(controller) => controller.limits(now),
                        None => Vec::new(),
                    };
                    let (is_replayed, is_set_aside) = (false, false);
                    send(
                        ticks,
                        LimitedTick { tick, limits, is_checkpoint, is_replayed, is_set_aside },
                    );
                }
                Step::Wait(time) => return time.unwrap_or(PARK_MAX),
                Step::Over => {
                    conductor.unsaved().into_iter().for_each(mark);
                    self.ticks = None;
                    return PARK_MAX;
                }
            }
        }
    }

    /// The dataflow has completed: nothing is left to do but to tell.
    fn finish(mut self) -> Option<Summary> {
        self.confirmed(None);
        self.frontier = None;
        self.publish();
        self.acknowledge.iter().for_each(|source| source.finish());
        self.conductor.as_ref()?;
        let ran_for = self.started.elapsed();
        let Turner { collector, done, acknowledge, .. } = self;
        drop((done, acknowledge));
        // The dataflow is gone, and with it whoever else had a hold of the desk.
        let collector = Rc::try_unwrap(collector).ok()?;
        Some(collector.into_inner().finish(ran_for))
    }
}
