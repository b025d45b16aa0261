//! Arranging: rows come to the worker that owns them, and are indexed there.

use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::{
    ContainerChunker, KeyBatcher, KeyBuilder, KeySpine, ValBatcher, ValBuilder, ValSpine,
};
use differential_dataflow::trace::{BatchReader, Navigable, Trace, TraceReader};
use differential_dataflow::{AsCollection, VecCollection};
use serde::Serialize;
use timely::container::NoopBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::progress::Timestamp;
use timely::progress::frontier::AntichainRef;

use crate::batched::{Load, Report, StateSize};
use crate::{Chunks, Diff, Peers, Record, ship};

/// Pairs, sorted by key and then by value.
pub type PairArrangement<'s, T, K, V> = Arranged<'s, TraceAgent<ValSpine<K, V, T, Diff>>>;

/// Rows that are their own keys, sorted.
pub type KeyArrangement<'s, T, K> = Arranged<'s, TraceAgent<KeySpine<K, T, Diff>>>;

/// Brings every update of a collection to the worker that owns its key.
///
/// ```
/// use differential_dataflow::input::Input;
/// use tidegate_operators::{Peers, codec::Codecs, join};
///
/// timely::execute_directly(|worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
///         let rows = scope.new_collection_from([3u64, 5]).1;
///         join::brought(rows, &peers, "by row", |row| row).inspect(|(row, _, diff)| {
///             assert!([3, 5].contains(row) && *diff == 1);
///         });
///     });
/// });
/// ```
pub fn brought<'s, T, D, Q>(
    rows: VecCollection<'s, T, D, Diff>,
    peers: &Peers,
    name: &str,
    key: impl Fn(&D) -> &Q + 'static,
) -> VecCollection<'s, T, D, Diff>
where
    T: Timestamp + Lattice,
    D: Record,
    Q: Serialize + ?Sized,
{
    if peers.count() == 1 {
        return rows;
    }
    let chunks = rows.inner.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Chunk", |_, _| {
        |input, output| {
            input.for_each(|time, updates| {
                let mut chunks = Chunks::loose(std::mem::take(updates));
                output.session_with_builder(&time).give_container(&mut chunks);
            });
        }
    });
    let owners = peers.clone();
    let shipped = ship::ship(chunks, peers, name, move |(row, _, _): &(D, T, Diff)| {
        owners.owner_of_key(key(row))
    });
    shipped
        .unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Unchunk", |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let mut updates = std::mem::take(chunks).into_rows();
                    if !updates.is_empty() {
                        output.session_with_builder(&time).give_container(&mut updates);
                    }
                });
            }
        })
        .as_collection()
}

/// Arranges pairs by key.
///
/// Kept: every distinct pair, with how often it is there, at the times that can still be told
/// apart. A batch costs its own differences, sorted, and now and then a share of a merge.
pub fn by_key<'s, T, K, V>(
    rows: VecCollection<'s, T, (K, V), Diff>,
    peers: &Peers,
    name: &str,
) -> PairArrangement<'s, T, K, V>
where
    T: Timestamp + Lattice,
    K: Record,
    V: Record,
{
    let rows = brought(rows, peers, name, |(key, _)| key);
    arrange_core::<
        _,
        _,
        ContainerChunker<Vec<((K, V), T, Diff)>>,
        ValBatcher<K, V, T, Diff>,
        ValBuilder<K, V, T, Diff>,
        ValSpine<K, V, T, Diff>,
    >(rows.inner, Pipeline, &format!("Arrange: {name}"))
}

/// Arranges whole rows.
///
/// Kept: every distinct row, with how often it is there.
pub fn by_row<'s, T, D>(
    rows: VecCollection<'s, T, D, Diff>,
    peers: &Peers,
    name: &str,
) -> KeyArrangement<'s, T, D>
where
    T: Timestamp + Lattice,
    D: Record,
{
    let rows = brought(rows, peers, name, |row| row).map(|row| (row, ()));
    arrange_core::<
        _,
        _,
        ContainerChunker<Vec<((D, ()), T, Diff)>>,
        KeyBatcher<D, T, Diff>,
        KeyBuilder<D, T, Diff>,
        KeySpine<D, T, Diff>,
    >(rows.inner, Pipeline, &format!("Arrange: {name}"))
}

/// The same collection, each row on the worker that owns it, with no two differences of a row at
/// the same time. Nothing is kept from one time to the next.
pub fn consolidated<'s, T, D>(
    rows: VecCollection<'s, T, D, Diff>,
    peers: &Peers,
    name: &str,
) -> VecCollection<'s, T, D, Diff>
where
    T: Timestamp + Lattice,
    D: Record,
{
    by_row(rows, peers, name).as_collection(|row, ()| row.clone())
}

/// Measures an arrangement whenever it has grown; an update takes `update_bytes`.
///
/// Holds a handle of the trace, which lets go of everything up to the last batch seen.
pub fn arranged_reports<'s, Tr>(
    arranged: &Arranged<'s, TraceAgent<Tr>>,
    update_bytes: usize,
) -> StreamVec<'s, Tr::Time, Report>
where
    Tr: Trace<Time: Timestamp, Batch: Navigable> + 'static,
{
    let mut gauge = gauge(arranged, update_bytes);
    let batches = arranged.stream.clone();
    batches.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Size", move |_, _| {
        move |input, output| {
            input.for_each(|time, batches| {
                let Some(last) = batches.last() else { return };
                let updated = batches.iter().map(|batch| batch.len() as u64).sum();
                let size = StateSize { updated, ..gauge(last.upper().borrow()) };
                // What is indexed is what came in.
                let load = Load { rows: updated, ..Load::default() };
                output.session_with_builder(&time).give_container(&mut vec![Report { size, load }]);
            });
        }
    })
}

/// What measures an arrangement when it is called, and lets go of everything before the frontier
/// that it is given; an update takes `update_bytes`.
///
/// It must be called now and then: it holds a handle of the trace.
pub fn gauge<Tr>(
    arranged: &Arranged<'_, TraceAgent<Tr>>,
    update_bytes: usize,
) -> impl FnMut(AntichainRef<'_, Tr::Time>) -> StateSize + use<Tr>
where
    Tr: Trace<Time: Timestamp, Batch: Navigable> + 'static,
{
    let update_bytes = update_bytes as u64;
    let mut trace = arranged.trace.clone();
    move |through| {
        trace.set_logical_compaction(through);
        trace.set_physical_compaction(through);
        let mut rows = 0;
        trace.map_batches(|batch| rows += batch.len() as u64);
        // A trace keeps keys, values, times and differences in columns of their own.
        StateSize { keys: rows, bytes: rows * update_bytes, updated: 0 }
    }
}
