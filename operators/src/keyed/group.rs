//! All values of each key of a batch.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::{Chunks, Epoch, Record, order, stable_hash};

/// The values of each key of a batch, in the order of the stream.
///
/// Input must be shipped by key, tags and all.
///
/// ```
/// use tidegate_operators::keyed::GroupByKey;
/// use tidegate_operators::local::Local;
///
/// let mut groups = Local::new(GroupByKey::new());
/// assert_eq!(groups.rows(vec![('a', 2), ('a', 1)]), [('a', vec![2, 1])]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupByKey<K, V> {
    pairs: std::marker::PhantomData<fn(K, V)>,
}

impl<K, V> GroupByKey<K, V> {
    /// Groups pairs.
    pub fn new() -> Self {
        GroupByKey { pairs: std::marker::PhantomData }
    }
}

impl<T, K, V> BatchOperator<T> for GroupByKey<K, V>
where
    T: Epoch,
    K: Record,
    V: Record,
{
    type Input = Chunks<(K, V)>;
    type Output = Chunks<(K, Vec<V>)>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        output.give(Chunks::loose(group(order::in_stream_order(input)).drain().collect()));
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}

/// The values of each key, in the order of the rows.
pub(super) fn group<K: Record, V>(rows: Vec<(K, V)>) -> HashTable<(K, Vec<V>)> {
    let mut groups: HashTable<(K, Vec<V>)> = HashTable::new();
    for (key, value) in rows {
        let hash = stable_hash(&key);
        match groups.entry(hash, |group| group.0 == key, |group| stable_hash(&group.0)) {
            Entry::Occupied(mut group) => group.get_mut().1.push(value),
            Entry::Vacant(free) => {
                free.insert((key, vec![value]));
            }
        }
    }
    groups
}
