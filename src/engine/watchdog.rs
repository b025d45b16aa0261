//! Watches that the workers' loops turn.
//!
//! It judges loops, not frontiers: a batch may wait for a broker for as long as it takes, and the
//! loop still turns. A loop that stands still for five seconds is stuck; inside a timely step, where
//! an operator may be busy with a large batch, it is given as long as the configuration says. A loop
//! that has not begun is not judged: its worker is building the dataflow, and restores its state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::control::Control;
use crate::error::RunError;

/// A worker's sign of life.
#[derive(Default)]
pub(super) struct Pulse {
    turns: AtomicU64,
    in_step: AtomicBool,
    ended: AtomicBool,
}

impl Pulse {
    /// The loop turns, and is about to step.
    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.in_step.store(true, Ordering::Relaxed);
    }

    /// The step is over.
    pub(super) fn stepped(&self) {
        self.in_step.store(false, Ordering::Relaxed);
    }

    /// The loop has ended, and need not turn any more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// How long a loop may stand still, outside and inside of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) in_loop: Duration,
    pub(super) in_step: Duration,
}

/// Outside of a step nothing takes long: a loop that stands still there for so long is stuck.
const IN_LOOP_MAX: Duration = Duration::from_secs(5);

impl Patience {
    /// `timeout` inside of a step, and no more outside.
    pub(super) fn up_to(timeout: Duration) -> Self {
        Patience { in_loop: timeout.min(IN_LOOP_MAX), in_step: timeout }
    }
}

const GLANCE: Duration = Duration::from_millis(250);

/// Watches for as long as it lives.
pub(super) struct Watchdog {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches the workers of a process, whose first has the index `first`.
    pub(super) fn start(
        first: usize,
        pulses: Vec<Arc<Pulse>>,
        patience: Patience,
        control: Arc<Control>,
    ) -> Result<Self, RunError> {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = std::thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || watch(first, &pulses, patience, &control, &ended))
            .map_err(|source| RunError::System { what: "start the watchdog".into(), source })?;
        Ok(Watchdog { over, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn watch(
    first: usize,
    pulses: &[Arc<Pulse>],
    patience: Patience,
    control: &Control,
    over: &AtomicBool,
) {
    let mut seen: Vec<(u64, Instant)> = pulses.iter().map(|_| (0, Instant::now())).collect();
    let mut glanced = Instant::now();
    while !over.load(Ordering::SeqCst) {
        std::thread::park_timeout(GLANCE);
        let now = Instant::now();
        // If the watchdog itself was stopped (with the whole process, by SIGSTOP), nobody is to
        // blame for having stood still meanwhile.
        if now.duration_since(glanced) > GLANCE * 8 {
            seen.iter_mut().for_each(|(_, since)| *since = now);
        }
        glanced = now;
        for (index, (pulse, (turns, since))) in pulses.iter().zip(&mut seen).enumerate() {
            let current = pulse.turns.load(Ordering::Relaxed);
            // Before its first turn a worker reads what is saved, which takes as long as it takes.
            if current == 0 || current != *turns || pulse.ended.load(Ordering::Relaxed) {
                (*turns, *since) = (current, now);
                continue;
            }
            let in_operator = pulse.in_step.load(Ordering::Relaxed);
            let limit = if in_operator { patience.in_step } else { patience.in_loop };
            let stalled_for = now.duration_since(*since);
            if stalled_for > limit {
                let worker = first + index;
                return control.fail(RunError::WorkerStalled { worker, stalled_for, in_operator });
            }
        }
    }
}
