//! Opening everything that a job reads and writes, on a thread of its own: a server that does not
//! answer, or a user's sink that waits, does not keep the job from being stopped.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::control::Control;
use super::registry::{Declared, Registry};
use crate::Trigger;
use crate::config::Config;
use crate::error::RunError;
use crate::recovery::Recovery;
use crate::source::Attempt;

/// What is open, with the declarations that it came from.
pub(super) struct Opened {
    pub(super) declared: Declared,
    pub(super) recovery: Option<Arc<Recovery>>,
    pub(super) registry: Registry,
}

/// How often it is looked whether the job is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// What is being opened has so long to give up by itself; then it is left alone.
const GRACE: Duration = Duration::from_secs(1);

/// Opens everything that the workers of this process read and write, at the place where an earlier
/// run has left it.
///
/// # Errors
///
/// What can't be opened, or [`RunError::NotStarted`] if the job is stopped meanwhile.
pub(super) fn open(
    config: &Arc<Config>,
    control: &Arc<Control>,
    declared: Declared,
    recovery: Option<Recovery>,
) -> Result<Opened, RunError> {
    let (done, outcomes) = channel();
    let opening = {
        let (config, control) = (Arc::clone(config), Arc::clone(control));
        move || {
            let all = AssertUnwindSafe(|| open_all(&config, &control, declared, recovery));
            // Whoever waited may have given up.
            let _ = done.send(catch_unwind(all));
        }
    };
    std::thread::Builder::new()
        .name("opening".into())
        .spawn(opening)
        .map_err(|source| RunError::System { what: "start a thread".into(), source })?;
    let is_over = || control.is_stopping() || control.has_failed();
    let why = || control.take_failure().unwrap_or(RunError::NotStarted);
    let mut over_since: Option<Instant> = None;
    loop {
        match outcomes.recv_timeout(LOOK) {
            Ok(Ok(Err(_))) if is_over() => return Err(why()),
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(RecvTimeoutError::Disconnected) => return Err(why()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if is_over() && over_since.get_or_insert_with(Instant::now).elapsed() >= GRACE {
            return Err(why());
        }
    }
}

fn open_all(
    config: &Config,
    control: &Control,
    mut declared: Declared,
    recovery: Option<Recovery>,
) -> Result<Opened, RunError> {
    if let Some(recovery) = &recovery {
        recovery.check(&declared.states)?;
        if let Trigger::Manual(clock) = &config.trigger {
            clock.go_on_at(recovery.past.last().map_or(0, |tick| tick.id));
        }
    }
    let mut registry = Registry::default();
    let is_stopping = || control.is_stopping() || control.has_failed();
    let attempt = Attempt { fail_fast: config.fail_fast, is_stopping: &is_stopping };
    for (index, source) in declared.sources.iter_mut().enumerate() {
        source.open(index, config, recovery.as_ref(), &attempt, &mut registry)?;
    }
    for (index, sink) in declared.sinks.iter_mut().enumerate() {
        if is_stopping() {
            return Err(RunError::NotStarted);
        }
        sink.open(index, config, recovery.as_ref(), &mut registry)?;
    }
    Ok(Opened { declared, recovery: recovery.map(Arc::new), registry })
}
