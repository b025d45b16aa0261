//! Dropping what has come before.

use std::collections::BTreeMap;

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::event_time::{Paced, Stamp, Watermark, micros};
use crate::index::{Index, Rule};
use crate::{Chunks, Epoch, Record, heap_bytes, order};

/// For how long a key is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// For ever.
    Never,
    /// Until the watermark has reached the event time of its first row, and so much more.
    AfterMs(i64),
}

impl Expiry {
    /// When a key expires whose first row is this, in microseconds; `i64::MAX` if never.
    pub(super) fn expires_us(self, stamp: Stamp) -> i64 {
        match self {
            Expiry::Never => i64::MAX,
            Expiry::AfterMs(ms) => stamp.at_us.saturating_add(micros(ms)),
        }
    }
}

/// Whether a row is the first of its key, which expires then, if it is known: a row that has a
/// watermark of its own does not wait for the batch to forget the key.
pub(super) fn is_first(stamp: Stamp, expires_us: Option<i64>) -> bool {
    expires_us.is_none_or(|expires_us| stamp.is_marked() && expires_us <= micros(stamp.mark_ms))
}

/// Whether a row is too late to be looked at; without a watermark none is.
pub(super) fn is_late(stamp: Stamp, watermark: Watermark) -> bool {
    let judge = stamp.judged_by(watermark);
    judge != Watermark::NONE && stamp.at_us <= micros(judge.late_ms)
}

/// The first row of each key, in the order of the stream; those that come later, and those at or
/// before the watermark, are dropped.
///
/// Rows come with their stamps, shipped by key. Kept: each key, until it
/// expires. A batch costs its rows and what expires.
///
/// ```
/// use tidegate_operators::Chunks;
/// use tidegate_operators::event_time::{Dedup, Expiry, Paced, Stamp, Watermark};
/// use tidegate_operators::local::Local;
///
/// let key = |(_, row): &(Stamp, char)| *row;
/// let mut firsts = Local::new(Dedup::new(Expiry::AfterMs(2), key));
/// let mut first = |rows: &[(i64, char)], watermark| {
///     let rows = rows.iter().map(|(at_us, row)| (Stamp::at(*at_us), *row)).collect();
///     let rows = Paced::Rows(Chunks::loose(rows));
///     let given = firsts.close(vec![rows, Paced::Watermark(Watermark::at(watermark))]);
///     let given = given.into_iter().flat_map(Chunks::into_rows);
///     given.map(|(stamp, row)| (stamp.at_us, row)).collect::<Vec<_>>()
/// };
/// assert_eq!(first(&[(17_000, 'a'), (18_000, 'a')], 15), [(17_000, 'a')]);
/// assert_eq!(first(&[(15_000, 'b'), (19_000, 'a')], 15), []);
/// assert_eq!(first(&[], 19), []);
/// assert_eq!(first(&[(20_000, 'a')], 19), [(20_000, 'a')]);
/// ```
pub struct Dedup<D, K: Record, F> {
    expiry: Expiry,
    key: F,
    /// When each key expires.
    seen: Index<K, Expires>,
    due: BTreeMap<i64, Vec<K>>,
    due_bytes: usize,
    /// Whether keys were restored that are not yet due.
    restored: bool,
    updated: u64,
    rows: std::marker::PhantomData<fn(D)>,
}

/// When a key expires, in microseconds; `i64::MAX` if never.
struct Expires;

impl Rule for Expires {
    type State = i64;
    type Change = i64;
    type View = i64;

    fn first(&self, change: i64) -> i64 {
        change
    }

    fn apply(&self, state: &mut i64, change: i64) {
        *state = change;
    }

    fn view(&self, state: &i64) -> Option<i64> {
        Some(*state)
    }

    fn is_absent(&self, _state: &i64) -> bool {
        false
    }
}

