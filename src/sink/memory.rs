//! Keeps what it is given: for tests and for looking at results from the same process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tidegate_operators::{Record, Tick};

use super::{Claim, Sink, Writer};
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
    batches: Arc<Mutex<VecDeque<(Tick, Vec<D>)>>>,
    /// How many batches are kept, if not all.
    keep: Option<usize>,
}

/// There has not been a batch yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream has not been initialized: its first batch is still to come")]
pub struct NotInitialized;

impl<D> Clone for Memory<D> {
    fn clone(&self) -> Self {
        Memory { batches: Arc::clone(&self.batches), keep: self.keep }
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
        Memory { batches: Arc::default(), keep: None }
    }

    /// Nothing yet, and later the last `batches` batches: Spark's `remember`.
    pub fn of_last(batches: usize) -> Self {
        Memory { keep: Some(batches), ..Self::new() }
    }
}

impl<D: Clone> Memory<D> {
    /// All batches so far, each with its tick.
    pub fn batches(&self) -> Vec<(Tick, Vec<D>)> {
        lock(&self.batches).iter().cloned().collect()
    }

    /// Forgets all batches so far.
    pub fn clear(&self) {
        lock(&self.batches).clear();
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

    /// The rows of the batches that are kept with times from `from_ms` through `to_ms`, both in
    /// milliseconds: Spark's `slice`.
    ///
    /// # Errors
    ///
    /// If there has not been a batch yet.
    ///
    /// ```
    /// use tidegate::sink::{Memory, NotInitialized};
    /// use tidegate::source::Queue;
    /// use tidegate::{Config, Local};
    ///
    /// let numbers = Queue::<u32>::new(1);
    /// let last = Memory::of_last(2);
    /// let (input, output) = (numbers.clone(), last.clone());
    /// let mut local = Local::start(Config::new("remember"), move |ctx| {
    ///     ctx.source(input.clone()).sink(output.clone());
    /// })
    /// .unwrap();
    /// assert_eq!(last.slice(0, 5000), Err(NotInitialized));
    /// for number in 1..=4 {
    ///     numbers.push([number]);
    ///     local.tick();
    /// }
    /// local.stop().unwrap();
    /// // Batch 3 was cut at 3000 ms.
    /// assert_eq!(last.slice(0, 3000), Ok(vec![3]));
    /// ```
    pub fn slice(&self, from_ms: i64, to_ms: i64) -> Result<Vec<D>, NotInitialized> {
        let batches = lock(&self.batches);
        if batches.is_empty() {
            return Err(NotInitialized);
        }
        let within = batches.iter().filter(|(tick, _)| (from_ms..=to_ms).contains(&tick.time_ms));
        Ok(within.flat_map(|(_, rows)| rows.iter().cloned()).collect())
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
        let mut batches = lock(&self.batches);
        batches.push_back((*tick, rows.to_vec()));
        while self.keep.is_some_and(|keep| batches.len() > keep) {
            batches.pop_front();
        }
        Ok(())
    }

    fn recover(&mut self, _claim: &Claim<'_>) -> Result<Option<u64>, SinkError> {
        Ok(lock(&self.batches).back().map(|(tick, _)| tick.id))
    }
}
