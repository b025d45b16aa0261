//! The operator in front of a sink: it gathers a batch, puts it in order, and hands it over when
//! both the data and the plan of the batch are complete.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tidegate_operators::{Chunks, Record, Tick, order};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::Writer;
use crate::batch::{BatchId, ChunkStream, RowStream};
use crate::engine::control::Control;
use crate::engine::handover::Handover;
use crate::engine::registry::OpenedWriter;
use crate::error::{RunError, SinkError};
use crate::fault::{self, Point, Rule};

/// What a shard says of a batch that it has written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SinkReport {
    pub(crate) sink: u32,
    pub(crate) rows: u64,
    /// How long writing took, in microseconds.
    pub(crate) micros: u64,
}

/// What a sink's operator is made of.
pub(crate) struct Wiring<D> {
    pub(crate) index: usize,
    pub(crate) name: String,
    /// The writers of the shards that live on this worker.
    pub(crate) writers: Vec<OpenedWriter<D>>,
    pub(crate) shard_of: Rc<dyn Fn(&D) -> usize>,
    /// How the rows of a batch are ordered; by their tags, if `None`.
    pub(crate) sort: Option<fn(&mut [D])>,
    /// Batches without an output are not shown to the sink: only those that cover a multiple.
    pub(crate) slide: u64,
    pub(crate) control: Arc<Control>,
}

struct Open<D> {
    capability: Capability<BatchId>,
    tick: Option<Tick>,
    chunks: Vec<Chunks<D>>,
}

/// Work of one shard: a batch's tick and its rows, as they came.
type Work<D> = (Tick, Vec<Chunks<D>>);

struct Shard<D> {
    number: usize,
    /// The last batch that need not be written any more.
    through: BatchId,
    writer: Handover<Work<D>, SinkReport>,
}

/// The input whose frontier says what is planned.
const PLAN: usize = 1;

/// Builds the operator. Rows must have been shipped to the worker of their shard. The output
/// carries a report for each batch and shard; its frontier says through which batch the sink has
/// committed.
pub(crate) fn build<'s, D: Record>(
    rows: ChunkStream<'s, D>,
    plan: RowStream<'s, ()>,
    ticks: RowStream<'s, Tick>,
    wiring: Wiring<D>,
) -> Result<RowStream<'s, SinkReport>, RunError> {
    let Wiring { index, name, writers, shard_of, sort, slide, control } = wiring;
    let scope = rows.scope();
    let mut builder = OperatorBuilder::new(format!("Sink: {name}"), scope);
    let mut rows = builder.new_input(rows, Pipeline);
    // Only the plan's frontier counts.
    let _plan = builder.new_input(plan, Pipeline);
    let mut ticks = builder.new_input(ticks, Pipeline);
    let (reports, stream) = builder.new_output();
    let mut reports = OutputBuilder::<BatchId, NoopBuilder<Vec<SinkReport>>>::from(reports);

    let address = builder.operator_info().address;
    let mut shards = Vec::new();
    for OpenedWriter { shard: number, writer, through } in writers {
        let waker = scope.worker().sync_activator_for(address.to_vec());
        let (name, control) = (name.clone(), Arc::clone(&control));
        let thread = format!("sink {name} {number}");
        let work = write(index as u32, name, sort, writer);
        let writer = Handover::start(&thread, waker, control, work)?;
        shards.push(Shard { number, through, writer });
    }

    builder.build(move |_| {
        let mut open: BTreeMap<BatchId, Open<D>> = BTreeMap::new();
        // How many shards still write a batch, and the right to report it.
        let mut writing: BTreeMap<BatchId, (usize, Capability<BatchId>)> = BTreeMap::new();
        move |frontiers| {
            let entry = |capability| Open { capability, tick: None, chunks: Vec::new() };
            rows.for_each(|time, chunks| {
                let batch = open.entry(*time.time()).or_insert_with(|| entry(time.retain(0)));
                batch.chunks.push(std::mem::take(chunks));
            });
            ticks.for_each(|time, messages| {
                for tick in messages.drain(..) {
                    let batch = open.entry(*time.time()).or_insert_with(|| entry(time.retain(0)));
                    batch.tick = Some(tick);
                }
            });
            while let Some(first) = open.first_entry() {
                let mut waited_for = frontiers.iter().enumerate().filter(|(input, _)| {
                    *input != PLAN || !fault::is_broken(Rule::PlanBeforeCommit)
                });
                if waited_for.any(|(_, frontier)| frontier.less_equal(first.key())) {
                    break;
                }
                let (id, batch) = first.remove_entry();
                // Rows without a tick are restored contents: written by an earlier run.
                let Some(tick) = batch.tick.filter(|tick| tick.covers_multiple_of(slide)) else {
                    continue;
                };
                if shards.is_empty() {
                    continue;
                }
                let mut left = 0;
                for (shard, chunks) in deal(batch.chunks, &mut shards, &*shard_of) {
                    if id > shard.through {
                        shard.writer.send(id, (tick, chunks));
                        left += 1;
                    }
                }
                if left > 0 {
                    writing.insert(id, (left, batch.capability));
                }
            }
            let mut output = reports.activate();
            for (id, report) in shards.iter_mut().flat_map(|shard| shard.writer.confirmed()) {
                let Some((left, capability)) = writing.get_mut(&id) else { continue };
                *left -= 1;
                output.session_with_builder(&*capability).give_container(&mut vec![report]);
                if *left == 0 {
                    writing.remove(&id);
                }
            }
        }
    });
    Ok(stream)
}

