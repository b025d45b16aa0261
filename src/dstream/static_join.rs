//! A stream beside rows that are known when the program is built.

use std::collections::BTreeMap;

use tidegate_operators::Record;

use super::DStream;

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// Each record with each of the given rows that has its key: Spark's join of a stream with a
    /// static dataset. What has none is left out.
    ///
    /// Each worker holds the rows; nothing is kept of the stream, and none of it is moved. For rows
    /// that change, [`enrich`](DStream::enrich) from a table.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let named = batches(vec![vec!["tide", "a"]], |words| {
    ///     let lengths = words.map(|word| (word.len() as u64, word));
    ///     lengths.join_static([(1, 'x'), (4, 'y'), (4, 'z')]).values()
    /// });
    /// let (tide, a) = ("tide".to_string(), "a".to_string());
    /// assert_eq!(named, [[(tide.clone(), 'y'), (tide, 'z'), (a, 'x')]]);
    /// ```
    pub fn join_static<W: Record>(
        self,
        rows: impl IntoIterator<Item = (K, W)>,
    ) -> DStream<'s, (K, (V, W))> {
        self.beside_rows(rows, |value, row| row.map(|row| (value, row)))
    }

    /// The same, and each record that has none of the rows, with `None`.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let named = batches(vec![vec!["tide", "a"]], |words| {
    ///     let lengths = words.map(|word| (word.len() as u64, word));
    ///     lengths.left_outer_join_static([(1, 'x')]).values().map(|(_, name)| name)
    /// });
    /// assert_eq!(named, [[None, Some('x')]]);
    /// ```
    pub fn left_outer_join_static<W: Record>(
        self,
        rows: impl IntoIterator<Item = (K, W)>,
    ) -> DStream<'s, (K, (V, Option<W>))> {
        self.beside_rows(rows, |value, row| Some((value, row)))
    }

    /// What `pair` makes of each record and each row of its key, or none if it has none.
    fn beside_rows<W: Record, X: Record>(
        self,
        rows: impl IntoIterator<Item = (K, W)>,
        pair: fn(V, Option<W>) -> Option<X>,
    ) -> DStream<'s, (K, X)> {
        let mut by_key: BTreeMap<K, Vec<W>> = BTreeMap::new();
        for (key, row) in rows {
            by_key.entry(key).or_default().push(row);
        }
        self.flat_map(move |(key, value)| {
            let rows = match by_key.get(&key) {
                Some(rows) => rows.iter().cloned().map(Some).collect(),
                None => vec![None],
            };
            let paired = rows.into_iter().filter_map(|row| pair(value.clone(), row));
            paired.map(|row| (key.clone(), row)).collect::<Vec<_>>()
        })
    }
}
