//! Tables read from outside their job, while it runs.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::iter::FusedIterator;
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tidegate_operators::{Record, Tick};

use crate::batch::{BatchId, Diff};
use crate::engine::control::lock;
use crate::error::SinkError;
use crate::sink::{Sink, Writer};
use crate::table::Change;

/// A table of pairs that can be read from outside its job, at each of its last batches: what it
/// holds for a key, all of it, and how it changed.
///
/// Readers see batches that are complete, on all workers, and nothing of one that is not. Kept: the
/// table once more, and the changes of the batches that can be read. A batch costs its changes,
/// on a thread of its own; a reader holds that thread up for as long as it looks.
///
/// In a cluster it is process 0 that can read it; in the others no batch can ever be read, and those who
/// follow it end with the job. Clones read the same table; a job that is started anew begins with an
/// empty one.
///
/// ```
/// use tidegate::source::Queue;
/// use tidegate::{Config, Local, Queryable};
///
/// let (words, counts) = (Queue::<String>::new(1), Queryable::of_last(2));
/// let (input, table) = (words.clone(), counts.clone());
/// let mut local = Local::start(Config::new("count").workers(2), move |ctx| {
///     ctx.source(input.clone()).running().count_by_value().queryable(&table);
/// })
/// .unwrap();
/// let mut changes = counts.changes_after(1);
/// for word in ["tide", "gate", "tide"] {
///     words.push([word.to_string()]);
///     local.tick();
/// }
/// let tide = "tide".to_string();
/// assert_eq!(counts.readable(), Some(2..=3));
/// assert_eq!(counts.get(&tide, 2), Ok(vec![1]));
/// assert_eq!(counts.get(&tide, 3), Ok(vec![2]));
/// assert_eq!(counts.rows(2).unwrap(), [("gate".to_string(), 1), (tide.clone(), 1)]);
///
/// let error = counts.get(&tide, 1).unwrap_err();
/// assert_eq!(error.to_string(), "batch 1 can't be read: batches 2 through 3 can");
///
/// local.stop().unwrap();
/// let second = changes.next().unwrap().unwrap();
/// assert_eq!((second.tick.id, &second.changes[0].row), (2, &("gate".to_string(), 1)));
/// assert_eq!(changes.map(|batch| batch.unwrap().changes.len()).collect::<Vec<_>>(), [2]);
/// ```
pub struct Queryable<K, V> {
    shared: Arc<Shared<K, V>>,
}

struct Shared<K, V> {
    versions: Mutex<Versions<K, V>>,
    changed: Condvar,
}

/// The table as of the newest batch, and the way back.
struct Versions<K, V> {
    /// Each row, and how often it is there. No row has `None`: that is before all rows of a key.
    rows: BTreeMap<(K, Option<V>), Diff>,
    /// The batches that can be read, and how each changed the table.
    batches: VecDeque<BatchChanges<K, V>>,
    /// The newest batch that no longer can.
    gone: BatchId,
    keep: usize,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No job writes yet.
    Waiting,
    /// More batches may come.
    Running,
    /// None will.
    Over,
}

/// How a batch changed a table.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchChanges<K, V> {
    /// The batch.
    pub tick: Tick,
    /// The rows that went and came: by key, what went before what came.
    pub changes: Arc<[Change<(K, V)>]>,
}

impl<K, V> Clone for BatchChanges<K, V> {
    fn clone(&self) -> Self {
        BatchChanges { tick: self.tick, changes: Arc::clone(&self.changes) }
    }
}

/// A batch that a [`Queryable`] does not have: it is not complete yet, or no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotReadable {
    /// The batch that was asked for.
    pub batch: BatchId,
    /// The oldest and the newest batch that can be read; `None` before the first one.
    pub readable: Option<(BatchId, BatchId)>,
}

impl fmt::Display for NotReadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {} can't be read: ", self.batch)?;
        match self.readable {
            None => f.write_str("no batch is complete yet"),
            Some((oldest, newest)) if oldest == newest => write!(f, "only batch {newest} can"),
            Some((oldest, newest)) => write!(f, "batches {oldest} through {newest} can"),
        }
    }
}

impl std::error::Error for NotReadable {}

impl<K, V> Clone for Queryable<K, V> {
    fn clone(&self) -> Self {
        Queryable { shared: Arc::clone(&self.shared) }
    }
}

impl<K, V> fmt::Debug for Queryable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queryable").field("readable", &self.readable()).finish()
    }
}

