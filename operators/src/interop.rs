//! From timely's streams of rows to streams of chunks, and back.

use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::{Stream, StreamVec};

use crate::{Chunks, Epoch, Tag};

/// Makes a stream of chunks of a timely stream of rows.
///
/// The rows of one worker become one partition, in the order in which they come: what follows
/// depends on how the caller spread the rows over the workers.
///
/// ```
/// use tidegate_operators::interop;
/// use timely::dataflow::operators::{Inspect, ToStream};
///
/// timely::execute_directly(|worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let chunks = interop::chunked((0..3).to_stream(scope));
///         interop::rows(chunks).inspect_batch(|_, rows| assert_eq!(*rows, [0, 1, 2]));
///     });
/// });
/// ```
pub fn chunked<'s, T: Epoch, D: 'static>(stream: StreamVec<'s, T, D>) -> Stream<'s, T, Chunks<D>> {
    let partition = stream.scope().index() as u32;
    stream.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Chunked", move |_, _| {
        let mut sequence = 0;
        move |input, output| {
            input.for_each(|time, rows| {
                let rows = std::mem::take(rows);
                let tag = Tag { lane: 0, partition, sequence };
                sequence += rows.len() as u64;
                output.session_with_builder(&time).give_container(&mut Chunks::of(tag, rows));
            });
        }
    })
}

/// Forgets the chunks: a timely stream of rows, in no particular order.
pub fn rows<'s, T: Epoch, D: 'static>(stream: Stream<'s, T, Chunks<D>>) -> StreamVec<'s, T, D> {
    stream.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Rows", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let mut rows = std::mem::take(chunks).into_rows();
                if !rows.is_empty() {
                    output.session_with_builder(&time).give_container(&mut rows);
                }
            });
        }
    })
}
