//! Two streams, side by side under their keys.

use std::marker::PhantomData;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};

use crate::batched::{Batch, BatchOperator, Output, Tap};
use crate::{Chunks, Epoch, Record, order, stable_hash};

/// A value of one of two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side<L, R> {
    /// Of the first stream.
    Left(L),
    /// Of the second one.
    Right(R),
}

/// All values of each key of a batch, those of two streams apart, each in the order of its stream.
///
/// Input must be shipped by key, tags and all. A batch costs its own records; nothing is kept.
///
/// ```
/// use tidegate_operators::keyed::{CoGroup, Side};
/// use tidegate_operators::local::Local;
///
/// let mut both = Local::new(CoGroup::new());
/// let mut rows = both.rows(vec![('a', Side::Left(1)), ('b', Side::Right('x')), ('a', Side::Left(2))]);
/// rows.sort();
/// assert_eq!(rows, [('a', (vec![1, 2], vec![])), ('b', (vec![], vec!['x']))]);
/// ```
pub struct CoGroup<K, V, W> {
    rows: PhantomData<fn(K, V, W)>,
}

impl<K, V, W> Default for CoGroup<K, V, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V, W> CoGroup<K, V, W> {
    /// Groups the values of two streams.
    pub fn new() -> Self {
        CoGroup { rows: PhantomData }
    }
}

impl<T, K, V, W> BatchOperator<T> for CoGroup<K, V, W>
where
    T: Epoch,
    K: Record,
    V: Record,
    W: Record,
{
    type Input = Chunks<(K, Side<V, W>)>;
    type Output = Chunks<(K, (Vec<V>, Vec<W>))>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        let mut groups: HashTable<(K, (Vec<V>, Vec<W>))> = HashTable::new();
        for (key, value) in order::in_stream_order(input) {
            let hash = stable_hash(&key);
            let entry = groups.entry(hash, |group| group.0 == key, |group| stable_hash(&group.0));
            let group = match entry {
                Entry::Occupied(group) => group.into_mut(),
                Entry::Vacant(free) => free.insert((key, (Vec::new(), Vec::new()))).into_mut(),
            };
            match value {
                Side::Left(value) => group.1.0.push(value),
                Side::Right(value) => group.1.1.push(value),
            }
        }
        output.give(Chunks::loose(groups.drain().collect()));
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
