//! The dry run: what a program declares, before anything is opened.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tidegate_operators::{Peers, Tick, stable_hash};
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;
use timely::{WorkerConfig, communication};

use super::build::{Build, Outline, Phase};
use super::control::Control;
use super::registry::Declared;
use crate::batch::BatchId;
use crate::config::Config;
use crate::context::Context;
use crate::error::{BuildError, RunError};
use crate::metrics::{Collector, Reporter};

/// Runs the program once, on a worker that never steps.
pub(super) fn outline(
    config: &Arc<Config>,
    program: &dyn Fn(Context<'_>),
) -> Result<Outline, RunError> {
    let allocator: communication::Allocator = Allocator::Thread(Thread::default());
    let mut worker = Worker::new(WorkerConfig::default(), allocator, None);
    let reporter = Reporter::start(Vec::new())?;
    let mut found = None;
    worker.dataflow::<BatchId, _, _>(|scope| {
        let build = Build {
            ticks: empty::<_, Vec<Tick>>(scope),
            limited_ticks: empty(scope),
            plan: empty(scope),
            config: Arc::clone(config),
            control: Control::new(),
            peers: Peers::new(0, config.peers(), config.workers, config.codecs.clone()),
            phase: Phase::Dry(RefCell::default()),
            errors: RefCell::default(),
            fatal: RefCell::default(),
            names: RefCell::default(),
            cuts: Rc::default(),
            done: Handle::new(),
            collector: Rc::new(RefCell::new(Collector::new(reporter, false, config.peers()))),
            acknowledge: RefCell::default(),
            outputs: Cell::new(0),
            saving: None,
        };
        program(Context::new(scope, &build));
        found = Some(check(build));
    });
    let (names, declared, error) = found.expect("the dataflow was built");
    if let Some(error) = error {
        return Err(error.into());
    }
    let shape = (
        (env!("CARGO_PKG_VERSION"), &config.name, config.workers, config.processes()),
        (config.interval.as_nanos() as u64, format!("{:?}", config.trigger)),
        (&names.sources, &names.sinks, &names.operators),
        (config.strategy.name(), config.codecs.names(), config.checkpoints.is_some()),
    );
    Ok(Outline { fingerprint: stable_hash(&shape), names, declared })
}

fn check(build: Build<'_>) -> (super::build::Names, Declared, Option<BuildError>) {
    let names = build.names.into_inner();
    let declared = match build.phase {
        Phase::Dry(declared) => declared.into_inner(),
        Phase::Real(_) => Declared::default(),
    };
    let mut errors = build.errors.into_inner();
    if names.sources.is_empty() {
        errors.push(BuildError::NoInput);
    }
    if build.outputs.get() == 0 {
        errors.push(BuildError::NoOutput);
    }
    let first = if errors.is_empty() { None } else { Some(errors.swap_remove(0)) };
    (names, declared, first)
}
