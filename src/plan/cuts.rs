//! One worker's cuts of all sources, put together into one message a batch.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tidegate_operators::Tick;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::scheduling::Activator;

use super::SourceCut;
use crate::batch::{BatchId, RowStream};
use crate::rate::Lag;

/// What one worker took of all sources for a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkerCut {
    pub(crate) sources: Vec<SourceCut>,
    /// How far partitions are behind: what decides about the next batch is no part of the plan.
    pub(crate) lags: Vec<Lag>,
}

/// Where a worker's sources leave what they cut.
#[derive(Default)]
pub(crate) struct Cuts {
    sources: usize,
    deposited: BTreeMap<BatchId, Vec<(SourceCut, Vec<Lag>)>>,
    reporter: Option<Activator>,
}

impl Cuts {
    /// Another source will report each batch.
    pub(crate) fn expect_source(&mut self) {
        self.sources += 1;
    }

    /// A source has cut a batch.
    pub(crate) fn deposit(&mut self, batch: BatchId, cut: SourceCut, lags: Vec<Lag>) {
        let cuts = self.deposited.entry(batch).or_default();
        cuts.push((cut, lags));
        if cuts.len() == self.sources
            && let Some(reporter) = &self.reporter
        {
            reporter.activate();
        }
    }

    fn take_complete(&mut self, batch: BatchId) -> Option<WorkerCut> {
        let found = self.deposited.get(&batch).map_or(0, Vec::len);
        if found < self.sources {
            return None;
        }
        let mut cuts = self.deposited.remove(&batch).unwrap_or_default();
        cuts.sort_by_key(|(cut, _)| cut.source);
        let (sources, lags): (Vec<_>, Vec<_>) = cuts.into_iter().unzip();
        Some(WorkerCut { sources, lags: lags.concat() })
    }
}

/// Sends one message a tick: what this worker's sources took. The tick is held until all of them
/// have cut.
pub(crate) fn report<'s>(
    ticks: RowStream<'s, Tick>,
    cuts: Rc<RefCell<Cuts>>,
) -> RowStream<'s, WorkerCut> {
    let worker = ticks.scope();
    ticks.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Report cuts", move |_, info| {
        cuts.borrow_mut().reporter = Some(worker.activator_for(info.address));
        let mut open = VecDeque::new();
        move |input, output| {
            input.for_each(|time, ticks| {
                open.extend(ticks.drain(..).map(|tick| (tick.id, time.retain(0))));
            });
            while let Some((id, _)) = open.front() {
                let Some(cut) = cuts.borrow_mut().take_complete(*id) else { break };
                let (_, capability) = open.pop_front().expect("just seen");
                let mut message = vec![cut];
                output.session_with_builder(&capability).give_container(&mut message);
            }
        }
    })
}
