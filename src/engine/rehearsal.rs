//! What a restart would do, tried without doing it.

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
        manifest.check(&declared.states)?;
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
/// found out. Sources are read; nothing is written but a copy of the checkpoint beside it, which is
/// gone in the end.
///
/// # Errors
///
/// If there are no two checkpoints, or the batches can't be run.
pub fn verify_replay(
    config: Config,
    program: impl Fn(Context<'_>) + Send + Sync + 'static,
) -> Result<Replayed, RunError> {
    let (checkpoints, mut config) = checkpoints_of(config)?;
    let archive = Archive::open(&checkpoints.directory)?;
    let whole = archive.checkpoints()?.into_iter().filter_map(Result::ok);
    let mut whole = whole.filter(|manifest| archive.verify(manifest).is_ok());
    let path = checkpoints.directory.clone();
    let (Some(newest), Some(oldest)) = (whole.next(), whole.last()) else {
        return Err(RecoveryError::OneCheckpoint { path }.into());
    };
    let place = tempfile::Builder::new()
        .prefix(".replay-")
        .tempdir_in(&path)
        .map_err(|source| RecoveryError::Store { path, source })?;
    let copy = place.path().join("copy");
    archive.copy(&oldest, Some(newest.tick.id), &copy)?;

    config.replays_only = true;
    config.cluster = None;
    config.checkpoints = Some(Checkpoints::at(&copy).every(std::time::Duration::MAX));
    super::run(config, program)?;

    let copy = Archive::open(&copy)?;
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
