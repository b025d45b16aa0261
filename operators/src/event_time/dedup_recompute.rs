//! Dropping what has come before, found out anew at each batch.

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::event_time::dedup::{is_first, is_late};
use crate::event_time::groups::{Group, Groups};
use crate::event_time::{Expiry, Paced, Stamp, Watermark, micros};
use crate::{Chunks, Epoch, Record, order};

/// What a [`Dedup`](super::Dedup) gives, found out at each batch from all rows that have come: the
/// measure against which it is held.
///
/// Rows come with their stamps, shipped by key. Kept: every row, duplicates too, until its key
/// expires. A batch costs all of them.
///
/// ```
/// use tidegate_operators::Chunks;
/// use tidegate_operators::event_time::{DedupRecompute, Expiry, Paced, Stamp};
/// use tidegate_operators::local::Local;
///
/// let mut firsts = Local::new(DedupRecompute::new(Expiry::Never, |row: &(Stamp, char)| row.1));
/// let mut first = |rows: &str| {
///     let rows = rows.chars().map(|row| (Stamp::at(0), row)).collect();
///     let given = firsts.close(vec![Paced::Rows(Chunks::loose(rows))]);
///     given.into_iter().flat_map(Chunks::into_rows).map(|row| row.1).collect::<String>()
/// };
/// assert_eq!(first("aa"), "a");
/// assert_eq!(first("ba"), "b");
/// ```
pub struct DedupRecompute<D, K, F> {
    expiry: Expiry,
    key: F,
    /// The rows of each key; how many of them had come before this batch.
    groups: Groups<K, (Stamp, D), usize>,
    size: StateSize,
}

impl<D, K, F> DedupRecompute<D, K, F>
where
    D: Record,
    K: Record,
    F: Fn(&(Stamp, D)) -> K + 'static,
{
    /// Rows are equal if their keys are.
    pub fn new(expiry: Expiry, key: F) -> Self {
        DedupRecompute { expiry, key, groups: Groups::new(), size: StateSize::default() }
    }
}

/// Goes through the rows of a key: calls `visit` with the place of each first one, and gives when
/// the key expires.
fn firsts<D, K>(
    group: &Group<K, (Stamp, D), usize>,
    expiry: Expiry,
    mut visit: impl FnMut(usize),
) -> Option<i64> {
    group.rows.iter().enumerate().fold(None, |expires_us, (place, (stamp, _))| {
        if is_first(*stamp, expires_us) {
            visit(place);
            Some(expiry.expires_us(*stamp))
        } else {
            expires_us
        }
    })
}

impl<T, D, K, F> BatchOperator<T> for DedupRecompute<D, K, F>
where
    T: Epoch,
    D: Record,
    K: Record,
    F: Fn(&(Stamp, D)) -> K + 'static,
{
    type Input = Paced<Chunks<(Stamp, D)>>;
    type Output = Chunks<(Stamp, D)>;
    /// The rows of a key that has changed; `None` once it has expired.
    type Saved = (K, Option<Vec<(Stamp, D)>>);

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let (messages, watermark) = Paced::apart(input);
        let watermark = watermark.unwrap_or(Watermark::NONE);
        for row in order::by_tag(messages).into_iter().flat_map(|(_, rows)| rows) {
            if !is_late(row.0, watermark) {
                self.groups.push((self.key)(&row), row);
            }
        }
        let (expiry, close_us) = (self.expiry, micros(watermark.close_ms));
        let mut new = Vec::new();
        self.size = StateSize::default();
        let size = &mut self.size;
        self.groups.retain(|group| {
            let mut places = Vec::new();
            let expires_us = firsts(group, expiry, |place| places.push(place));
            let from = places.partition_point(|place| *place < group.given);
            size.updated += (places.len() - from) as u64;
            new.extend(places[from..].iter().map(|place| group.rows[*place].clone()));
            let stays = expires_us.is_some_and(|expires_us| expires_us > close_us);
            if std::mem::take(&mut group.touched) || !stays {
                let rows = stays.then(|| group.rows.clone());
                tap.record(|| (group.key.clone(), rows));
            }
            group.given = group.rows.len();
            if stays {
                size.keys += 1;
                size.bytes += group.bytes();
            }
            stays
        });
        if !new.is_empty() {
            output.give(Chunks::loose(new));
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
        for (key, rows) in saved {
            self.groups.restore(key, rows.unwrap_or_default());
        }
        self.groups.iter_mut().for_each(|group| group.given = group.rows.len());
    }

    fn size(&self) -> StateSize {
        self.size
    }
}
