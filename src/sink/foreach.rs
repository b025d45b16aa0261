//! Calls a function with each batch.

use tidegate_operators::{Record, Tick};

use super::{Sink, Writer};
use crate::error::SinkError;

/// Calls a function once for each batch, with all of its rows, on a thread of its own.
///
/// A batch is shown again, under the same id, if a job is restarted before the batch was recorded
/// as done: functions with an effect outside should be idempotent by batch id.
///
/// ```
/// use tidegate::sink::{ForeachBatch, Sink};
///
/// let sink = ForeachBatch::new(|tick: &tidegate::Tick, rows: &[u32]| {
///     println!("{} rows in batch {}", rows.len(), tick.id);
///     Ok(())
/// });
/// assert_eq!(Sink::<u32>::name(&sink), "foreach_batch");
/// ```
pub struct ForeachBatch<F> {
    function: F,
}

impl<F> ForeachBatch<F> {
    /// Calls `function`; an error from it ends the job.
    pub fn new<D>(function: F) -> Self
    where
        F: FnMut(&Tick, &[D]) -> Result<(), SinkError> + Clone + Send + 'static,
    {
        ForeachBatch { function }
    }
}

impl<D, F> Sink<D> for ForeachBatch<F>
where
    D: Record,
    F: FnMut(&Tick, &[D]) -> Result<(), SinkError> + Clone + Send + 'static,
{
    fn name(&self) -> String {
        "foreach_batch".into()
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        Ok(Box::new(Caller { function: self.function.clone() }))
    }
}

struct Caller<F> {
    function: F,
}

impl<D, F> Writer<D> for Caller<F>
where
    F: FnMut(&Tick, &[D]) -> Result<(), SinkError> + Send,
{
    fn write(&mut self, tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        (self.function)(tick, rows)
    }
}
