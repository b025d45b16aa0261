//! Checkpoints as they lie in their directory, for whoever wants to know what is there.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegate_operators::ship::KEY_GROUPS;

use super::manifest::{Manifest, OperatorState};
use super::plan_log::DurablePlan;
use super::store::Store;
use super::{aside, generation, journal, plan_log, recovered, rows, state_file};
use crate::batch::BatchId;
use crate::error::RecoveryError;
use crate::plan::{PlanLog as _, PlanRow};

/// A directory of checkpoints, only read: the job may run meanwhile, or not.
///
/// ```
/// use std::time::Duration;
///
/// use tidegate::recovery::{Archive, Checkpoints};
/// use tidegate::sink::Null;
/// use tidegate::source::Generator;
/// use tidegate::{Config, Trigger};
///
/// let place = tempfile::tempdir()?;
/// let checkpoints = Checkpoints::at(place.path().join("state")).every(Duration::ZERO);
/// let config = Config::new("count").trigger(Trigger::AvailableNow).checkpoints(checkpoints);
/// tidegate::run(config, |ctx| {
///     let keys = ctx.source(Generator::zipf_keys(100, 1).records(1_000));
///     keys.running().count_by_value().changes().sink(Null::default());
/// })?;
///
/// let archive = Archive::open(&place.path().join("state"))?;
/// let newest = archive.checkpoints()?.remove(0)?;
/// archive.verify(&newest)?;
/// assert_eq!(newest.operators.len(), 1);
/// assert!(newest.operators[0].rows() > 50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Archive {
    directory: PathBuf,
    store: Store,
}

impl Archive {
    /// Opens a directory.
    ///
    /// # Errors
    ///
    /// If no job has ever been saved there.
    pub fn open(directory: &Path) -> Result<Self, RecoveryError> {
        let (store, path) = (Store::share(directory)?, directory.to_owned());
        match store.list("gen")?.is_empty() {
            true => Err(RecoveryError::NoCheckpoints { path }),
            false => Ok(Archive { directory: path, store }),
        }
    }

    /// The manifests, the newest first; what is wrong with one, in its place.
    ///
    /// # Errors
    ///
    /// If the directory can't be read.
    pub fn checkpoints(&self) -> Result<Vec<Result<Manifest, RecoveryError>>, RecoveryError> {
        let ids = Manifest::list(&self.store)?;
        Ok(ids.into_iter().map(|id| Manifest::read(&self.store, id)).collect())
    }

    /// The checkpoint of a batch; the newest, if `None`.
    ///
    /// # Errors
    ///
    /// If there is none, or it is damaged.
    pub fn checkpoint(&self, batch: Option<BatchId>) -> Result<Manifest, RecoveryError> {
        let known = Manifest::list(&self.store)?;
        let found = match batch {
            None => known.first(),
            Some(batch) => known.iter().find(|(known, _)| *known == batch),
        };
        let path = || self.directory.clone();
        let found = found.ok_or_else(|| RecoveryError::NoCheckpoint { path: path(), batch })?;
        Manifest::read(&self.store, *found)
    }

    /// Where a restart would begin, and what it would run again.
    ///
    /// # Errors
    ///
    /// Those of a restart: neither the checkpoints nor the plan can be used.
    pub fn standing(&self) -> Result<(Option<BatchId>, Vec<PlanRow>), RecoveryError> {
        let (planned, _) = plan_log::read(&self.store, None)?;
        let past = recovered::past(&self.store, planned)?;
        Ok((past.as_of().map(|tick| tick.id), past.replay))
    }

    /// The plan, as far back as it is kept.
    ///
    /// # Errors
    ///
    /// If a log is damaged.
    pub fn plan(&self) -> Result<Vec<PlanRow>, RecoveryError> {
        Ok(plan_log::read(&self.store, None)?.0.rows)
    }

    /// The rows that an operator had at a checkpoint, as JSON and in order; `None` if what they are
    /// made of is not known.
    ///
    /// # Errors
    ///
    /// If a file is damaged.
    pub fn contents(
        &self,
        manifest: &Manifest,
        state: &OperatorState,
    ) -> Result<Option<Vec<Value>>, RecoveryError> {
        let saved = rows::of(&self.store, state)?;
        Ok(saved.map(|saved| rows::held(saved, state.form, manifest.tick.id)))
    }

    /// Puts a batch aside that is planned and not saved: the job's next start hands its records to the
    /// dead letters, and goes on behind it.
    ///
    /// # Errors
    ///
    /// If there is no such batch.
    pub fn set_aside(&self, batch: BatchId) -> Result<(), RecoveryError> {
        let (_, behind) = self.standing()?;
        if !behind.iter().any(|row| row.tick.id == batch) {
            let known = behind.iter().map(|row| row.tick.id);
            let path = self.directory.clone();
            return Err(RecoveryError::NotPlanned { path, batch, behind: known.collect() });
        }
        aside::put(&self.store, batch)
    }

    /// Copies a checkpoint, if there is one, and what was planned behind it, through some batch, to a
    /// new directory, from which a job can be started: with the same sinks, if the one that was copied from never
    /// runs again, else with others.
    ///
    /// # Errors
    ///
    /// If something is there already, can't be written, or is damaged.
    pub fn copy(
        &self,
        manifest: Option<&Manifest>,
        through: Option<BatchId>,
        directory: &Path,
    ) -> Result<(), RecoveryError> {
        if !Store::share(directory)?.list("")?.is_empty() {
            return Err(RecoveryError::NotEmpty { path: directory.to_owned() });
        }
        let copy = Store::open(directory)?;
        for file in manifest.iter().flat_map(|manifest| manifest.files()) {
            copy.create(&file.path, &file.read(&self.store)?)?;
        }
        let plan = DurablePlan::new(copy.clone(), 0);
        for row in self.plan()? {
            let is_wanted = row.tick.id > manifest.map_or(0, |manifest| manifest.tick.id)
                && through.is_none_or(|through| row.tick.id <= through);
            if is_wanted {
                plan.append(&row).map_err(copy.failed("plan"))?;
            }
        }
        journal::copy(&self.store, &copy)?;
        aside::copy(&self.store, &copy)?;
        // Sinks must not take the next run for an old one.
        generation::copy_newest(&self.store, &copy)?;
        manifest.map_or(Ok(()), |manifest| manifest.publish(&copy))
    }

    /// Reads every file of a checkpoint, and compares lengths, hashes and the sums of all blocks.
    ///
    /// # Errors
    ///
    /// The first file that is not what was written.
    pub fn verify(&self, manifest: &Manifest) -> Result<(), RecoveryError> {
        for file in manifest.files() {
            let content = file.read(&self.store)?;
            state_file::open(&content, &(0..=KEY_GROUPS - 1), |_| Ok(()))
                .map_err(|what| self.store.damaged(&file.path, what))?;
        }
        Ok(())
    }
}

impl OperatorState {
    /// The rows in its files: what was saved again counts again.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
