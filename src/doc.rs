//! What the examples in the documentation have in common.

use std::sync::Arc;

use tidegate_operators::Record;

use crate::Config;
use crate::dstream::DStream;
use crate::engine::Local;
use crate::sink::Memory;
use crate::source::Queue;

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
