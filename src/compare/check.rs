//! Whether modes give the same: each batch of their outputs, as multisets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tidegate_operators::{Record, Tick, stable_hash};

use super::drive::drive;
use super::input::Input;
use super::mode::Mode;
use crate::batch::BatchId;
use crate::engine::control::lock;
use crate::error::{RecordingError, RunError, SinkError};
use crate::sink::{Sink, Writer};
use crate::table::Change;

/// Why modes could not be compared, or are not the same.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A mode did not run well.
    #[error("`{mode}` did not run well")]
    Run {
        /// The mode.
        mode: String,
        /// What became of it.
        source: Box<RunError>,
    },
    /// The input can't be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Two modes give different rows.
    #[error("{0}")]
    Differs(Box<Difference>),
}

/// That modes gave the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// How many modes were compared.
    pub modes: usize,
    /// How many batches had an output, in each of them.
    pub batches: usize,
    /// How many changes there were, in each of them.
    pub changes: u64,
}

/// The first batch in which two modes differ, and the rows that one has and the other has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The batch.
    pub batch: BatchId,
    /// The mode that the other was held against.
    pub expected: String,
    /// The mode that differs.
    pub found: String,
    /// Changes that only the first has, each with how many times more.
    pub missing: Vec<(String, u64)>,
    /// Changes that only the second has.
    pub surplus: Vec<(String, u64)>,
}

/// More rows than this are not shown.
const SHOWN: usize = 10;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { batch, expected, found, missing, surplus } = self;
        write!(f, "batch {batch} differs between `{expected}` and `{found}`")?;
        for (mode, rows) in [(expected, missing), (found, surplus)] {
            for (row, times) in rows.iter().take(SHOWN) {
                let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
                write!(f, "\n  only in `{mode}`: {row}{times}")?;
            }
            if rows.len() > SHOWN {
                write!(f, "\n  ... and {} more rows only in `{mode}`", rows.len() - SHOWN)?;
            }
        }
        if missing.is_empty() && surplus.is_empty() {
            write!(f, ": only one of them has an output there, without rows")?;
        }
        Ok(())
    }
}

/// Runs all modes and holds the output of each batch against that of the first mode: the changes of
/// the table, in any order.
///
/// Nothing is kept but a number for each batch; where two modes differ, both run again up to that
/// batch, to tell its rows.
///
/// # Errors
///
/// If a mode does not run, or at the first batch that differs.
pub fn check<D: Record, R: Record>(
    input: &Input<D>,
    modes: &[Mode<D, R>],
    workers: usize,
) -> Result<Checked, CompareError> {
    let mut expected: Option<(&Mode<D, R>, Vec<Digest>)> = None;
    for mode in modes {
        let found = digests(input, mode, workers)?;
        let Some((first, expected)) = &expected else {
            expected = Some((mode, found));
            continue;
        };
        let length = expected.len().max(found.len());
        let differs = (0..length).find(|at| expected.get(*at) != found.get(*at));
        if let Some(at) = differs {
            let ids = [expected.get(at), found.get(at)].into_iter().flatten();
            let batch = ids.map(|digest| digest.batch).min().unwrap_or(0);
            let found = explain(input, batch, [first, mode], workers)?;
            return Err(CompareError::Differs(Box::new(found)));
        }
    }
    let found = expected.map(|(_, digests)| digests).unwrap_or_default();
    let changes = found.iter().map(|digest| digest.rows).sum();
    Ok(Checked { modes: modes.len(), batches: found.len(), changes })
}

/// What stands for the changes of a batch, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    batch: BatchId,
    rows: u64,
    sums: [u64; 2],
}

