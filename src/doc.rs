//! What the examples in the documentation have in common.

use std::sync::Arc;

use tidegate_operators::Record;

use crate::dstream::DStream;
use crate::engine::{Local, run};
use crate::sink::Memory;
use crate::source::generator::nexmark::NexmarkEvent;
use crate::source::{Generator, Queue};
use crate::{Config, Trigger};

/// Runs a program over batches of words, and gives the rows of each output batch.
///
/// # Panics
///
/// If the program can't run: in an example it can.
pub fn batches<E: Record>(
    input: Vec<Vec<&str>>,
    program: impl for<'s> Fn(DStream<'s, String>) -> DStream<'s, E> + Send + Sync + 'static,
) -> Vec<Vec<E>> {
    let (words, output) = (Queue::new(1), Memory::new());
    let (source, sink, program) = (words.clone(), output.clone(), Arc::new(program));
    let mut local = Local::start(Config::new("example"), move |ctx| {
        program(ctx.source(source.clone())).sink(sink.clone());
    })
    .expect("the example's program can run");
    for batch in input {
        words.push(batch.into_iter().map(str::to_owned));
        local.tick();
    }
    local.stop().expect("the example ends well");
    output.rows()
}

/// Runs a program over the first events of Nexmark, a hundred in each second of their time and in
/// each batch, and gives the rows of each output batch.
///
/// # Panics
///
/// If the program can't run: in an example it can.
pub fn nexmark<E: Record>(
    events: u64,
    program: impl for<'s> Fn(DStream<'s, NexmarkEvent>) -> DStream<'s, E> + Send + Sync + 'static,
) -> Vec<Vec<E>> {
    let output = Memory::new();
    let sink = output.clone();
    let config = Config::new("example").trigger(Trigger::AvailableNow);
    run(config.records_per_partition_max(100), move |ctx| {
        program(ctx.source(Generator::nexmark(100, 7).records(events))).sink(sink.clone());
    })
    .expect("the example runs");
    output.rows()
}
