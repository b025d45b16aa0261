//! Any part of a program, as a step of it.

use tidegate_operators::Record;

use super::DStream;
use crate::context::Context;

impl<'s, D: Record> DStream<'s, D> {
    /// What `function` makes of this stream: for steps that are written once and used often.
    ///
    /// Spark calls the function anew for each batch, so that what it joins with may change. Here
    /// the program is built once; what changes between batches is a table
    /// ([`enrich`](DStream::enrich)).
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// use tidegate::DStream;
    ///
    /// fn shouted(words: DStream<'_, String>) -> DStream<'_, String> {
    ///     words.map(|word| word.to_uppercase())
    /// }
    /// let words = batches(vec![vec!["tide"]], |words| words.transform(shouted));
    /// assert_eq!(words, [["TIDE"]]);
    /// ```
    pub fn transform<X>(self, function: impl FnOnce(DStream<'s, D>) -> X) -> X {
        function(self)
    }

    /// What `function` makes of this stream and another one.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let words = batches(vec![vec!["tide"]], |words| {
    ///     words.clone().transform_with(words, |left, right| left.union(right))
    /// });
    /// assert_eq!(words, [["tide", "tide"]]);
    /// ```
    pub fn transform_with<E: Record, X>(
        self,
        other: DStream<'s, E>,
        function: impl FnOnce(DStream<'s, D>, DStream<'s, E>) -> X,
    ) -> X {
        function(self, other)
    }
}

impl<'s> Context<'s> {
    /// The records of all streams: those of the first one first; `None` of no stream.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let words = batches(vec![vec!["tide"]], |words| {
    ///     let louder = words.clone().map(|word| format!("{word}!"));
    ///     words.context().union([words, louder]).unwrap()
    /// });
    /// assert_eq!(words, [["tide", "tide!"]]);
    /// ```
    pub fn union<D: Record>(
        self,
        streams: impl IntoIterator<Item = DStream<'s, D>>,
    ) -> Option<DStream<'s, D>> {
        streams.into_iter().reduce(DStream::union)
    }

    /// What `function` makes of several streams.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let words = batches(vec![vec!["tide"]], |words| {
    ///     let ctx = words.context();
    ///     ctx.transform(vec![words.clone(), words], |streams| ctx.union(streams).unwrap())
    /// });
    /// assert_eq!(words, [["tide", "tide"]]);
    /// ```
    pub fn transform<D: Record, X>(
        self,
        streams: Vec<DStream<'s, D>>,
        function: impl FnOnce(Vec<DStream<'s, D>>) -> X,
    ) -> X {
        function(streams)
    }
}
