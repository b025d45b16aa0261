//! What is computed of all values of a key, on arrangements: for times that are only partly
//! ordered, where no hash index can stand in.

use differential_dataflow::VecCollection;
use differential_dataflow::lattice::Lattice;
use differential_dataflow::trace::implementations::{KeyBuilder, KeySpine, ValBuilder, ValSpine};
use timely::progress::Timestamp;

use super::{KeyArrangement, PairArrangement, by_row};
use crate::{Diff, Peers, Record};

/// Each row once, for as long as it is there at all.
///
/// Kept: every distinct row twice, as it comes and as it is given. A batch costs its own
/// differences.
///
/// ```
/// use differential_dataflow::input::Input;
/// use tidegate_operators::{Peers, codec::Codecs, join};
///
/// timely::execute_directly(|worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
///         let rows = scope.new_collection_from([3u64, 3]).1;
///         join::distinct(rows, &peers, "once")
///             .as_collection(|row, ()| *row)
///             .inspect(|(row, _, diff)| assert_eq!((*row, *diff), (3, 1)));
///     });
/// });
/// ```
pub fn distinct<'s, T, D>(
    rows: VecCollection<'s, T, D, Diff>,
    peers: &Peers,
    name: &str,
) -> KeyArrangement<'s, T, D>
where
    T: Timestamp + Lattice,
    D: Record,
{
    by_row(rows, peers, name)
        .reduce_abelian::<_, KeyBuilder<D, T, Diff>, KeySpine<D, T, Diff>, _, _>(
            &format!("Distinct: {name}"),
            |_row, times, results| {
                if times.iter().any(|(_, times)| *times > 0) {
                    results.push(((), 1));
                }
            },
            |updates, row, rows| {
                updates.clear();
                updates.extend(rows.drain(..).map(|((), at, diff)| ((row.clone(), ()), at, diff)));
            },
        )
}

/// What `logic` makes of each key's values, which come in order with how often each is there; a
/// key without any value has no result.
///
/// Kept: the results, beside the arrangement. A batch costs all values of each key that it touches.
pub fn reduce<'s, T, K, V, W>(
    pairs: PairArrangement<'s, T, K, V>,
    name: &str,
    mut logic: impl FnMut(&K, &[(&V, Diff)], &mut Vec<(W, Diff)>) + 'static,
) -> PairArrangement<'s, T, K, W>
where
    T: Timestamp + Lattice,
    K: Record,
    V: Record,
    W: Record,
{
    pairs.reduce_abelian::<_, ValBuilder<K, W, T, Diff>, ValSpine<K, W, T, Diff>, _, _>(
        &format!("Reduce: {name}"),
        move |key, values, results| logic(key, values, results),
        |updates, key, rows| {
            updates.clear();
            updates.extend(rows.drain(..).map(|(out, at, diff)| ((key.clone(), out), at, diff)));
        },
    )
}
