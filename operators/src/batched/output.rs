//! What an operator writes to when it closes a batch: its output, and its tap.

use crate::{Diff, Epoch};

/// Where an operator's output goes.
pub struct Output<'a, C> {
    give: &'a mut dyn FnMut(&mut C),
}

impl<'a, C> Output<'a, C> {
    /// An output that hands every message to `give`: for driving an operator by hand.
    pub fn new(give: &'a mut dyn FnMut(&mut C)) -> Self {
        Output { give }
    }

    /// Sends a message.
    pub fn give(&mut self, mut container: C) {
        (self.give)(&mut container);
    }
}

/// Collects differences of one batch and sends them in messages of a good size.
///
/// ```
/// use tidegate_operators::batched::{Differences, Output};
///
/// let mut messages = Vec::new();
/// let mut give = |message: &mut Vec<(char, u64, isize)>| messages.push(std::mem::take(message));
/// let mut output = Output::new(&mut give);
/// let mut differences = Differences::new(&mut output, 7);
/// differences.push('a', 1);
/// differences.push('b', -1);
/// drop(differences);
/// assert_eq!(messages, [[('a', 7, 1), ('b', 7, -1)]]);
/// ```
pub struct Differences<'a, 'b, T, D> {
    output: &'a mut Output<'b, Vec<(D, T, Diff)>>,
    time: T,
    pending: Vec<(D, T, Diff)>,
}

/// Differences leave in messages of this many bytes or so: small enough for the cache, large
/// enough that a message's own cost disappears.
const MESSAGE_BYTES: usize = 1 << 15;

impl<'a, 'b, T: Epoch, D> Differences<'a, 'b, T, D> {
    /// Differences at `time`.
    pub fn new(output: &'a mut Output<'b, Vec<(D, T, Diff)>>, time: T) -> Self {
        Differences { output, time, pending: Vec::new() }
    }

    /// A row came `diff` times (went, if negative).
    #[inline]
    pub fn push(&mut self, row: D, diff: Diff) {
        self.push_at(row, self.time, diff);
    }

    /// The same at a time of its own, which must not lie before that of the message.
    #[inline]
    pub fn push_at(&mut self, row: D, time: T, diff: Diff) {
        if self.pending.capacity() == 0 {
            self.pending.reserve_exact(Self::capacity());
        }
        self.pending.push((row, time, diff));
        if self.pending.len() >= Self::capacity() {
            self.output.give(std::mem::take(&mut self.pending));
        }
    }

    /// The row of a key is now this, and was that; nothing, if they are equal.
    #[inline]
    pub fn replace<K, V>(&mut self, key: &K, before: Option<V>, after: Option<V>)
    where
        (K, V): Into<D>,
        K: Clone,
        V: PartialEq,
    {
        self.replace_at(key, self.time, before, after);
    }

    /// The same at a time of its own, which must not lie before that of the message.
    #[inline]
    pub fn replace_at<K, V>(&mut self, key: &K, time: T, before: Option<V>, after: Option<V>)
    where
        (K, V): Into<D>,
        K: Clone,
        V: PartialEq,
    {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.push_at((key.clone(), before).into(), time, -1);
        }
        if let Some(after) = after {
            self.push_at((key.clone(), after).into(), time, 1);
        }
    }

    fn capacity() -> usize {
        (MESSAGE_BYTES / size_of::<(D, T, Diff)>()).max(1)
    }
}

impl<T, D> Drop for Differences<'_, '_, T, D> {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            self.output.give(std::mem::take(&mut self.pending));
        }
    }
}

/// What changed in an operator's state, if somebody wants to know.
///
/// ```
/// use tidegate_operators::batched::Tap;
///
/// let mut tap = Tap::new(true);
/// tap.record(|| ("key", 1));
/// assert_eq!(tap.take(), [("key", 1)]);
///
/// let mut closed = Tap::<u64>::new(false);
/// closed.record(|| unreachable!("nobody listens"));
/// assert_eq!(closed.take(), []);
/// ```
#[derive(Debug)]
pub struct Tap<S> {
    rows: Option<Vec<S>>,
}

impl<S> Tap<S> {
    /// A tap that is open, or that costs nothing.
    pub fn new(open: bool) -> Self {
        Tap { rows: open.then(Vec::new) }
    }

    /// Records a row, which is made only if the tap is open.
    #[inline]
    pub fn record(&mut self, row: impl FnOnce() -> S) {
        if let Some(rows) = &mut self.rows {
            rows.push(row());
        }
    }

    /// What was recorded since the last call.
    pub fn take(&mut self) -> Vec<S> {
        self.rows.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
