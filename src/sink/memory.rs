//! Keeps what it is given: for tests and for looking at results from the same process.

use std::sync::{Arc, Mutex};

use tidegate_operators::{Record, Tick};

use super::{Sink, Writer};
use crate::engine::control::lock;
use crate::error::SinkError;

/// Keeps every batch. Clones share what is kept.
///
/// ```
/// use tidegate::{Config, Local};
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
///
/// let numbers = Queue::<u32>::new(1);
/// let doubled = Memory::new();
/// let (input, output) = (numbers.clone(), doubled.clone());
/// let mut local = Local::start(Config::new("double"), move |ctx| {
///     ctx.source(input.clone()).map(|n| n * 2).sink(output.clone());
/// })
/// .unwrap();
///
/// numbers.push([1, 2]);
/// local.tick();
/// local.stop().unwrap();
/// assert_eq!(doubled.rows_of(1), [2, 4]);
/// ```
#[derive(Debug)]
pub struct Memory<D> {
    batches: Arc<Mutex<Vec<(Tick, Vec<D>)>>>,
}

impl<D> Clone for Memory<D> {
    fn clone(&self) -> Self {
        Memory { batches: Arc::clone(&self.batches) }
    }
}

impl<D> Default for Memory<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> Memory<D> {
    /// Nothing yet.
    pub fn new() -> Self {
        Memory { batches: Arc::default() }
    }
}

impl<D: Clone> Memory<D> {
    /// All batches so far, each with its tick.
    pub fn batches(&self) -> Vec<(Tick, Vec<D>)> {
        lock(&self.batches).clone()
    }

    /// The rows of each batch so far.
    pub fn rows(&self) -> Vec<Vec<D>> {
        lock(&self.batches).iter().map(|(_, rows)| rows.clone()).collect()
    }

    /// The rows of one batch; none, if there was no such batch.
    pub fn rows_of(&self, batch: u64) -> Vec<D> {
        let batches = lock(&self.batches);
        let found = batches.iter().find(|(tick, _)| tick.id == batch);
        found.map(|(_, rows)| rows.clone()).unwrap_or_default()
    }
}

impl<D: Record> Sink<D> for Memory<D> {
    fn name(&self) -> String {
        "memory".into()
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        Ok(Box::new(self.clone()))
    }
}

impl<D: Record> Writer<D> for Memory<D> {
    fn write(&mut self, tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        lock(&self.batches).push((*tick, rows.to_vec()));
        Ok(())
    }
}
