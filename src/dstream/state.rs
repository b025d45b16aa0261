//! A user's own state by key.

use tidegate_operators::Record;
use tidegate_operators::keyed::{ReplayState, Update, UpdateState};

use super::DStream;
use crate::config::Strategy;
use crate::table::Table;

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// Keeps a state for each key, which `update` makes anew in every batch: for every key that
    /// is known or has values, as Spark's `updateStateByKey` does. A key for which it gives
    /// `None` is forgotten.
    ///
    /// The values of a batch come in the order of the stream. `initial` are states to begin with:
    /// `[]` for none. Kept: one state per key. A batch costs a call for each key there is.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["a"], vec!["b", "a"], vec![]], |words| {
    ///     words
    ///         .map(|word| (word, 1i64))
    ///         .update_state_by_key([], |update, state: Option<i64>| {
    ///             Some(state.unwrap_or(0) + update.values.iter().sum::<i64>())
    ///         })
    ///         .snapshots()
    /// });
    /// let (a, b) = ("a".to_string(), "b".to_string());
    /// let both = vec![(a.clone(), 2), (b, 1)];
    /// assert_eq!(counts, [vec![(a, 1)], both.clone(), both]);
    /// ```
    pub fn update_state_by_key<S>(
        self,
        initial: impl IntoIterator<Item = (K, S)>,
        update: impl FnMut(Update<'_, K, V>, Option<S>) -> Option<S> + Clone + 'static,
    ) -> Table<'s, (K, S)>
    where
        S: Record,
    {
        let (ctx, options, slide) = (self.ctx, self.options.clone(), self.slide);
        let peers = ctx.peers();
        let owned: Vec<(K, S)> = initial
            .into_iter()
            .filter(|(key, _)| peers.owner_of_key(key) == peers.index())
            .collect();
        let shipped = self.shipped_by_key();
        match ctx.strategy(&options) {
            Strategy::HashIndex | Strategy::Arrangement => {
                let operator = UpdateState::new(owned, update);
                let states = ctx.attach("update_state_by_key", &options, shipped, operator);
                Table::keyed(ctx, states, slide)
            }
            Strategy::Recompute | Strategy::Partials => {
                let operator = ReplayState::new(owned, update);
                let states = ctx.attach("update_state_by_key", &options, shipped, operator);
                Table::of_contents(ctx, states, slide)
            }
        }
    }
}