impl<D, K, F> Dedup<D, K, F>
where
    D: Record,
    K: Record,
    F: Fn(&(Stamp, D)) -> K + 'static,
{
    /// Rows are equal if their keys are.
    pub fn new(expiry: Expiry, key: F) -> Self {
        Dedup {
            expiry,
            key,
            seen: Index::new(Expires),
            due: BTreeMap::new(),
            due_bytes: 0,
            restored: false,
            updated: 0,
            rows: std::marker::PhantomData,
        }
    }

    fn is_due(&mut self, key: K, expires_us: i64) {
        if expires_us < i64::MAX {
            self.due_bytes += size_of::<K>() + heap_bytes(&key);
            self.due.entry(expires_us).or_default().push(key);
        }
    }

    /// Remembers a key, if it is new.
    fn is_first(&mut self, row: &(Stamp, D), tap: &mut Tap<(K, Option<i64>)>) -> bool {
        let key = (self.key)(row);
        if !is_first(row.0, self.seen.get(&key).copied()) {
            return false;
        }
        let expires_us = self.expiry.expires_us(row.0);
        tap.record(|| (key.clone(), Some(expires_us)));
        self.seen.insert(key.clone(), expires_us);
        self.is_due(key, expires_us);
        self.updated += 1;
        true
    }
}