impl<K, V> Queryable<K, V> {
    /// A table that can be read at its last `batches` batches; at the last one, if that is 0.
    pub fn of_last(batches: usize) -> Self {
        let versions = Versions {
            rows: BTreeMap::new(),
            batches: VecDeque::new(),
            gone: 0,
            keep: batches.max(1),
            phase: Phase::Waiting,
        };
        let shared = Shared { versions: Mutex::new(versions), changed: Condvar::new() };
        Queryable { shared: Arc::new(shared) }
    }

    /// To be held by each worker's part of a job.
    pub(crate) fn attended(&self) -> Attended<K, V> {
        Attended { shared: Arc::clone(&self.shared) }
    }

    /// The batches that can be read; `None` before the first one is complete.
    pub fn readable(&self) -> Option<RangeInclusive<BatchId>> {
        lock(&self.shared.versions).readable().map(|(oldest, newest)| oldest..=newest)
    }
}

/// A worker's word that its job runs. When it is dropped in a process in which nothing has written, nothing
/// will.
pub(crate) struct Attended<K, V> {
    shared: Arc<Shared<K, V>>,
}

impl<K, V> Drop for Attended<K, V> {
    fn drop(&mut self) {
        let mut versions = lock(&self.shared.versions);
        if versions.phase == Phase::Waiting {
            versions.phase = Phase::Over;
            self.shared.changed.notify_all();
        }
    }
}

impl<K, V> Versions<K, V> {
    fn readable(&self) -> Option<(BatchId, BatchId)> {
        Some((self.batches.front()?.tick.id, self.batches.back()?.tick.id))
    }

    fn check(&self, batch: BatchId) -> Result<(), NotReadable> {
        let readable = self.readable();
        match readable {
            Some((oldest, newest)) if (oldest..=newest).contains(&batch) => Ok(()),
            readable => Err(NotReadable { batch, readable }),
        }
    }

    /// The batches behind `batch`, oldest first.
    fn behind(&self, batch: BatchId) -> impl Iterator<Item = &BatchChanges<K, V>> {
        let from = self.batches.partition_point(|changes| changes.tick.id <= batch);
        self.batches.range(from..)
    }
}

impl<K: Record, V: Record> Queryable<K, V> {
    /// The values of a key as of a batch, in order; one that is there twice comes twice.
    ///
    /// A batch without an output of the table, such as one in which a window does not slide, is
    /// read as the last one with.
    ///
    /// # Errors
    ///
    /// If the batch is not complete yet, or no longer kept.
    pub fn get(&self, key: &K, batch: BatchId) -> Result<Vec<V>, NotReadable> {
        let versions = lock(&self.shared.versions);
        versions.check(batch)?;
        let rows = versions.rows.range((key.clone(), None)..);
        let rows = rows.take_while(|((other, _), _)| other == key);
        let mut values: BTreeMap<&V, Diff> =
            rows.filter_map(|((_, value), times)| Some((value.as_ref()?, *times))).collect();
        for later in versions.behind(batch) {
            let from = later.changes.partition_point(|change| change.row.0 < *key);
            let changes = later.changes[from..].iter().take_while(|change| change.row.0 == *key);
            changes.for_each(|change| *values.entry(&change.row.1).or_default() -= change.diff);
        }
        Ok(repeated(values).cloned().collect())
    }

