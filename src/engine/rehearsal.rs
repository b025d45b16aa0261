//! What a restart would do, tried without doing it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate_operators::Tick;

use super::build::Outline;
use super::dry;
use crate::batch::BatchId;
use crate::config::Config;
use crate::context::Context;
use crate::error::{ConfigError, RecoveryError, RunError};
use crate::plan::PlanRow;
use crate::recovery::{Archive, Checkpoints};

/// What a program would begin with.
#[derive(Clone, Debug)]
pub struct Restorable {
    /// The batch through which there is a state.
    pub saved: Option<BatchId>,
    /// What would be run again.
    pub replay: Vec<PlanRow>,
    /// Each operator that keeps a state, and how many rows are saved of it; `None` if it begins
    /// empty.
    pub operators: Vec<(String, Option<u64>)>,
}

/// Says whether a program can be started from the checkpoints in its configuration, and what it
/// would begin with. Nothing is opened but the checkpoints, which are read as they lie.
///
/// # Errors
///
/// Those of the start that would fail: an operator that is gone, a type that has changed, a
/// checkpoint that is damaged.
pub fn check_restore(
    config: Config,
    program: impl Fn(Context<'_>) + Send + Sync + 'static,
) -> Result<Restorable, RunError> {
    let (checkpoints, config) = checkpoints_of(config)?;
    let Outline { declared, .. } = dry::outline(&config.into(), &program)?;
    let archive = Archive::open(&checkpoints.directory)?;
    let (saved, replay) = archive.standing()?;
    let mut manifest = match saved {
        Some(batch) => Some(archive.checkpoint(Some(batch))?),
        None => None,
    };
    if let Some(manifest) = &mut manifest {
        manifest.operators.retain(|state| !checkpoints.dropped.contains(&state.uid));
        manifest.check(&declared.states, &checkpoints.migrations)?;
    }
    let rows_of = |uid: &String| {
        let mut known = manifest.iter().flat_map(|manifest| &manifest.operators);
        known.find(|state| state.uid == *uid).map(|state| state.rows())
    };
    let operators = declared.states.into_iter().map(|state| {
        let rows = rows_of(&state.uid);
        (state.uid, rows)
    });
    Ok(Restorable { saved, replay, operators: operators.collect() })
}

/// What came of running batches again.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The batch of the checkpoint that it began with.
    pub from: Tick,
    /// The last batch that was run again.
    pub through: Tick,
    /// The operators whose state was compared.
    pub operators: Vec<OperatorReplay>,
}

/// An operator's state after batches were run again.
#[derive(Clone, Debug)]
pub struct OperatorReplay {
    /// Its name.
    pub uid: String,
    /// The rows that it had; `None` if they can't be read without the program, and were not
    /// compared.
    pub rows: Option<u64>,
    /// A row that one of both has and the other has not, as JSON.
    pub difference: Option<String>,
}

impl Replayed {
    /// Whether everything is as it was.
    pub fn is_same(&self) -> bool {
        self.operators.iter().all(|operator| operator.difference.is_none())
    }
}

