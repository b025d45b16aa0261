//! Time and difference, fixed: the one place where Tidegate says that batches are numbered with
//! `u64` and that differences are `isize`.

use differential_dataflow::VecCollection;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::{Stream, StreamVec};

use tidegate_operators::{Chunks, Tag};
pub use tidegate_operators::{Diff, Tick};

/// The number of a batch: ticks of the batch clock since the start of the job, never reused. The
/// first batch is 1.
pub type BatchId = u64;

/// A timely stream of chunks of rows, at batches.
pub type ChunkStream<'s, D> = Stream<'s, BatchId, Chunks<D>>;

/// A timely stream of rows, at batches.
pub type RowStream<'s, D> = StreamVec<'s, BatchId, D>;

/// A differential collection, at batches.
pub type Collection<'s, D> = VecCollection<'s, BatchId, D, Diff>;

/// Rows of keyed results are dealt to this many partitions, whatever the number of workers.
pub(crate) const KEYED_PARTITIONS: u32 = 16;

/// The tag of the rows of one key group in one batch: what puts keyed results in an order that
/// does not depend on the number of workers.
pub(crate) fn keyed_tag(batch: BatchId, group: u64) -> Tag {
    Tag {
        lane: 0,
        partition: (group % u64::from(KEYED_PARTITIONS)) as u32,
        sequence: (batch << 10) | group,
    }
}

/// Applies a function to each container.
pub(crate) fn chunkwise<'s, D: 'static, E: 'static>(
    rows: ChunkStream<'s, D>,
    name: &str,
    mut logic: impl FnMut(Chunks<D>) -> Chunks<E> + 'static,
) -> ChunkStream<'s, E> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, name, move |_, _| {
        move |input, output| {
            input.for_each(|time, chunks| {
                let mut result = logic(std::mem::take(chunks));
                if !result.is_empty() {
                    output.session_with_builder(&time).give_container(&mut result);
                }
            });
        }
    })
}
