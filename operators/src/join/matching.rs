//! The joins of two arrangements.

use differential_dataflow::VecCollection;
use differential_dataflow::lattice::Lattice;
use timely::progress::Timestamp;

use super::{KeyArrangement, PairArrangement};
use crate::{Diff, Record};

/// Every pair of values that two collections have under the same key.
///
/// A row that is there `m` times on one side and `n` times on the other is there `m * n` times.
/// Kept: nothing but the arrangements. A batch costs, for each difference of a side, the other
/// side's values of its key.
pub fn inner<'s, T, K, V, W>(
    left: PairArrangement<'s, T, K, V>,
    right: PairArrangement<'s, T, K, W>,
) -> VecCollection<'s, T, (K, (V, W)), Diff>
where
    T: Timestamp + Lattice,
    K: Record,
    V: Record,
    W: Record,
{
    left.join_core(right, |key, value, other| Some((key.clone(), (value.clone(), other.clone()))))
}

/// The pairs whose key is in `keys`, as often as it is there.
///
/// Kept: nothing but the arrangements. A batch costs its own differences, and all values of each
/// key that came or went.
pub fn semi<'s, T, K, V>(
    left: PairArrangement<'s, T, K, V>,
    keys: KeyArrangement<'s, T, K>,
) -> VecCollection<'s, T, (K, V), Diff>
where
    T: Timestamp + Lattice,
    K: Record,
    V: Record,
{
    left.join_core(keys, |key, value, ()| Some((key.clone(), value.clone())))
}

/// The pairs whose key is not in `keys`, which has each key at most once.
///
/// Kept and spent: what [`semi`] does. A pair and its withdrawal may travel one after the other.
pub fn anti<'s, T, K, V>(
    left: PairArrangement<'s, T, K, V>,
    keys: KeyArrangement<'s, T, K>,
) -> VecCollection<'s, T, (K, V), Diff>
where
    T: Timestamp + Lattice,
    K: Record,
    V: Record,
{
    let all = left.clone().as_collection(|key, value| (key.clone(), value.clone()));
    all.concat(semi(left, keys).negate())
}