/// Runs batches again, from the oldest checkpoint to the newest, and compares the state with what
/// was saved: so a user's function that goes by the clock, by chance or by the order of a hash map is
/// found out. Sources are read; nothing is written but a copy of the checkpoint, which is gone in the
/// end: in its directory, or, if that is an object store, in the system's directory for such things.
///
/// # Errors
///
/// If there are no two checkpoints, or the batches can't be run.
pub fn verify_replay(
    config: Config,
    program: impl Fn(Context<'_>) + Send + Sync + 'static,
) -> Result<Replayed, RunError> {
    let (checkpoints, config) = checkpoints_of(config)?;
    let archive = Archive::open(&checkpoints.directory)?;
    let whole = archive.checkpoints()?.into_iter().filter_map(Result::ok);
    let mut whole = whole.filter(|manifest| archive.verify(manifest).is_ok());
    let path = checkpoints.directory.clone();
    let (Some(newest), Some(oldest)) = (whole.next(), whole.last()) else {
        return Err(RecoveryError::OneCheckpoint { path }.into());
    };
    let scratch = Scratch::of(&path)?;
    archive.copy(Some(&oldest), Some(newest.tick.id), &scratch.copy)?;
    scratch.run(config, program)?;

    let copy = Archive::open(&scratch.copy)?;
    let again = copy.checkpoint(Some(newest.tick.id))?;
    let mut operators = Vec::new();
    for state in &newest.operators {
        let before = archive.contents(&newest, state)?;
        let now = again.operators.iter().find(|again| again.uid == state.uid);
        let after = match now {
            Some(now) => copy.contents(&again, now)?,
            None => Some(Vec::new()),
        };
        let (rows, difference) = match (before, after) {
            (Some(before), Some(after)) => {
                (Some(before.len() as u64), first_difference(before, after))
            }
            _ => (None, None),
        };
        operators.push(OperatorReplay { uid: state.uid.clone(), rows, difference });
    }
    Ok(Replayed { from: oldest.tick, through: newest.tick, operators })
}

/// Runs again what was planned behind the newest checkpoint, through some batch or all of it, without
/// sinks: to find out whether a batch can be got through. Sources are read; nothing is written but a
/// copy of the checkpoint, as by [`verify_replay`]. Gives the batches that were run.
///
/// # Errors
///
/// What a batch can't be got through for.
pub fn rehearse(
    config: Config,
    through: Option<BatchId>,
    program: impl Fn(Context<'_>) + Send + Sync + 'static,
) -> Result<Vec<PlanRow>, RunError> {
    let (checkpoints, config) = checkpoints_of(config)?;
    let archive = Archive::open(&checkpoints.directory)?;
    let (saved, mut behind) = archive.standing()?;
    behind.retain(|row| through.is_none_or(|through| row.tick.id <= through));
    if behind.is_empty() {
        return Ok(behind);
    }
    let manifest = match saved {
        Some(batch) => Some(archive.checkpoint(Some(batch))?),
        None => None,
    };
    let scratch = Scratch::of(&checkpoints.directory)?;
    archive.copy(manifest.as_ref(), through, &scratch.copy)?;
    scratch.run(config, program)?;
    Ok(behind)
}

/// A place for a copy of checkpoints that is gone in the end.
struct Scratch {
    _place: TempDir,
    copy: PathBuf,
}

impl Scratch {
    /// Beside the checkpoints, if they lie in a directory.
    fn of(path: &Path) -> Result<Self, RecoveryError> {
        let mut place = tempfile::Builder::new();
        place.prefix(".replay-");
        let place = match path.is_dir() {
            true => place.tempdir_in(path),
            false => place.tempdir(),
        };
        let place =
            place.map_err(|source| RecoveryError::Store { path: path.to_owned(), source })?;
        Ok(Scratch { copy: place.path().join("copy"), _place: place })
    }

    /// Runs what is planned there, and nothing else; ends with a checkpoint.
    fn run(
        &self,
        mut config: Config,
        program: impl Fn(Context<'_>) + Send + Sync + 'static,
    ) -> Result<(), RunError> {
        config.replays_only = true;
        config.cluster = None;
        config.checkpoints = Some(Checkpoints::at(&self.copy).every(std::time::Duration::MAX));
        super::run(config, program).map(drop)
    }
}

fn checkpoints_of(config: Config) -> Result<(Checkpoints, Config), RunError> {
    config.check()?;
    match config.checkpoints.clone() {
        Some(checkpoints) => Ok((checkpoints, config)),
        None => Err(ConfigError::NoCheckpoints.into()),
    }
}

fn first_difference(
    before: Vec<serde_json::Value>,
    after: Vec<serde_json::Value>,
) -> Option<String> {
    let texts = |rows: Vec<serde_json::Value>| {
        let mut texts: Vec<String> = rows.iter().map(ToString::to_string).collect();
        texts.sort_unstable();
        texts
    };
    let (before, after) = (texts(before), texts(after));
    let at = before.iter().zip(&after).position(|(before, after)| before != after);
    let at = at.unwrap_or(before.len().min(after.len()));
    match (before.get(at), after.get(at)) {
        (None, None) => None,
        (Some(before), Some(after)) => Some(format!("{before} was saved, and it is {after}")),
        (Some(before), None) => Some(format!("{before} was saved, and is not there")),
        (None, Some(after)) => Some(format!("{after} was not saved")),
    }
}
