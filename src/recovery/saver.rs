//! The operator that saves what a tap gives: a file for each checkpoint, written on a thread of its
//! own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_operators::Record;
use tidegate_operators::batched::{BatchOperator, Folding, Route, SavedForm};
use tidegate_operators::ship::KEY_GROUPS;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::manifest::StateFile;
use super::state_file;
use super::store::Store;
use crate::batch::{BatchId, RowStream};
use crate::engine::control::Control;
use crate::engine::handover::Handover;
use crate::error::{RecoveryError, RunError};
use crate::fault::{self, Point};
use crate::rate::LimitedTick;

/// What a worker has saved of an operator: all files that its own state is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) operator: u32,
    pub(crate) worker: u32,
    pub(crate) files: Vec<StateFile>,
}

/// How the rows of an operator's state are treated.
pub(crate) struct SavedRows<S> {
    /// Where a row belongs when it comes back.
    pub(crate) route: fn(&S) -> Route,
    /// Fewer rows that stand for many.
    pub(crate) fold: fn(Vec<S>, Folding) -> Vec<S>,
    /// How they are read by whoever has no program.
    pub(crate) form: SavedForm,
}

impl<S> Clone for SavedRows<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for SavedRows<S> {}

impl<S> SavedRows<S> {
    /// As an operator says.
    pub(crate) fn of<O: BatchOperator<BatchId, Saved = S>>() -> Self {
        SavedRows { route: O::route, fold: O::fold, form: O::form() }
    }

    /// Of one thing that every worker has: the last row counts.
    pub(crate) fn of_one_thing() -> Self {
        SavedRows {
            route: |_| Route::Everywhere,
            fold: |mut rows, _| rows.split_off(rows.len().saturating_sub(1)),
            form: SavedForm::Rows,
        }
    }
}

/// What a saver is made of.
pub(crate) struct Saver<S> {
    pub(crate) store: Store,
    pub(crate) generation: u64,
    pub(crate) control: Arc<Control>,
    pub(crate) operator: u32,
    pub(crate) uid: String,
    pub(crate) worker: u32,
    /// Whether earlier files stand behind those that are written here.
    pub(crate) has_past: bool,
    pub(crate) rows: SavedRows<S>,
}

/// Saves what came through a batch, when the batch is a checkpoint or turns out to be the last. The
/// output's frontier says through which checkpoint everything is saved.
pub(crate) fn build<'s, S: Record>(
    tap: RowStream<'s, S>,
    ticks: RowStream<'s, LimitedTick>,
    saver: Saver<S>,
) -> Result<RowStream<'s, Saved>, RunError> {
    let scope = tap.scope();
    let mut builder = OperatorBuilder::new(format!("Save: {}", saver.uid), scope);
    let mut tap = builder.new_input(tap, Pipeline);
    let mut ticks = builder.new_input(ticks, Pipeline);
    let (saved, stream) = builder.new_output();
    let mut saved = OutputBuilder::<BatchId, NoopBuilder<Vec<Saved>>>::from(saved);
    let waker = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    let (operator, worker) = (saver.operator, saver.worker);
    let thread = format!("save {}", saver.uid);
    let control = Arc::clone(&saver.control);
    let mut writer = Writer { saver, runs: Vec::new(), written: 0 };
    let mut writer = Handover::start(&thread, waker, control, move |(batch, rows)| {
        writer.save(batch, rows).map_err(RunError::from)
    })?;

    builder.build(move |_| {
        let mut rows: VecDeque<(BatchId, Vec<S>)> = VecDeque::new();
        let mut marks: BTreeMap<BatchId, Capability<BatchId>> = BTreeMap::new();
        let mut writing: BTreeMap<BatchId, Capability<BatchId>> = BTreeMap::new();
        // Of the newest batch, if it is no checkpoint as yet.
        let mut newest: Option<Capability<BatchId>> = None;
        move |frontiers| {
            tap.for_each(|time, tapped| {
                rows.push_back((*time.time(), std::mem::take(tapped)));
            });
            ticks.for_each(|time, ticks| {
                let capability = time.retain(0);
                newest = match ticks.drain(..).any(|tick| tick.is_checkpoint) {
                    true => {
                        marks.insert(*capability.time(), capability);
                        None
                    }
                    false => Some(capability),
                };
            });
            if frontiers[1].is_empty()
                && let Some(last) = newest.take()
            {
                marks.insert(*last.time(), last);
            }
            while let Some(mark) = marks.first_entry() {
                if frontiers.iter().any(|frontier| frontier.less_equal(mark.key())) {
                    break;
                }
                let (batch, capability) = mark.remove_entry();
                let mut through = Vec::new();
                while let Some((_, rows)) = rows.pop_front_if(|(time, _)| *time <= batch) {
                    through.push(rows);
                }
                if !through.is_empty() {
                    writer.send(batch, (batch, through));
                    writing.insert(batch, capability);
                }
            }
            let mut output = saved.activate();
            for (batch, files) in writer.confirmed() {
                let Some(capability) = writing.remove(&batch) else { continue };
                let mut message = vec![Saved { operator, worker, files }];
                output.session_with_builder(&capability).give_container(&mut message);
            }
        }
    });
    Ok(stream)
}

