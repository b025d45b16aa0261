//! Worker 0's part: it publishes a checkpoint once everything through its batch is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use tidegate_operators::batched::SavedForm;

use super::manifest::{Manifest, OperatorState, Position, StateFile};
use super::recovered::Recovery;
use super::saver::Saved;
use super::schema::Schema;
use super::store::Store;
use super::{aside, generation, plan_log, recovered};
use crate::batch::{BatchId, Tick};
use crate::engine::control::Control;
use crate::error::{RecoveryError, RunError};
use crate::fault::{self, Point, Rule};
use crate::plan::PlanRow;

/// Puts checkpoints together.
pub(crate) struct Publisher {
    generation: u64,
    previous: Option<BatchId>,
    /// How far each partition of each source is read by the newest plan row.
    sources: Vec<BTreeMap<u32, (String, u64)>>,
    /// The batch of that row.
    newest: Option<Tick>,
    /// Checkpoints that are begun, and how far sources are read at each.
    marked: BTreeSet<BatchId>,
    begun: BTreeMap<BatchId, (Tick, Vec<Vec<Position>>)>,
    /// What has been heard, by batch: it counts when all workers are through.
    heard: BTreeMap<BatchId, Vec<Saved>>,
    /// The operators, by their numbers, as yet without files.
    operators: BTreeMap<u32, OperatorState>,
    /// The files of earlier generations, and of this one by worker.
    inherited: BTreeMap<String, Vec<StateFile>>,
    files: BTreeMap<(u32, u32), Vec<StateFile>>,
    desk: Desk,
}

/// The thread that writes manifests and removes what no checkpoint needs.
struct Desk {
    queue: Option<Sender<Manifest>>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    pub(crate) fn start(
        recovery: &Recovery,
        sources: usize,
        control: Arc<Control>,
    ) -> Result<Self, RunError> {
        let (queue, manifests) = channel::<Manifest>();
        let (store, generation) = (recovery.store.clone(), recovery.generation);
        let inherited = recovery.past.last().map_or(0, |tick| tick.id);
        let tidying = Tidying { keep: recovery.keep, generation, inherited };
        let thread = std::thread::Builder::new()
            .name("checkpoints".into())
            .spawn(move || {
                for manifest in manifests {
                    let published = generation::is_ours(&store, generation)
                        .and_then(|()| manifest.publish(&store))
                        .and_then(|()| tidying.tidy(&store, manifest.tick.id));
                    if let Err(error) = published {
                        return control.fail(error.into());
                    }
                    log::debug!("checkpoint {}", manifest.tick.id);
                }
            })
            .map_err(|source| RunError::System {
                what: "start the thread of checkpoints".into(),
                source,
            })?;
        let past = recovery.past.manifest.as_ref();
        let mut positions: Vec<BTreeMap<u32, (String, u64)>> = vec![BTreeMap::new(); sources];
        for (known, partitions) in positions.iter_mut().zip(recovery.past.positions()) {
            *known = partitions.into_iter().map(|p| (p.partition, (p.name, p.next))).collect();
        }
        let inherited = past.into_iter().flat_map(|past| &past.operators);
        Ok(Publisher {
            generation: recovery.generation,
            previous: past.map(|past| past.tick.id),
            sources: positions,
            newest: None,
            marked: BTreeSet::new(),
            begun: BTreeMap::new(),
            heard: BTreeMap::new(),
            operators: BTreeMap::new(),
            inherited: inherited.map(|state| (state.uid.clone(), state.files.clone())).collect(),
            files: BTreeMap::new(),
            desk: Desk { queue: Some(queue), thread: Some(thread) },
        })
    }

    /// An operator will save its state: what has changed, or all of it.
    pub(crate) fn expect(
        &mut self,
        operator: u32,
        uid: String,
        (schema, form): (Schema, SavedForm),
        saves_all: bool,
    ) {
        if saves_all {
            self.inherited.remove(&uid);
        }
        self.operators.insert(operator, OperatorState { uid, schema, form, files: Vec::new() });
    }

    /// A batch is a checkpoint; none later than it is planned as yet.
    pub(crate) fn mark(&mut self, batch: BatchId) {
        self.marked.insert(batch);
        self.begin();
    }

    /// The plan of a batch is known; they come in order.
    pub(crate) fn planned(&mut self, row: &PlanRow) {
        for cut in &row.sources {
            let Some(known) = self.sources.get_mut(cut.source as usize) else { continue };
            for partition in &cut.partitions {
                known.insert(partition.partition, (partition.name.clone(), partition.to));
            }
        }
        self.newest = Some(row.tick);
        self.begin();
    }

