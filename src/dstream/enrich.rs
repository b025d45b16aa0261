//! A stream beside a table.

use tidegate_operators::keyed::{Enrich, Side};
use tidegate_operators::{Chunks, Record};
use timely::dataflow::operators::Concat;

use super::{DStream, RowOrder};
use crate::batch::chunkwise;
use crate::table::Table;

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// Each record with all values that a table has for its key as of the record's batch.
    ///
    /// The table may change with every batch: what has been given is not taken back. For a join
    /// that follows the table's changes, join two tables.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// // How often each word has been seen, itself included.
    /// let seen = batches(vec![vec!["tide"], vec!["tide", "gate"]], |words| {
    ///     let so_far = words.clone().running().count_by_value();
    ///     words.map(|word| (word, ())).enrich(so_far).map_values(|((), times)| times)
    /// });
    /// let (tide, gate) = ("tide".to_string(), "gate".to_string());
    /// assert_eq!(seen, [vec![(tide.clone(), vec![1])], vec![(gate, vec![1]), (tide, vec![2])]]);
    /// ```
    pub fn enrich<W: Record>(self, table: Table<'s, (K, W)>) -> DStream<'s, (K, (V, Vec<W>))> {
        let (ctx, options) = (self.ctx, self.options.clone());
        let changes = chunkwise(table.changes_by(|(key, _)| key), "Changes", |changes| {
            let rows = changes.into_rows().into_iter();
            let rows = rows.map(|((key, value), diff)| (key, Side::Right((value, diff))));
            Chunks::loose(rows.collect())
        });
        let records = chunkwise(self.clone().shipped_by_key(), "Records", |records| {
            records.map(|(key, value)| (key, Side::Left(value)))
        });
        let enriched =
            ctx.attach_derived("enrich", &options, records.concat(changes), Enrich::new());
        self.ordered(enriched, RowOrder::by_key())
    }
}