    /// All rows as of a batch, in order; one that is there twice comes twice.
    ///
    /// # Errors
    ///
    /// If the batch is not complete yet, or no longer kept.
    pub fn rows(&self, batch: BatchId) -> Result<Vec<(K, V)>, NotReadable> {
        let versions = lock(&self.shared.versions);
        versions.check(batch)?;
        let rows = versions.rows.iter();
        let rows = rows.filter_map(|((key, value), times)| Some(((key, value.as_ref()?), *times)));
        if versions.behind(batch).next().is_none() {
            return Ok(repeated(rows).map(|(key, value)| (key.clone(), value.clone())).collect());
        }
        let mut rows: BTreeMap<(&K, &V), Diff> = rows.collect();
        for change in versions.behind(batch).flat_map(|later| later.changes.iter()) {
            *rows.entry((&change.row.0, &change.row.1)).or_default() -= change.diff;
        }
        Ok(repeated(rows).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// How each batch behind `batch` changed the table, as they become complete: the rows as of
    /// `batch`, and these, are the rows as of any later one. With 0, from the first batch on.
    ///
    /// The iterator waits for batches that are not complete yet, and ends with the job. Whoever
    /// reads so slowly that a batch is no longer kept gets an error, which is the last item.
    pub fn changes_after(&self, batch: BatchId) -> Changes<K, V> {
        Changes { shared: Arc::clone(&self.shared), after: batch, has_failed: false }
    }
}

/// Each row as often as it is there.
fn repeated<R: Clone>(rows: impl IntoIterator<Item = (R, Diff)>) -> impl Iterator<Item = R> {
    let rows = rows.into_iter();
    rows.flat_map(|(row, times)| std::iter::repeat_n(row, usize::try_from(times).unwrap_or(0)))
}

/// The changes of a [`Queryable`] table, batch by batch.
pub struct Changes<K, V> {
    shared: Arc<Shared<K, V>>,
    after: BatchId,
    has_failed: bool,
}

impl<K, V> Changes<K, V> {
    /// The next batch, if it is complete: does not wait.
    pub fn next_ready(&mut self) -> Option<Result<BatchChanges<K, V>, NotReadable>> {
        let shared = Arc::clone(&self.shared);
        self.look(&lock(&shared.versions))
    }

    fn look(
        &mut self,
        versions: &Versions<K, V>,
    ) -> Option<Result<BatchChanges<K, V>, NotReadable>> {
        if self.has_failed {
            return None;
        }
        if self.after < versions.gone {
            self.has_failed = true;
            let (batch, readable) = (self.after + 1, versions.readable());
            return Some(Err(NotReadable { batch, readable }));
        }
        let next = versions.behind(self.after).next()?;
        self.after = next.tick.id;
        Some(Ok(next.clone()))
    }
}

impl<K, V> Iterator for Changes<K, V> {
    type Item = Result<BatchChanges<K, V>, NotReadable>;

    fn next(&mut self) -> Option<Self::Item> {
        let shared = Arc::clone(&self.shared);
        let mut versions = lock(&shared.versions);
        loop {
            let next = self.look(&versions);
            if next.is_some() || self.has_failed || versions.phase == Phase::Over {
                return next;
            }
            let waited = shared.changed.wait(versions);
            versions = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<K, V> FusedIterator for Changes<K, V> {}

impl<K: Record + Sync, V: Record + Sync> Sink<Change<(K, V)>> for Queryable<K, V> {
    fn name(&self) -> String {
        "queryable".into()
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<Change<(K, V)>>>, SinkError> {
        let mut versions = lock(&self.shared.versions);
        if versions.phase == Phase::Running {
            return Err(SinkError::Invalid(
                "a table is read through this `Queryable` already: make another one for each table"
                    .into(),
            ));
        }
        versions.rows.clear();
        versions.batches.clear();
        (versions.gone, versions.phase) = (0, Phase::Running);
        Ok(Box::new(TableWriter { shared: Arc::clone(&self.shared) }))
    }
}

struct TableWriter<K, V> {
    shared: Arc<Shared<K, V>>,
}

impl<K: Record + Sync, V: Record + Sync> Writer<Change<(K, V)>> for TableWriter<K, V> {
    fn write(&mut self, tick: &Tick, changes: &[Change<(K, V)>]) -> Result<(), SinkError> {
        let mut sorted = changes.to_vec();
        // They are in the order of keys, unless the table has another one of its own.
        sorted.sort_by(|left, right| left.row.0.cmp(&right.row.0));
        let mut versions = lock(&self.shared.versions);
        for Change { diff, row: (key, value) } in changes.iter().cloned() {
            use std::collections::btree_map::Entry;
            match versions.rows.entry((key, Some(value))) {
                Entry::Vacant(free) => {
                    free.insert(diff);
                }
                Entry::Occupied(mut times) => {
                    *times.get_mut() += diff;
                    if *times.get() == 0 {
                        times.remove();
                    }
                }
            }
        }
        versions.batches.push_back(BatchChanges { tick: *tick, changes: sorted.into() });
        while versions.batches.len() > versions.keep {
            versions.gone = versions.batches.pop_front().map_or(versions.gone, |old| old.tick.id);
        }
        self.shared.changed.notify_all();
        Ok(())
    }
}

impl<K, V> Drop for TableWriter<K, V> {
    fn drop(&mut self) {
        lock(&self.shared.versions).phase = Phase::Over;
        self.shared.changed.notify_all();
    }
}