/// Two files are merged once the older one is no more than so many times as large: so there are few
/// of them, and a row is written again only as often as the logarithm of the size.
const MERGED_UP_TO: u64 = 2;

/// Writes the files of one operator on one worker.
struct Writer<S> {
    saver: Saver<S>,
    /// What has been written, oldest first; each much larger than the next.
    runs: Vec<StateFile>,
    /// How many files have been written.
    written: u64,
}

impl<S: Record> Writer<S> {
    fn save(
        &mut self,
        through: BatchId,
        tapped: Vec<Vec<S>>,
    ) -> Result<Vec<StateFile>, RecoveryError> {
        let rows = tapped.into_iter().flatten();
        let file = self.write(through, rows, self.runs.is_empty(), "delta")?;
        self.runs.push(file);
        while let [.., older, newer] = &self.runs[..] {
            if older.bytes > MERGED_UP_TO * newer.bytes {
                break;
            }
            let (older, newer) = (older.clone(), newer.clone());
            let mut rows: Vec<S> = Vec::new();
            for file in [&older, &newer] {
                let content = file.read(&self.saver.store)?;
                state_file::decode(&content, &(0..=KEY_GROUPS - 1), |more| rows.extend(more))
                    .map_err(|what| self.saver.store.damaged(&file.path, what))?;
            }
            self.runs.truncate(self.runs.len() - 2);
            let merged = self.write(through, rows.into_iter(), self.runs.is_empty(), "merged")?;
            self.runs.push(merged);
        }
        Ok(self.runs.clone())
    }

    fn write(
        &mut self,
        through: BatchId,
        rows: impl Iterator<Item = S>,
        is_first: bool,
        kind: &str,
    ) -> Result<StateFile, RecoveryError> {
        let Saver { store, generation, uid, worker, rows: treated, has_past, .. } = &self.saver;
        let mut groups: BTreeMap<u64, Vec<S>> = BTreeMap::new();
        for row in rows {
            groups.entry(state_file::group((treated.route)(&row))).or_default().push(row);
        }
        let folding = Folding { through, is_whole: is_first && !has_past };
        let groups: Vec<(u64, Vec<S>)> = groups
            .into_iter()
            .map(|(group, rows)| (group, (treated.fold)(rows, folding)))
            .filter(|(_, rows)| !rows.is_empty())
            .collect();
        let rows = groups.iter().map(|(_, rows)| rows.len() as u64).sum();
        let content = state_file::encode(groups);
        self.written += 1;
        let name = format!("{through:020}-{generation}-{worker}-{}.{kind}", self.written);
        let path = format!("state/{}/{name}", directory(uid));
        fault::at(Point::Saving).map_err(store.failed(&path))?;
        if !store.create(&path, &content)? {
            return Err(store.damaged(&path, "it is there before it was written"));
        }
        fault::at(Point::Saved).map_err(store.failed(&path))?;
        Ok(StateFile::of(path, through, rows, &content))
    }
}

/// A directory's name that says which operator it belongs to, whatever its name has in it.
pub(super) fn directory(uid: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let shown: String = uid.chars().map(plain).take(80).collect();
    let shown = shown.trim_start_matches('.');
    if shown == uid {
        return uid.to_owned();
    }
    format!("{shown}-{:08x}", tidegate_operators::stable_hash(uid) as u32)
}
