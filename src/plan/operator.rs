//! The operator on worker 0 that makes plan rows, and waits until they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_operators::Tick;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::{PartitionCut, PlanLog, PlanRow, SourceCut, WorkerCut};
use crate::batch::{BatchId, RowStream};
use crate::engine::control::Control;
use crate::engine::handover::Handover;
use crate::error::{RecoveryError, RunError};
use crate::rate::Lag;

/// What the plan operator is made of.
pub(crate) struct Plan {
    /// Where rows are written, one after the other.
    pub(crate) logs: Vec<Arc<dyn PlanLog>>,
    /// What an earlier run has planned and written.
    pub(crate) past: BTreeMap<BatchId, PlanRow>,
    pub(crate) control: Arc<Control>,
    /// Told about each row as soon as it is known, and how far partitions were behind, on worker 0.
    pub(crate) planned: Box<dyn FnMut(PlanRow, &[Lag])>,
}

/// Gathers the workers' cuts on worker 0. The output carries nothing: its frontier says through
/// which batch the plan is written.
pub(crate) fn build<'s>(
    cuts: RowStream<'s, WorkerCut>,
    ticks: RowStream<'s, Tick>,
    plan: Plan,
) -> Result<RowStream<'s, ()>, RunError> {
    let Plan { logs, mut past, control, mut planned } = plan;
    let scope = cuts.scope();
    let mut builder = OperatorBuilder::new("Plan".to_owned(), scope);
    let mut cuts = builder.new_input(cuts, Exchange::new(|_: &WorkerCut| 0));
    let mut ticks = builder.new_input(ticks, Pipeline);
    let (_nothing, stream) = builder.new_output::<Vec<()>>();

    let is_owner = scope.index() == 0;
    let waker = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    let failing = Arc::clone(&control);
    let mut writer = match logs.is_empty() || !is_owner {
        true => None,
        false => Some(Handover::start("plan", waker, control, move |row: PlanRow| {
            let batch = row.tick.id;
            let mut logs = logs.iter();
            logs.try_for_each(|log| log.append(&row))
                .map_err(|source| RunError::Plan { batch, source })
        })?),
    };

    builder.build(move |_| {
        let mut open: BTreeMap<BatchId, Open> = BTreeMap::new();
        let mut unwritten: BTreeMap<BatchId, Capability<BatchId>> = BTreeMap::new();
        move |frontiers| {
            cuts.for_each(|time, messages| {
                let batch = open.entry(*time.time()).or_insert_with(|| Open::new(time.retain(0)));
                for cut in messages.drain(..) {
                    batch.cuts.extend(cut.sources);
                    batch.lags.extend(cut.lags);
                }
            });
            ticks.for_each(|time, messages| {
                for tick in messages.drain(..) {
                    let batch =
                        open.entry(*time.time()).or_insert_with(|| Open::new(time.retain(0)));
                    batch.tick = Some(tick);
                }
            });
            while let Some(first) = open.first_entry() {
                if frontiers.iter().any(|frontier| frontier.less_equal(first.key())) {
                    break;
                }
                let (id, batch) = first.remove_entry();
                let (true, Some(tick)) = (is_owner, batch.tick) else { continue };
                let row = PlanRow { tick, sources: together(batch.cuts) };
                if let Some(before) = past.remove(&id) {
                    if let Err(error) = same(&before, &row) {
                        // The batch stays open: no sink may commit it.
                        failing.fail(error.into());
                        open.insert(id, Open { cuts: Vec::new(), lags: Vec::new(), ..batch });
                        return;
                    }
                    planned(before, &batch.lags);
                    continue;
                }
                if let Some(writer) = &mut writer {
                    unwritten.insert(id, batch.capability);
                    writer.send(id, row.clone());
                }
                planned(row, &batch.lags);
            }
            if let Some(writer) = &mut writer {
                for (id, ()) in writer.confirmed() {
                    unwritten.remove(&id);
                }
            }
        }
    });
    Ok(stream)
}

struct Open {
    capability: Capability<BatchId>,
    tick: Option<Tick>,
    cuts: Vec<SourceCut>,
    lags: Vec<Lag>,
}

impl Open {
    fn new(capability: Capability<BatchId>) -> Self {
        Open { capability, tick: None, cuts: Vec::new(), lags: Vec::new() }
    }
}

/// That a batch which is run again has the records that it was planned with.
fn same(planned: &PlanRow, found: &PlanRow) -> Result<(), RecoveryError> {
    let nothing = Vec::new();
    for cut in &planned.sources {
        let now = found.sources.iter().find(|now| now.source == cut.source);
        let now = now.map_or(&nothing, |now| &now.partitions);
        for before in &cut.partitions {
            let is_it = |now: &&PartitionCut| now.partition == before.partition;
            let describe = |cut: &PartitionCut| {
                let PartitionCut { name, from, to, rows, dead, hash, .. } = cut;
                format!("{name} [{from}, {to}) with {} records, hash {hash:016x}", rows + dead)
            };
            let now = now.iter().find(is_it);
            let is_same = match now {
                Some(now) => {
                    // Hashes tell of offsets, too; where there are none, the last offset has to do.
                    let end = |cut: &PartitionCut| if cut.hash == 0 { cut.to } else { 0 };
                    let content = |cut: &PartitionCut| (cut.rows, cut.dead, cut.hash, end(cut));
                    before.rows + before.dead == 0 && now.rows + now.dead == 0
                        || content(now) == content(before)
                }
                None => before.rows + before.dead == 0,
            };
            if !is_same {
                return Err(RecoveryError::InputChanged {
                    batch: planned.tick.id,
                    source_index: cut.source,
                    planned: describe(before),
                    found: now.map_or_else(|| "nothing".into(), describe),
                });
            }
        }
    }
    Ok(())
}

/// One cut a source, from those of all workers.
fn together(mut cuts: Vec<SourceCut>) -> Vec<SourceCut> {
    cuts.sort_by_key(|cut| cut.source);
    let mut sources: Vec<SourceCut> = Vec::new();
    for cut in cuts {
        match sources.last_mut() {
            Some(last) if last.source == cut.source => {
                last.partitions.extend(cut.partitions);
                last.exhausted &= cut.exhausted;
            }
            _ => sources.push(cut),
        }
    }
    for source in &mut sources {
        source.partitions.sort_by_key(|partition| partition.partition);
    }
    sources
}