impl<T, D, K, F> BatchOperator<T> for Dedup<D, K, F>
where
    T: Epoch,
    D: Record,
    K: Record,
    F: Fn(&(Stamp, D)) -> K + 'static,
{
    type Input = Paced<Chunks<(Stamp, D)>>;
    type Output = Chunks<(Stamp, D)>;
    /// A key, and when it expires; `None` once it has.
    type Saved = (K, Option<i64>);

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        if std::mem::take(&mut self.restored) {
            let seen: Vec<(K, i64)> =
                self.seen.iter().map(|(key, expires)| (key.clone(), *expires)).collect();
            seen.into_iter().for_each(|(key, expires_us)| self.is_due(key, expires_us));
        }
        let (messages, watermark) = Paced::apart(input);
        let watermark = watermark.unwrap_or(Watermark::NONE);
        self.updated = 0;
        let mut firsts = Chunks::new();
        for (tag, mut rows) in order::by_tag(messages) {
            rows.retain(|row| !is_late(row.0, watermark) && self.is_first(row, tap));
            if !rows.is_empty() {
                firsts.push(tag, rows);
            }
        }
        if !firsts.is_empty() {
            output.give(firsts);
        }
        let close_us = micros(watermark.close_ms);
        while let Some(first) = self.due.first_entry().filter(|first| *first.key() <= close_us) {
            let (expires_us, keys) = first.remove_entry();
            for key in keys {
                self.due_bytes -= size_of::<K>() + heap_bytes(&key);
                // It may have expired by the watermark of a row, and come again.
                if self.seen.get(&key) == Some(&expires_us) {
                    self.seen.remove(&key);
                    tap.record(|| (key, None));
                }
            }
        }
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn form() -> SavedForm {
        SavedForm::Latest
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |(a, _), (b, _)| a.cmp(b), |(_, state)| state.is_none())
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        self.restored = true;
        for (key, expires_us) in saved {
            match expires_us {
                Some(expires_us) => self.seen.insert(key, expires_us),
                None => drop(self.seen.remove(&key)),
            }
        }
    }

    fn size(&self) -> StateSize {
        let bytes = (self.seen.bytes() + self.due_bytes) as u64;
        StateSize { keys: self.seen.len() as u64, bytes, updated: self.updated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_time::DedupRecompute;
    use crate::keyed::oracle::Numbers;
    use crate::local::Local;

    type Row = (Stamp, (u64, u64));

    #[test]
    fn the_first_row_of_a_key_comes_again_once_it_has_expired() {
        for (seed, expiry) in (0..20).map(|seed| (seed, Expiry::AfterMs(seed as i64 % 4))) {
            let mut numbers = Numbers::new(seed << 32);
            let new = || Dedup::new(expiry, |(_, row): &Row| row.0);
            let again = || DedupRecompute::new(expiry, |(_, row): &Row| row.0);
            let Expiry::AfterMs(ms) = expiry else { unreachable!("it expires") };
            let (mut local, mut recomputed) = (Local::new(new()), Local::new(again()));
            let mut model: BTreeMap<u64, i64> = BTreeMap::new();
            for batch in 0..60i64 {
                let rows: Vec<Row> = (0..numbers.below(6))
                    .map(|_| {
                        let time = micros(batch + numbers.below(6) as i64 - 1);
                        (Stamp::at(time), (numbers.below(4), numbers.below(1000)))
                    })
                    .collect();
                let mut expected = Vec::new();
                for row in &rows {
                    if row.0.at_us > micros(batch) && !model.contains_key(&row.1.0) {
                        model.insert(row.1.0, row.0.at_us + micros(ms));
                        expected.push(*row);
                    }
                }
                model.retain(|_, expires| *expires > micros(batch));
                let input = || {
                    let watermark = Paced::Watermark(Watermark::at(batch));
                    vec![watermark, Paced::Rows(Chunks::loose(rows.clone()))]
                };
                let found = local.close(input());
                let found: Vec<_> = found.into_iter().flat_map(Chunks::into_rows).collect();
                assert_eq!(found, expected, "seed {seed}, batch {batch}");
                let found = recomputed.close(input());
                let mut found: Vec<_> = found.into_iter().flat_map(Chunks::into_rows).collect();
                found.sort();
                expected.sort();
                assert_eq!(found, expected, "recomputed, seed {seed}, batch {batch}");
                let keys = model.len() as u64;
                assert_eq!(local.size().keys, keys, "seed {seed}, batch {batch}");
                assert_eq!(recomputed.size().keys, keys, "seed {seed}, batch {batch}");
                if numbers.below(4) == 0 {
                    local = local.restart(new());
                    recomputed = recomputed.restart(again());
                }
            }
        }
    }

    #[test]
    fn a_row_with_a_watermark_of_its_own_does_not_wait_for_the_batch_to_forget_its_key() {
        let mut local = Local::new(Dedup::new(Expiry::AfterMs(2), |row: &(Stamp, char)| row.1));
        let mut close = |rows: &[(i64, i64)], watermark| -> Vec<i64> {
            let rows = rows
                .iter()
                .map(|(at_ms, mark_ms)| (Stamp { at_us: micros(*at_ms), mark_ms: *mark_ms }, 'a'));
            let rows = Paced::Rows(Chunks::loose(rows.collect()));
            let given = local.close(vec![rows, Paced::Watermark(Watermark::at(watermark))]);
            given.into_iter().flat_map(Chunks::into_rows).map(|row| row.0.at_ms()).collect()
        };
        // The key of 5 expires at 7: not for a row that has seen 6, but for one that has seen 7.
        assert_eq!(close(&[(5, 0), (9, 6), (9, 7), (10, 8)], 0), [5, 9]);
        // What was noted for the first of them does not make the second one forgotten.
        assert_eq!(close(&[], 7), []);
        assert_eq!(close(&[(12, 10)], 10), []);
        assert_eq!(close(&[(12, 11)], 11), [12]);
    }

    #[test]
    fn without_a_watermark_nothing_is_late_and_nothing_expires() {
        let mut local = Local::new(Dedup::new(Expiry::Never, |row: &(Stamp, char)| row.1));
        let mut close = |rows: &[(i64, char)]| -> Vec<(i64, char)> {
            let rows = rows.iter().map(|(at_us, row)| (Stamp::at(*at_us), *row)).collect();
            let given = local.close(vec![Paced::Rows(Chunks::loose(rows))]);
            let given = given.into_iter().flat_map(Chunks::into_rows);
            given.map(|(stamp, row)| (stamp.at_us, row)).collect()
        };
        assert_eq!(close(&[(i64::MIN, 'a'), (0, 'a')]), [(i64::MIN, 'a')]);
        assert_eq!(close(&[(0, 'a'), (0, 'b')]), [(0, 'b')]);
    }
}
