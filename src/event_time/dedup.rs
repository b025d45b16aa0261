//! Dropping duplicates.

use std::rc::Rc;

use tidegate_operators::event_time::{Dedup, DedupRecompute, Expiry, Stamp};
use tidegate_operators::ship::key_group;
use tidegate_operators::{Record, ship, stable_hash};

use super::EventStream;
use crate::batch::chunkwise;
use crate::dstream::{DStream, RowOrder};
use crate::error::BuildError;

impl<'s, D: Record> DStream<'s, D> {
    /// Each record once, when it first comes: Spark's `dropDuplicates`. The rows of a batch are
    /// in their own order.
    ///
    /// Kept: every distinct record, for ever; with event time it need not be
    /// ([`EventStream::drop_duplicates`]). A batch costs its own records.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let firsts = batches(vec![vec!["b", "a", "b"], vec!["a", "c"]], |words| {
    ///     words.drop_duplicates()
    /// });
    /// assert_eq!(firsts, [vec!["a", "b"], vec!["c"]]);
    /// ```
    pub fn drop_duplicates(self) -> DStream<'s, D> {
        self.drop_duplicates_by(D::clone)
    }

    /// The record of each key that is the first in the order of the stream. What is left of a
    /// batch is in the order of its rows.
    ///
    /// Kept: every key, for ever.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let firsts = batches(vec![vec!["in", "at", "tide"], vec!["gate", "a"]], |words| {
    ///     words.drop_duplicates_by(|word| word.len() as u64)
    /// });
    /// assert_eq!(firsts, [vec!["in", "tide"], vec!["a"]]);
    /// ```
    pub fn drop_duplicates_by<K: Record>(
        self,
        key: impl Fn(&D) -> K + Clone + 'static,
    ) -> DStream<'s, D> {
        let options = self.options.clone();
        let mut events = self.event_time(|_| 0);
        events.rows.options = options;
        let firsts = events.drop_duplicates_by(key.clone()).rows;
        let chunks = chunkwise(firsts.chunks.clone(), "Firsts", |rows| rows.map(|(_, row)| row));
        firsts.ordered(chunks, by_key_group(key))
    }
}

/// Rows in their own order, each on the worker that owns its key.
fn by_key_group<D: Record, K: Record>(key: impl Fn(&D) -> K + 'static) -> RowOrder<D> {
    let group = Rc::new(move |row: &D| key_group(stable_hash(&key(row))));
    RowOrder { sort: <[_]>::sort_unstable, group }
}

impl<'s, D: Record> EventStream<'s, D> {
    /// Each record once: those are the same that have the same event time. Late ones are dropped.
    ///
    /// Kept: each record, until the watermark reaches its event time, since what comes then is late.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let firsts = batches(vec![vec!["15", "15"], vec!["15", "25"], vec!["15"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 10);
    ///     events.drop_duplicates().into_stream()
    /// });
    /// assert_eq!(firsts, [vec!["15"], vec!["25"], vec![]]);
    /// ```
    pub fn drop_duplicates(self) -> EventStream<'s, D> {
        self.drop_duplicates_at_time(D::clone)
    }

    /// The first record of each key and event time. Late ones are dropped.
    ///
    /// Kept: each key and time, until the watermark reaches the time.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let firsts = batches(vec![vec!["15a", "15b", "16b"]], |words| {
    ///     let events = words.with_watermark(|word| word[..2].parse().unwrap_or(0), 10);
    ///     events.drop_duplicates_at_time(|_| 'k').with_times().map(|(at_us, _)| at_us)
    /// });
    /// assert_eq!(firsts[0].len(), 2);
    /// ```
    pub fn drop_duplicates_at_time<K: Record>(
        self,
        key: impl Fn(&D) -> K + Clone + 'static,
    ) -> EventStream<'s, D> {
        self.deduplicated("drop_duplicates", Expiry::AfterMs(0), move |(stamp, row)| {
            (stamp.at_us, key(row))
        })
    }

    /// The first record of each key, in the order of the stream. Late ones are dropped.
    ///
    /// Kept: every key, for ever, since it says nothing about time.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let firsts = batches(vec![vec!["15", "95"], vec!["15"]], |words| {
    ///     let events = words.with_watermark(|word| word.parse().unwrap_or(0), 10);
    ///     events.drop_duplicates_by(|word| word.len() as u64).into_stream()
    /// });
    /// assert_eq!(firsts, [vec!["15"], vec![]]);
    /// ```
    pub fn drop_duplicates_by<K: Record>(
        self,
        key: impl Fn(&D) -> K + Clone + 'static,
    ) -> EventStream<'s, D> {
        self.deduplicated("drop_duplicates", Expiry::Never, move |(_, row)| key(row))
    }

    /// The first record of each key, and again the first one after the watermark has passed the
    /// event time of the last one given by the delay: Spark's `dropDuplicatesWithinWatermark`. Late
    /// ones are dropped.
    ///
    /// Kept: each key for so long.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let firsts = batches(vec![vec!["a17"], vec!["a18", "b22"], vec!["a21"]], |words| {
    ///     let events = words.with_watermark(|word| word[1..].parse().unwrap_or(0), 2);
    ///     events.drop_duplicates_within_watermark(|word| word[..1].to_owned()).into_stream()
    /// });
    /// // In the third batch the watermark is 20, and `a` is forgotten when the batch is over.
    /// assert_eq!(firsts, [vec!["a17"], vec!["b22"], vec![]]);
    /// ```
    pub fn drop_duplicates_within_watermark<K: Record>(
        self,
        key: impl Fn(&D) -> K + Clone + 'static,
    ) -> EventStream<'s, D> {
        let operation = "drop_duplicates_within_watermark";
        let delay_ms = match &self.clock {
            Some(clock) => clock.delay_ms,
            None => {
                self.ctx().reject(BuildError::NoWatermark { operation });
                0
            }
        };
        self.deduplicated(operation, Expiry::AfterMs(delay_ms), move |(_, row)| key(row))
    }

    fn deduplicated<K: Record>(
        self,
        kind: &str,
        expiry: Expiry,
        key: impl Fn(&(Stamp, D)) -> K + Clone + 'static,
    ) -> EventStream<'s, D> {
        let (ctx, options) = (self.ctx(), self.rows.options.clone());
        let rows = self.rows.clone().tagged();
        let (owners, by_key, owner_key) = (ctx.peers().clone(), key.clone(), key.clone());
        let shipped = ship::ship(rows.chunks.clone(), ctx.peers(), "by key", move |row| {
            owners.owner_of_key(&by_key(row))
        });
        let paced = self.paced(shipped);
        let chunks = if ctx.strategy(&options).computes_anew() {
            ctx.attach(kind, &options, paced, DedupRecompute::new(expiry, key))
        } else {
            ctx.attach(kind, &options, paced, Dedup::new(expiry, key))
        };
        EventStream { rows: rows.ordered(chunks, by_key_group(owner_key)), clock: self.clock }
    }
}
