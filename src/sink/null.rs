//! Counts what it is given, and forgets it: the sink of benchmarks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_operators::{Record, Tick};

use super::{Sink, Writer};
use crate::error::SinkError;

/// Forgets rows, but knows how many there were. Clones share the number.
///
/// ```
/// use tidegate::sink::Null;
///
/// assert_eq!(Null::default().rows(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Null {
    rows: Arc<AtomicU64>,
}

impl Null {
    /// How many rows have been written.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

impl<D: Record> Sink<D> for Null {
    fn name(&self) -> String {
        "null".into()
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        Ok(Box::new(self.clone()))
    }
}

impl<D: Record> Writer<D> for Null {
    fn write(&mut self, _tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        self.rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
