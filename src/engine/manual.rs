//! A clock that somebody else moves.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::control::lock;
use crate::batch::BatchId;
use crate::metrics::BatchRecord;

/// A batch clock that ticks when it is told to: for tests, and for whoever cuts batches by rules
/// of their own. Clones are the same clock.
///
/// [`Local`](crate::Local) has one inside; use it on its own where a job is started by
/// [`start`](crate::start).
#[derive(Clone, Default)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Each with its batch time, if that is not to be counted from the clock's beginning.
    requested: VecDeque<(BatchId, Option<i64>)>,
    newest: BatchId,
    records: BTreeMap<BatchId, BatchRecord>,
    completed: BatchId,
    over: bool,
    worker: Option<Thread>,
}

impl ManualClock {
    /// A clock that has not ticked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the next batch, without waiting for it, and gives its id. `skipped` ids before it
    /// will be no batches, as under overload.
    pub fn request(&self, skipped: u64) -> BatchId {
        let mut state = lock(&self.shared.state);
        state.newest += 1 + skipped;
        let id = state.newest;
        state.requested.push_back((id, None));
        if let Some(worker) = &state.worker {
            worker.unpark();
        }
        id
    }

    /// Asks for a batch with this id and batch time, without waiting for it. Ids rise.
    pub(crate) fn request_as(&self, id: BatchId, time_ms: i64) {
        let mut state = lock(&self.shared.state);
        assert!(id > state.newest, "batch {id} was asked for behind batch {}", state.newest);
        state.newest = id;
        state.requested.push_back((id, Some(time_ms)));
        if let Some(worker) = &state.worker {
            worker.unpark();
        }
    }

    /// Waits until all batches through this one are done, and says whether they are: the job may
    /// have ended before.
    pub(crate) fn wait_through(&self, batch: BatchId) -> bool {
        let mut state = lock(&self.shared.state);
        while state.completed < batch && !state.over {
            let waited = self.shared.changed.wait(state);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        state.completed >= batch
    }

    /// Waits until a batch is done: all sinks have confirmed it. `None`, if the job ended first or
    /// `timeout` has passed.
    pub fn wait(&self, batch: BatchId, timeout: Duration) -> Option<BatchRecord> {
        let deadline = Instant::now() + timeout;
        let mut state = lock(&self.shared.state);
        while state.completed < batch && !state.over {
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        state.records.get(&batch).cloned()
    }

    /// An earlier run has come to this batch: the next one is behind it.
    pub(super) fn go_on_at(&self, batch: BatchId) {
        let mut state = lock(&self.shared.state);
        state.newest = state.newest.max(batch);
    }

    /// The worker that looks at the clock, to be woken by it.
    pub(super) fn attach(&self, worker: Thread) {
        lock(&self.shared.state).worker = Some(worker);
    }

    pub(super) fn take_request(&self) -> Option<(BatchId, Option<i64>)> {
        lock(&self.shared.state).requested.pop_front()
    }

    pub(super) fn completed(&self, record: &BatchRecord) {
        let mut state = lock(&self.shared.state);
        state.completed = state.completed.max(record.batch);
        state.records.insert(record.batch, record.clone());
        // Whoever asks does so soon.
        while state.records.len() > 1024 {
            state.records.pop_first();
        }
        self.shared.changed.notify_all();
    }

    /// The job has ended: nobody need wait any more.
    pub(super) fn over(&self) {
        lock(&self.shared.state).over = true;
        self.shared.changed.notify_all();
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("newest", &lock(&self.shared.state).newest).finish()
    }
}
