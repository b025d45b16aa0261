//! Running a program on a recording.

use super::Recording;
use crate::config::{Config, Trigger};
use crate::context::Context;
use crate::engine::{ManualClock, start};
use crate::error::RunError;
use crate::metrics::Summary;

/// Runs a program whose source is [`Recorded`](crate::source::Recorded): each batch has the id, the
/// time and the rows that it was recorded with, whatever the number of workers and the strategy.
/// The interval is that of the recording, and the trigger is not looked at.
///
/// ```
/// use std::sync::Arc;
/// use tidegate::recording::{Recorder, Recording, replay};
/// use tidegate::sink::Memory;
/// use tidegate::source::{Generator, Recorded};
/// use tidegate::{Config, Strategy, Trigger};
///
/// let place = tempfile::tempdir()?;
/// let path = place.path().join("keys.tgr");
/// let config = Config::new("record").trigger(Trigger::AvailableNow).records_per_partition_max(40);
/// let recorder = Recorder::create::<u64>(&path, "count", "made up", config.interval)?;
/// let record = recorder.clone();
/// tidegate::run(config.plan_log(Arc::new(recorder.clone())), move |ctx| {
///     record.record(ctx.source(Generator::uniform_keys(10, 7).records(100)));
/// })?;
/// recorder.finish()?;
///
/// let recording = Recording::open(&path)?;
/// let counts = |workers, strategy| {
///     let (counts, input) = (Memory::new(), recording.clone());
///     let sink = counts.clone();
///     let config = Config::new("replay").workers(workers).strategy(strategy);
///     replay(config, &recording, move |ctx| {
///         let keys = ctx.source(Recorded::<u64>::new(input.clone()));
///         keys.running().count_by_value().snapshots().sink(sink.clone());
///     })
///     .map(|_| counts.batches())
/// };
/// assert_eq!(counts(1, Strategy::HashIndex)?, counts(4, Strategy::Recompute)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If the job can't start, or does not end well.
pub fn replay(
    config: Config,
    recording: &Recording,
    program: impl Fn(Context<'_>) + Send + Sync + 'static,
) -> Result<Summary, RunError> {
    let clock = ManualClock::new();
    let config = config.interval(recording.interval()).trigger(Trigger::Manual(clock.clone()));
    let job = start(config, program)?;
    let mut last = 0;
    for batch in recording.batches() {
        clock.request_as(batch.tick.id, batch.tick.time_ms);
        last = batch.tick.id;
    }
    let stopper = job.stopper();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if clock.wait_through(last) {
                stopper.stop();
            }
        });
        // The clock is told when the job has ended, however it has.
        job.join()
    })
}
