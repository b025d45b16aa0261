//! Where plans are written.

use std::io;

use super::PlanRow;

/// A place where the plan of each batch is written before any sink commits the batch.
///
/// ```
/// use std::sync::Mutex;
/// use tidegate::plan::{PlanLog, PlanRow};
///
/// /// Remembers plans: for tests.
/// #[derive(Default)]
/// struct Remember(Mutex<Vec<PlanRow>>);
/// impl PlanLog for Remember {
///     fn append(&self, row: &PlanRow) -> std::io::Result<()> {
///         self.0.lock().unwrap().push(row.clone());
///         Ok(())
///     }
/// }
///
/// let plans = Remember::default();
/// plans.append(&PlanRow { tick: Default::default(), sources: vec![] }).unwrap();
/// assert_eq!(plans.0.lock().unwrap().len(), 1);
/// ```
pub trait PlanLog: Send + Sync {
    /// Writes a row. It counts as written when this returns, so it must be durable by then.
    ///
    /// Called in the order of batches, on a thread of the plan's own.
    ///
    /// # Errors
    ///
    /// If the row may not be durable. It ends the job.
    fn append(&self, row: &PlanRow) -> io::Result<()>;
}
