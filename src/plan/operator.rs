//! The operator on worker 0 that makes plan rows, and waits until they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_operators::Tick;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::{PlanLog, PlanRow, SourceCut, WorkerCut};
use crate::batch::{BatchId, RowStream};
use crate::engine::control::Control;
use crate::engine::handover::Handover;
use crate::error::RunError;
use crate::rate::Lag;

/// What the plan operator is made of.
pub(crate) struct Plan {
    pub(crate) log: Option<Arc<dyn PlanLog>>,
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
    let Plan { log, control, mut planned } = plan;
    let scope = cuts.scope();
    let mut builder = OperatorBuilder::new("Plan".to_owned(), scope);
    let mut cuts = builder.new_input(cuts, Exchange::new(|_: &WorkerCut| 0));
    let mut ticks = builder.new_input(ticks, Pipeline);
    let (_nothing, stream) = builder.new_output::<Vec<()>>();

    let is_owner = scope.index() == 0;
    let waker = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    let mut writer = match log.filter(|_| is_owner) {
        None => None,
        Some(log) => Some(Handover::start("plan", waker, control, move |row: PlanRow| {
            let batch = row.tick.id;
            log.append(&row).map_err(|source| RunError::Plan { batch, source })
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