fn in_order<D>(chunks: Vec<Chunks<D>>, sort: Option<fn(&mut [D])>) -> Vec<D> {
    match sort {
        None => order::in_stream_order(chunks),
        Some(sort) => {
            let mut rows: Vec<D> = chunks.into_iter().flat_map(Chunks::into_rows).collect();
            sort(&mut rows);
            rows
        }
    }
}

/// The rows of each shard on this worker.
fn deal<'a, D>(
    chunks: Vec<Chunks<D>>,
    shards: &'a mut [Shard<D>],
    shard_of: &dyn Fn(&D) -> usize,
) -> Vec<(&'a mut Shard<D>, Vec<Chunks<D>>)> {
    if let [only] = shards {
        return vec![(only, chunks)];
    }
    let mut dealt: Vec<(&mut Shard<D>, Chunks<D>)> =
        shards.iter_mut().map(|shard| (shard, Chunks::new())).collect();
    for (tag, rows) in chunks.into_iter().flat_map(Chunks::into_chunks) {
        for row in rows {
            let number = shard_of(&row);
            if let Some((_, chunks)) = dealt.iter_mut().find(|(shard, _)| shard.number == number) {
                chunks.push(tag, [row]);
            }
        }
    }
    dealt.into_iter().map(|(shard, chunks)| (shard, vec![chunks])).collect()
}

/// What a shard's thread does with a batch.
fn write<D>(
    sink: u32,
    name: String,
    sort: Option<fn(&mut [D])>,
    mut writer: Box<dyn Writer<D>>,
) -> impl FnMut(Work<D>) -> Result<SinkReport, RunError> {
    move |(tick, chunks)| {
        let begun = Instant::now();
        let rows = in_order(chunks, sort);
        let mut attempt = || -> Result<(), SinkError> {
            let failed = |error| SinkError::Invalid(format!("{error}"));
            fault::at(Point::Committing).map_err(failed)?;
            writer.begin(&tick)?;
            writer.write(&tick, &rows)?;
            fault::at(Point::Written).map_err(failed)?;
            writer.commit(&tick)?;
            fault::at(Point::Committed).map_err(failed)
        };
        match attempt() {
            Ok(()) => Ok(SinkReport {
                sink,
                rows: rows.len() as u64,
                micros: begun.elapsed().as_micros() as u64,
            }),
            Err(source) => {
                writer.abort();
                Err(RunError::Sink { name: name.clone(), batch: Some(tick.id), source })
            }
        }
    }
}
