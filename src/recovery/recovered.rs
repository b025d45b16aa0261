//! What a start finds: where an earlier run stood, and what it had planned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_operators::batched::{Folding, Route, SavedForm};
use tidegate_operators::ship::KEY_GROUPS;
use tidegate_operators::{Peers, Record, Tick};

use super::journal::JournalLog;
use super::manifest::{Manifest, Position};
use super::plan_log::{self, DurablePlan, Planned};
use super::store::Store;
use super::{Checkpoints, Migration, SavedRows, Schema, aside, generation, state_file};
use crate::batch::BatchId;
use crate::engine::registry::DeclaredState;
use crate::error::RecoveryError;
use crate::plan::PlanRow;

/// A job that is saved, from its start on.
pub(crate) struct Recovery {
    pub(crate) store: Store,
    pub(crate) generation: u64,
    pub(crate) keep: usize,
    migrations: Vec<Migration>,
    pub(crate) plan_log: Arc<DurablePlan>,
    pub(crate) past: Past,
}

/// Where an earlier run stood.
#[derive(Default)]
pub(crate) struct Past {
    /// The checkpoint to begin with, if there is one.
    pub(crate) manifest: Option<Manifest>,
    /// What was planned after it.
    pub(crate) replay: Vec<PlanRow>,
    /// Batches that were put aside.
    pub(crate) aside: BTreeSet<BatchId>,
}

impl Past {
    /// Says which of the operators whose state is to be forgotten have none.
    fn warn_of_unknown(&self, dropped: &[String]) {
        let states = self.manifest.iter().flat_map(|manifest| &manifest.operators);
        let known: BTreeSet<&str> = states.map(|state| &*state.uid).collect();
        for unknown in dropped.iter().filter(|uid| !known.contains(&***uid)) {
            let known: Vec<String> = known.iter().map(|uid| format!("`{uid}`")).collect();
            log::warn!(
                "nothing is saved of the operator `{unknown}`; saved are: {}",
                if known.is_empty() { "none".into() } else { known.join(", ") }
            );
        }
    }

    /// The same, with the state of some operators forgotten.
    fn without(mut self, dropped: &[String]) -> Self {
        if let Some(manifest) = &mut self.manifest {
            manifest.operators.retain(|state| !dropped.contains(&state.uid));
        }
        self
    }

    /// The last batch that was planned.
    pub(crate) fn last(&self) -> Option<Tick> {
        let saved = self.manifest.as_ref().map(|manifest| manifest.tick);
        self.replay.last().map(|row| row.tick).or(saved)
    }

    /// The last batch that is in the state.
    pub(crate) fn as_of(&self) -> Option<Tick> {
        self.manifest.as_ref().map(|manifest| manifest.tick)
    }

    /// How far each source was planned to be read, by its number.
    pub(crate) fn planned_through(&self) -> Vec<BTreeMap<u32, u64>> {
        let next = |positions: Vec<Position>| positions.into_iter().map(|p| (p.partition, p.next));
        let mut sources: Vec<BTreeMap<u32, u64>> =
            self.positions().into_iter().map(|positions| next(positions).collect()).collect();
        for cut in self.replay.iter().flat_map(|row| &row.sources) {
            let read = cut.partitions.iter().map(|partition| (partition.partition, partition.to));
            sources[cut.source as usize].extend(read);
        }
        sources
    }

    /// Where each source goes on, by its number: at the checkpoint, and where a partition has come
    /// later, at its first planned record.
    pub(crate) fn positions(&self) -> Vec<Vec<Position>> {
        let mut sources: Vec<BTreeMap<u32, Position>> = Vec::new();
        let mut note = |source: usize, position: Position| {
            if sources.len() <= source {
                sources.resize_with(source + 1, BTreeMap::new);
            }
            sources[source].entry(position.partition).or_insert(position);
        };
        for (number, positions) in self.manifest.iter().flat_map(|m| m.sources.iter().enumerate()) {
            positions.iter().for_each(|position| note(number, position.clone()));
        }
        for cut in self.replay.iter().flat_map(|row| &row.sources) {
            for partition in &cut.partitions {
                let (number, name) = (partition.partition, partition.name.clone());
                let position = Position { partition: number, name, next: partition.from };
                note(cut.source as usize, position);
            }
        }
        sources.into_iter().map(|positions| positions.into_values().collect()).collect()
    }
}

