//! Two streams of pairs, joined batch by batch.

use tidegate_operators::Record;
use tidegate_operators::keyed::{CoGroup, Side};

use super::{DStream, RowOrder};

impl<'s, K: Record, V: Record> DStream<'s, (K, V)> {
    /// All values of each key of a batch: those of this stream, and those of the other one.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let both = batches(vec![vec!["tide", "in"]], |words| {
    ///     let long = words.clone().filter(|word| word.len() > 2).map(|word| (word, 'l'));
    ///     words.map(|word| (word, 'w')).cogroup(long)
    /// });
    /// let (tide, inn) = ("tide".to_string(), "in".to_string());
    /// assert_eq!(both, [[(inn, (vec!['w'], vec![])), (tide, (vec!['w'], vec!['l']))]]);
    /// ```
    pub fn cogroup<W: Record>(
        self,
        other: DStream<'s, (K, W)>,
    ) -> DStream<'s, (K, (Vec<V>, Vec<W>))> {
        self.grouped("cogroup", other, |key, left, right, out| {
            out.push((key, (std::mem::take(left), std::mem::take(right))));
        })
    }

    /// Each value of this stream with each value of the other one that has the same key in the
    /// same batch. For records of several batches join windows.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let both = batches(vec![vec!["tide", "in"]], |words| {
    ///     let long = words.clone().filter(|word| word.len() > 2).map(|word| (word, 'l'));
    ///     words.map(|word| (word, 'w')).join(long)
    /// });
    /// assert_eq!(both, [[("tide".to_string(), ('w', 'l'))]]);
    /// ```
    pub fn join<W: Record>(self, other: DStream<'s, (K, W)>) -> DStream<'s, (K, (V, W))> {
        self.grouped("join", other, |key, left, right, out| {
            pair(key, left.drain(..), right, |other| other, out);
        })
    }

    /// The same, and each value of this stream to which the other one has none, with `None`.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let both = batches(vec![vec!["tide", "in"]], |words| {
    ///     let long = words.clone().filter(|word| word.len() > 2).map(|word| (word, 'l'));
    ///     words.map(|word| (word, 'w')).left_outer_join(long)
    /// });
    /// let (tide, inn) = ("tide".to_string(), "in".to_string());
    /// assert_eq!(both, [[(inn, ('w', None)), (tide, ('w', Some('l')))]]);
    /// ```
    pub fn left_outer_join<W: Record>(
        self,
        other: DStream<'s, (K, W)>,
    ) -> DStream<'s, (K, (V, Option<W>))> {
        self.grouped("left_outer_join", other, |key, left, right, out| {
            pair_or_none(key, left.drain(..), right, out);
        })
    }

    /// Each value of the other stream with those of this one, or with `None`.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let both = batches(vec![vec!["tide", "in"]], |words| {
    ///     let long = words.clone().filter(|word| word.len() > 2).map(|word| (word, 'l'));
    ///     long.right_outer_join(words.map(|word| (word, 'w')))
    /// });
    /// let (tide, inn) = ("tide".to_string(), "in".to_string());
    /// assert_eq!(both, [[(inn, (None, 'w')), (tide, (Some('l'), 'w'))]]);
    /// ```
    pub fn right_outer_join<W: Record>(
        self,
        other: DStream<'s, (K, W)>,
    ) -> DStream<'s, (K, (Option<V>, W))> {
        self.grouped("right_outer_join", other, |key, left, right, out| {
            pair(key, or_none(left), right, |other| other, out);
        })
    }

    /// Each value of either stream with those of the other one, or with `None`.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let both = batches(vec![vec!["tide"]], |words| {
    ///     let short = words.clone().filter(|word| word.len() < 3).map(|word| (word, 's'));
    ///     words.map(|word| (word, 'w')).full_outer_join(short)
    /// });
    /// assert_eq!(both, [[("tide".to_string(), (Some('w'), None))]]);
    /// ```
    pub fn full_outer_join<W: Record>(
        self,
        other: DStream<'s, (K, W)>,
    ) -> DStream<'s, (K, (Option<V>, Option<W>))> {
        self.grouped("full_outer_join", other, |key, left, right, out| {
            pair_or_none(key, or_none(left), right, out);
        })
    }

    /// Groups the values of two streams, and makes rows of each group.
    fn grouped<W: Record, X: Record>(
        self,
        operation: &'static str,
        other: DStream<'s, (K, W)>,
        rows_of: impl FnMut(K, &mut Vec<V>, &mut Vec<W>, &mut Vec<(K, X)>) + 'static,
    ) -> DStream<'s, (K, X)> {
        let left = self.map_values(Side::Left);
        let both = left.beside(operation, other.map_values(Side::Right));
        let shipped = both.clone().shipped_by_key();
        let rows = both.ctx.attach_per_batch(operation, shipped, CoGroup::with(rows_of));
        both.ordered(rows, RowOrder::by_key())
    }
}

/// The values, or `None` alone where there are none.
fn or_none<X>(values: &mut Vec<X>) -> impl Iterator<Item = Option<X>> {
    let none = values.is_empty().then_some(None);
    values.drain(..).map(Some).chain(none)
}

/// Each value of the left with each of the right; what is needed once is moved, not cloned.
fn pair<K: Clone, V: Clone, W: Clone, X>(
    key: K,
    left: impl Iterator<Item = V>,
    right: &mut Vec<W>,
    wrap: impl Fn(W) -> X,
    out: &mut Vec<(K, (V, X))>,
) {
    let mut left = left.peekable();
    while let Some(value) = left.next() {
        if left.peek().is_some() {
            out.extend(
                right.iter().map(|other| (key.clone(), (value.clone(), wrap(other.clone())))),
            );
            continue;
        }
        let Some(last) = right.pop() else { return };
        out.extend(right.drain(..).map(|other| (key.clone(), (value.clone(), wrap(other)))));
        out.push((key, (value, wrap(last))));
        return;
    }
}

/// Each value of the left with each of the right, or with `None` if there is none.
fn pair_or_none<K: Clone, V: Clone, W: Clone>(
    key: K,
    left: impl Iterator<Item = V>,
    right: &mut Vec<W>,
    out: &mut Vec<(K, (V, Option<W>))>,
) {
    if right.is_empty() {
        out.extend(left.map(|value| (key.clone(), (value, None))));
    } else {
        pair(key, left, right, Some, out);
    }
}