    /// Begins the checkpoint of the newest planned batch, if it is to be one.
    fn begin(&mut self) {
        if let Some(tick) = self.newest.filter(|tick| self.marked.remove(&tick.id)) {
            let positions = |known: &BTreeMap<u32, (String, u64)>| {
                let position = |(partition, (name, next)): (&u32, &(String, u64))| Position {
                    partition: *partition,
                    name: name.clone(),
                    next: *next,
                };
                known.iter().map(position).collect()
            };
            let sources = self.sources.iter().map(positions).collect();
            self.begun.insert(tick.id, (tick, sources));
        }
    }

    /// A worker has saved an operator's state through a batch.
    pub(crate) fn saved(&mut self, batch: BatchId, saved: Saved) {
        self.heard.entry(batch).or_default().push(saved);
    }

    /// Every batch before these frontiers is saved, and done: publishes what may be published.
    pub(crate) fn advance(&mut self, saved: Option<BatchId>, done: Option<BatchId>) {
        let is_past =
            |batch: BatchId, frontier: Option<BatchId>| frontier.is_none_or(|f| batch < f);
        while let Some(first) = self.begun.first_entry() {
            let batch = *first.key();
            let is_done = is_past(batch, done) || fault::is_broken(Rule::CommitBeforeCheckpoint);
            if !is_past(batch, saved) || !is_done {
                break;
            }
            let (tick, sources) = first.remove();
            let later = self.heard.split_off(&(batch + 1));
            for saved in std::mem::replace(&mut self.heard, later).into_values().flatten() {
                self.files.insert((saved.operator, saved.worker), saved.files);
            }
            let operators = self.operators.iter().map(|(operator, state)| {
                let mut state = state.clone();
                state.files.extend(self.inherited.get(&state.uid).into_iter().flatten().cloned());
                let own = self.files.range((*operator, 0)..=(*operator, u32::MAX));
                state.files.extend(own.flat_map(|(_, files)| files).cloned());
                state
            });
            let manifest = Manifest {
                version: 1,
                tick,
                generation: self.generation,
                previous: self.previous.replace(batch),
                sources,
                operators: operators.collect(),
            };
            if let Some(queue) = &self.desk.queue {
                // The thread is gone only if the run has failed.
                let _ = queue.send(manifest);
            }
        }
    }
}

/// Waits until the last checkpoint is published.
impl Drop for Desk {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            // Its panic, if any, has been printed.
            let _ = thread.join();
        }
    }
}

/// What goes when a checkpoint is published.
struct Tidying {
    /// So many checkpoints stay.
    keep: usize,
    generation: u64,
    /// The last batch that earlier generations have planned.
    inherited: BatchId,
}

impl Tidying {
    /// Removes checkpoints beyond the number kept, state files that none of them names, and plan logs
    /// that end before the oldest.
    fn tidy(&self, store: &Store, newest: BatchId) -> Result<(), RecoveryError> {
        let (mut kept, mut oldest) = (0, 0);
        let mut named: BTreeSet<String> = BTreeSet::new();
        let mut unneeded = Vec::new();
        for id @ (batch, generation) in Manifest::list(store)? {
            // Who had ended and did not know has saved what is none of this job's.
            let is_stray = generation < self.generation && batch > self.inherited;
            // What can't be read protects nothing, and is not counted.
            match Manifest::read(store, id) {
                Ok(manifest) if kept < self.keep.max(1) && !is_stray => {
                    kept += 1;
                    oldest = batch;
                    named.extend(manifest.files().map(|file| file.path.clone()));
                }
                _ => unneeded.push(id),
            }
        }
        let mut files = Vec::new();
        for directory in store.list("state")? {
            for file in store.list(&format!("state/{directory}"))? {
                let path = format!("state/{directory}/{file}");
                // Files behind the newest checkpoint belong to the next one.
                let through = file.split('-').next().and_then(|batch| batch.parse().ok());
                if !named.contains(&path)
                    && through.is_some_and(|through: BatchId| through <= newest)
                {
                    files.push(path);
                }
            }
        }
        let logs = plan_log::ended_before(store, oldest)?;
        // What was listed while this job was the last to have begun may go, even if another begins now.
        generation::is_ours(store, self.generation)?;
        unneeded.into_iter().try_for_each(|id| Manifest::remove(store, id))?;
        for path in files {
            store.remove(&path)?;
            fault::at(Point::Tidying).map_err(store.failed(&path))?;
        }
        logs.iter().try_for_each(|name| store.remove(name))?;
        aside::forget_through(store, oldest)?;
        recovered::tidy_generations(store)
    }
}
