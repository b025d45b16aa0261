//! Operations on the values of pairs, which leave keys and order as they are.

use tidegate_operators::Record;

use super::{DStream, Order, RowOrder};

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// Another value for each value.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let pairs = batches(vec![vec!["tide"]], |words| {
    ///     words.map(|word| (word, 1i64)).map_values(|one| one + 1)
    /// });
    /// assert_eq!(pairs, [[("tide".to_string(), 2)]]);
    /// ```
    pub fn map_values<W>(self, logic: impl FnMut(V) -> W + 'static) -> DStream<'s, (K, W)>
    where
        W: Record,
    {
        let mut logic = logic;
        let (order, stream) = (self.order_of_pairs(), self.clone());
        let chunks = self
            .chunkwise("MapValues", move |chunks| chunks.map(|(key, value)| (key, logic(value))));
        stream.with_chunks(chunks, order)
    }

    /// Any number of values for each value, under the same key.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let pairs = batches(vec![vec!["tide"]], |words| {
    ///     words.map(|word| (word, 1i64)).flat_map_values(|n| [n, n + 10])
    /// });
    /// assert_eq!(pairs, [[("tide".to_string(), 1), ("tide".to_string(), 11)]]);
    /// ```
    pub fn flat_map_values<I>(
        self,
        logic: impl FnMut(V) -> I + 'static,
    ) -> DStream<'s, (K, I::Item)>
    where
        I: IntoIterator,
        I::Item: Record,
    {
        let mut logic = logic;
        let (order, stream) = (self.order_of_pairs(), self.clone());
        let chunks = self.chunkwise("FlatMapValues", move |chunks| {
            chunks.flat_map(|(key, value)| {
                let values = logic(value).into_iter();
                values.map(|value| (key.clone(), value)).collect::<Vec<_>>()
            })
        });
        stream.with_chunks(chunks, order)
    }

    /// The values alone.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let ones = batches(vec![vec!["tide"]], |words| words.map(|word| (word, 1i64)).values());
    /// assert_eq!(ones, [[1]]);
    /// ```
    pub fn values(self) -> DStream<'s, V> {
        self.map(|(_, value)| value)
    }

    /// The keys alone.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let words = batches(vec![vec!["tide"]], |words| words.map(|word| (word, 1i64)).keys());
    /// assert_eq!(words, [["tide"]]);
    /// ```
    pub fn keys(self) -> DStream<'s, K> {
        self.map(|(key, _)| key)
    }

    /// Pairs that were in the order of their keys still are, whatever their values have become.
    fn order_of_pairs<W: Record>(&self) -> Order<(K, W)> {
        match self.order {
            Order::Tags => Order::Tags,
            Order::Rows(_) => Order::Rows(RowOrder::by_key()),
        }
    }
}
