//! The records of a stream beside what a table says of their keys.

use crate::batched::{Batch, BatchOperator, Output, Route, StateSize, Tap};
use crate::index::Index;
use crate::keyed::cogroup::Side;
use crate::keyed::multisets::{Multiset, Values};
use crate::{Chunks, Diff, Epoch, Record};

/// Each record of a batch with the values that a table has for its key as of that batch.
///
/// Records and the table's differences must be shipped by key. Kept: the table. A batch costs its
/// own records and differences; a change of the table does not go back to earlier records.
///
/// ```
/// use tidegate_operators::keyed::{Enrich, Side};
/// use tidegate_operators::local::Local;
///
/// let mut priced = Local::new(Enrich::new());
/// let rows = priced.rows(vec![('a', Side::Left(7u64)), ('a', Side::Right((3, 1)))]);
/// assert_eq!(rows, [('a', (7, vec![3]))]);
/// let rows = priced.rows(vec![('a', Side::Right((3, -1))), ('a', Side::Left(8))]);
/// assert_eq!(rows, [('a', (8, vec![]))]);
/// ```
pub struct Enrich<K: Record, V, W: Record> {
    table: Index<K, Values<W>>,
    records: std::marker::PhantomData<fn(V)>,
}

impl<K: Record, V, W: Record> Default for Enrich<K, V, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Record, V, W: Record> Enrich<K, V, W> {
    /// Beside an empty table.
    pub fn new() -> Self {
        Enrich { table: Index::new(Values::new()), records: std::marker::PhantomData }
    }
}

impl<T, K, V, W> BatchOperator<T> for Enrich<K, V, W>
where
    T: Epoch,
    K: Record,
    V: Record,
    W: Record,
{
    type Input = Chunks<(K, Side<V, (W, Diff)>)>;
    type Output = Chunks<(K, (V, Vec<W>))>;
    /// A difference of the table.
    type Saved = (K, (W, Diff));

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let (mut changes, mut records) = (Vec::new(), Vec::new());
        for (key, value) in input.into_iter().flat_map(Chunks::into_rows) {
            match value {
                Side::Left(record) => records.push((key, record)),
                Side::Right(change) => {
                    tap.record(|| (key.clone(), change.clone()));
                    changes.push((key, change));
                }
            }
        }
        self.table.apply(changes, |_| {});
        let enriched = records.into_iter().map(|(key, record)| {
            let values = self.table.get(&key).map(Multiset::to_vec).unwrap_or_default();
            (key, (record, values))
        });
        output.give(Chunks::loose(enriched.collect()));
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.table.apply(saved, |_| {});
    }

    fn size(&self) -> StateSize {
        self.table.size()
    }
}