impl Recovery {
    /// Opens the directory, claims a generation, and finds out where the last one stood.
    pub(crate) fn open(
        checkpoints: &Checkpoints,
        job: &str,
        workers: usize,
    ) -> Result<Self, RecoveryError> {
        let store = Store::open(&checkpoints.directory)?;
        let generation = generation::claim(&store, job, workers)?;
        let (planned, cut) = plan_log::read(&store, Some(generation))?;
        generation::cut(&store, generation, &cut)?;
        let past = past(&store, planned)?;
        past.warn_of_unknown(&checkpoints.dropped);
        let past = past.without(&checkpoints.dropped);
        if let Some(last) = past.last() {
            let saved = past.as_of().map_or(0, |tick| tick.id);
            log::info!(
                "generation {generation}: the state is that of batch {saved}, and {} batches are \
                 run again, through batch {}",
                past.replay.len(),
                last.id
            );
        }
        Ok(Recovery {
            plan_log: Arc::new(DurablePlan::new(store.clone(), generation)),
            store,
            generation,
            keep: checkpoints.keep,
            migrations: checkpoints.migrations.clone(),
            past,
        })
    }

    /// Finds out where the last generation stood, for a process whose job goes on as `generation`,
    /// which process 0 has claimed and cut.
    pub(crate) fn join(checkpoints: &Checkpoints, generation: u64) -> Result<Self, RecoveryError> {
        let store = Store::share(&checkpoints.directory)?;
        if !generation::is_known(&store, generation)? {
            let path = checkpoints.directory.clone();
            return Err(RecoveryError::NotShared { path, generation });
        }
        let planned = plan_log::read_before(&store, generation)?;
        Ok(Recovery {
            plan_log: Arc::new(DurablePlan::new(store.clone(), generation)),
            past: past(&store, planned)?.without(&checkpoints.dropped),
            store,
            generation,
            keep: checkpoints.keep,
            migrations: checkpoints.migrations.clone(),
        })
    }

    /// The journal of a partition whose source can't be read again.
    pub(crate) fn journal(&self, source: usize, partition: u32) -> JournalLog {
        JournalLog::new(self.store.clone(), self.generation, source, partition)
    }

    /// That the program has every operator whose state was saved, and can read it.
    pub(crate) fn check(&self, states: &[DeclaredState]) -> Result<(), RecoveryError> {
        match &self.past.manifest {
            Some(manifest) => manifest.check(states, &self.migrations),
            None => Ok(()),
        }
    }

