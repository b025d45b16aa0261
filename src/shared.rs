//! What a job shares with the program around it: values that it is given, and totals that it gives.

use std::sync::{Arc, Mutex};

use tidegate_operators::Record;

use crate::engine::control::lock;
use crate::sink::Memory;

/// A value that every worker sees, and that may change between batches: Spark's broadcast variable,
/// without the restart.
///
/// Worker 0 reads it when a batch is cut, and tells the others: in each batch all workers see the
/// same value. In a cluster it is process 0 that must set it. Clones share the value.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::{Broadcast, Config, Local};
///
/// let (prices, rate, euros) = (Queue::<i64>::new(1), Broadcast::new(2), Memory::new());
/// let (input, given, output) = (prices.clone(), rate.clone(), euros.clone());
/// let mut local = Local::start(Config::new("convert").workers(2), move |ctx| {
///     ctx.source(input.clone()).map_with(&given, |price, rate| price * rate).sink(output.clone());
/// })
/// .unwrap();
/// prices.push([10, 20]);
/// local.tick();
/// rate.set(3);
/// prices.push([10]);
/// local.tick();
/// local.stop().unwrap();
/// assert_eq!(euros.rows(), [vec![20, 40], vec![30]]);
/// ```
#[derive(Debug)]
pub struct Broadcast<T> {
    /// The value, and how often it has been set.
    current: Arc<Mutex<(u64, T)>>,
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Broadcast { current: Arc::clone(&self.current) }
    }
}

impl<T: Clone> Broadcast<T> {
    /// A value to begin with.
    pub fn new(value: T) -> Self {
        Broadcast { current: Arc::new(Mutex::new((0, value))) }
    }

    /// Another value, from the next batch that is cut.
    pub fn set(&self, value: T) {
        let mut current = lock(&self.current);
        *current = (current.0 + 1, value);
    }

    /// The value, and its version.
    pub(crate) fn current(&self) -> (u64, T) {
        lock(&self.current).clone()
    }
}

/// An aggregate of all records so far, merged over all workers, to be read from outside the job:
/// Spark's accumulator, which here counts each record once, whatever fails and is done again.
///
/// In a cluster it is process 0 that can read it. Clones share the value.
///
/// ```
/// use tidegate::source::Generator;
/// use tidegate::{Accumulator, Config, Sum, Trigger};
///
/// let letters = Accumulator::new();
/// let total = letters.clone();
/// let config = Config::new("count").workers(2).trigger(Trigger::AvailableNow);
/// tidegate::run(config, move |ctx| {
///     let lines = ctx.source(Generator::lines(7).records(100));
///     lines.map(|line| line.len() as i64).accumulate(Sum, &total);
/// })
/// .unwrap();
/// assert!(letters.value().unwrap() > 100);
/// ```
#[derive(Debug)]
pub struct Accumulator<T> {
    last: Memory<T>,
}

impl<T> Clone for Accumulator<T> {
    fn clone(&self) -> Self {
        Accumulator { last: self.last.clone() }
    }
}

impl<T: Record> Default for Accumulator<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Record> Accumulator<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Accumulator { last: Memory::of_last(1) }
    }

    /// The aggregate as of the last batch that is complete; `None` before the first record.
    pub fn value(&self) -> Option<T> {
        self.last.batches().pop()?.1.pop()
    }

    pub(crate) fn sink(&self) -> Memory<T> {
        self.last.clone()
    }
}