fn digests<D: Record, R: Record>(
    input: &Input<D>,
    mode: &Mode<D, R>,
    workers: usize,
) -> Result<Vec<Digest>, CompareError> {
    let found: Arc<Mutex<Vec<Digest>>> = Arc::default();
    let digests = Arc::clone(&found);
    run(input, mode, workers, BatchId::MAX, move |tick, changes: &[Change<R>]| {
        let mut digest = Digest { batch: tick.id, rows: changes.len() as u64, sums: [0; 2] };
        for change in changes {
            digest.sums[0] = digest.sums[0].wrapping_add(stable_hash(change));
            digest.sums[1] = digest.sums[1].wrapping_add(stable_hash(&(change, 1u8)));
        }
        lock(&digests).push(digest);
    })?;
    let found = std::mem::take(&mut *lock(&found));
    Ok(found)
}

/// Runs both modes up to a batch again, and tells its rows apart.
fn explain<D: Record, R: Record>(
    input: &Input<D>,
    batch: BatchId,
    [expected, found]: [&Mode<D, R>; 2],
    workers: usize,
) -> Result<Difference, CompareError> {
    let mut counts: BTreeMap<Change<R>, i64> = BTreeMap::new();
    for (mode, sign) in [(expected, 1), (found, -1)] {
        let rows: Arc<Mutex<Vec<Change<R>>>> = Arc::default();
        let kept = Arc::clone(&rows);
        run(input, mode, workers, batch, move |tick, changes: &[Change<R>]| {
            if tick.id == batch {
                lock(&kept).extend_from_slice(changes);
            }
        })?;
        for change in std::mem::take(&mut *lock(&rows)) {
            *counts.entry(change).or_default() += sign;
        }
    }
    let only = |sign: i64| {
        let rows = counts.iter().filter(|(_, times)| **times * sign > 0);
        rows.map(|(row, times)| (format!("{row:?}"), times.unsigned_abs())).collect()
    };
    let (expected, found) = (expected.name.clone(), found.name.clone());
    Ok(Difference { batch, expected, found, missing: only(1), surplus: only(-1) })
}

/// The rows of the table after a batch, each with how often it is there.
pub(super) fn contents<D: Record, R: Record>(
    input: &Input<D>,
    mode: &Mode<D, R>,
    workers: usize,
    through: BatchId,
) -> Result<BTreeMap<R, i64>, CompareError> {
    let rows: Arc<Mutex<BTreeMap<R, i64>>> = Arc::default();
    let kept = Arc::clone(&rows);
    run(input, mode, workers, through, move |_, changes: &[Change<R>]| {
        let mut kept = lock(&kept);
        for change in changes {
            *kept.entry(change.row.clone()).or_default() += change.diff as i64;
        }
    })?;
    let mut rows = std::mem::take(&mut *lock(&rows));
    rows.retain(|_, times| *times != 0);
    Ok(rows)
}

fn run<D: Record, R: Record>(
    input: &Input<D>,
    mode: &Mode<D, R>,
    workers: usize,
    through: BatchId,
    see: impl Fn(&Tick, &[Change<R>]) + Send + Sync + 'static,
) -> Result<(), CompareError> {
    let see = Arc::new(see);
    let end = move |table: crate::Table<'_, R>| {
        table.changes().sink(Seen { see: Arc::clone(&see) as See<R> });
    };
    drive(input, mode, workers, end, |done| done.record.batch < through)
        .map_err(|source| CompareError::Run { mode: mode.name.clone(), source: Box::new(source) })
}

type See<R> = Arc<dyn Fn(&Tick, &[Change<R>]) + Send + Sync>;

/// A sink that shows changes to a function.
struct Seen<R> {
    see: See<R>,
}

impl<R: Record> Sink<Change<R>> for Seen<R> {
    fn name(&self) -> String {
        "comparison".into()
    }

    fn open(&mut self, _shard: usize) -> Result<Box<dyn Writer<Change<R>>>, SinkError> {
        Ok(Box::new(Seen { see: Arc::clone(&self.see) }))
    }
}

impl<R: Record> Writer<Change<R>> for Seen<R> {
    fn write(&mut self, tick: &Tick, rows: &[Change<R>]) -> Result<(), SinkError> {
        (self.see)(tick, rows);
        Ok(())
    }
}