    /// The rows of an operator's state that belong to a worker, oldest first; `None` if the
    /// operator was not there at the checkpoint.
    pub(crate) fn rows_of<S: Record>(
        &self,
        uid: &str,
        peers: &Peers,
        treated: SavedRows<S>,
    ) -> Result<Option<Restored<S>>, RecoveryError> {
        let Some(manifest) = &self.past.manifest else { return Ok(None) };
        let Some(state) = manifest.operators.iter().find(|state| state.uid == uid) else {
            return Ok(None);
        };
        let SavedRows { route, fold, .. } = treated;
        let is_wanted = |row: &S| match route(row) {
            Route::Key(hash) => peers.owner_of_hash(hash) == peers.index(),
            Route::Everywhere => true,
        };
        // Rows of different keys have nothing to do with each other, and a few are folded faster than many.
        let is_by_key = state.form == SavedForm::Latest;
        let group = |row: &S| if is_by_key { state_file::group(route(row)) } else { 0 };
        let mut groups: BTreeMap<u64, Vec<S>> = BTreeMap::new();
        let mut restored = Restored { as_of: manifest.tick, rows: Vec::new(), is_migrated: false };

        let migration = self.migrations.iter().find(|migration| migration.uid == uid);
        let has_changed = || state.schema.difference(&Schema::of::<S>()).is_some();
        if let Some(migration) = migration.filter(|_| has_changed()) {
            // Another type may have other hashes: whose a row is can only be told now.
            restored.is_migrated = true;
            let rows = migration.rows_of::<S>(&self.store, state)?;
            for row in rows.into_iter().filter(is_wanted) {
                groups.entry(group(&row)).or_default().push(row);
            }
        } else {
            let is_own = |group: &u64| peers.owner_of_group(*group) == peers.index();
            let first = (0..KEY_GROUPS).find(is_own);
            let last = (0..KEY_GROUPS).rev().find(is_own);
            let (Some(first), Some(last)) = (first, last) else { return Ok(Some(restored)) };
            for file in &state.files {
                let content = file.read(&self.store)?;
                state_file::decode(&content, &(first..=last), |mut more: Vec<S>| {
                    more.retain(is_wanted);
                    let group = more.first().map_or(0, group);
                    groups.entry(group).or_default().append(&mut more);
                })
                .map_err(|what| self.store.damaged(&file.path, what))?;
            }
        }
        let folding = Folding { through: manifest.tick.id, is_whole: true };
        restored.rows = groups.into_values().flat_map(|rows| fold(rows, folding)).collect();
        Ok(Some(restored))
    }
}

/// A worker's part of an operator's saved state.
pub(crate) struct Restored<S> {
    /// The last batch that is in it.
    pub(crate) as_of: Tick,
    /// The oldest first.
    pub(crate) rows: Vec<S>,
    /// Whether the rows are not as they lie in the files, and have to be saved anew.
    pub(crate) is_migrated: bool,
}

/// The newest checkpoint that is whole, and the plan behind it.
pub(super) fn past(store: &Store, planned: Planned) -> Result<Past, RecoveryError> {
    let mut damaged: Option<RecoveryError> = None;
    let mut found = None;
    for id @ (batch, generation) in Manifest::list(store)? {
        if !planned.may_be_saved_by(generation, batch) {
            log::warn!("checkpoint {batch} is passed over: generation {generation} had ended");
            continue;
        }
        let whole = Manifest::read(store, id).and_then(|manifest| {
            manifest.files().try_for_each(|file| file.read(store).map(drop))?;
            Ok(manifest)
        });
        match whole {
            Ok(manifest) => {
                found = Some(manifest);
                break;
            }
            Err(error) => {
                log::warn!("checkpoint {batch} is passed over: {error}");
                damaged = damaged.or(Some(error));
            }
        }
    }
    let through = found.as_ref().map_or(0, |manifest| manifest.tick.id);
    let mut rows = planned.rows;
    rows.retain(|row| row.tick.id > through);
    // The plan must reach back to the checkpoint without a gap.
    let mut before = through;
    for row in &rows {
        if row.tick.previous != before {
            let gap = RecoveryError::PlanGap { from: before, to: row.tick.id };
            return Err(match damaged {
                Some(error) => error,
                None => gap,
            });
        }
        before = row.tick.id;
    }
    Ok(Past { manifest: found, replay: rows, aside: aside::list(store)? })
}

/// Claims and cuts of generations that left no plan log have nothing to say any more; the newest
/// two stay, for whoever wants to know.
pub(super) fn tidy_generations(store: &Store) -> Result<(), RecoveryError> {
    let logs = store.list("plan")?;
    let names = store.list("gen")?;
    let newest: Vec<&str> = {
        let mut numbers: Vec<&str> =
            names.iter().filter_map(|name| name.split('.').next()).collect();
        numbers.dedup();
        numbers.into_iter().rev().take(2).collect()
    };
    for name in &names {
        let number = name.split('.').next().unwrap_or_default();
        let has_logs = logs.iter().any(|log| log.starts_with(number));
        // A cut tells of the logs of all generations before it.
        let tells = name.ends_with(".cut") && logs.iter().any(|log| log.as_str() < number);
        if !newest.contains(&number) && !has_logs && !tells {
            store.remove(&format!("gen/{name}"))?;
        }
    }
    Ok(())
}
