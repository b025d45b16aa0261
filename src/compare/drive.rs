//! Running a mode, one batch after the other.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tidegate_operators::Record;

use super::input::Input;
use super::mode::Mode;
use crate::engine::{ManualClock, start};
use crate::error::RunError;
use crate::metrics::BatchRecord;
use crate::{Config, Table, Trigger};

/// A batch that is done.
pub(super) struct Done<'a> {
    /// Its place among the batches of the input, from 0.
    pub(super) number: usize,
    pub(super) record: &'a BatchRecord,
    /// How long all threads of this process have computed meanwhile.
    pub(super) cpu: Duration,
}

/// No batch of a comparison takes so long.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Runs a mode on the input, each batch when the one before is done, for as long as `each` wants
/// more; `end` says what becomes of the table.
pub(super) fn drive<D: Record, R: Record>(
    input: &Input<D>,
    mode: &Mode<D, R>,
    workers: usize,
    end: impl Fn(Table<'_, R>) + Send + Sync + 'static,
    mut each: impl FnMut(Done<'_>) -> bool,
) -> Result<(), RunError> {
    let (clock, loader) = (ManualClock::new(), input.loader());
    let config = Config::new("compare")
        .workers(workers.max(1))
        .interval(input.interval())
        .strategy(mode.strategy)
        // Computing anew may take its time.
        .stall_timeout(TIMEOUT)
        .trigger(Trigger::Manual(clock.clone()));
    let (source, program) = (loader.clone(), mode.program.clone());
    let job = start(config, move |ctx| end(program(ctx.source(source.clone()))))?;
    for (number, batch) in input.batches.iter().enumerate() {
        loader.load(batch);
        let before = computed();
        clock.request_as(batch.id, batch.time_ms);
        let Some(record) = clock.wait(batch.id, TIMEOUT) else { break };
        let cpu = computed().saturating_sub(before);
        if !each(Done { number, record: &record, cpu }) {
            break;
        }
    }
    job.stop();
    job.join().map(|_| ())
}

/// How long all threads of this process have computed so far.
pub(super) fn computed() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
