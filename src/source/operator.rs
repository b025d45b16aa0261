//! The operator that turns ticks into batches of records.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use tidegate_operators::{Chunks, Record, Tag, Tick};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::feeder::{Awaited, Feed, Feeding, Filled};
use super::intake::Portion;
use super::{DeadLetter, Partition, Reader};
use crate::batch::{BatchId, ChunkStream, RowStream};
use crate::config::{Config, Trigger};
use crate::engine::control::Control;
use crate::error::RunError;
use crate::plan::{Cuts, PartitionCut, SourceCut};
use crate::rate::{Lag, LimitedTick, Limits};

/// A source's streams in the dataflow.
pub(crate) struct SourceStreams<'s, D> {
    pub(crate) rows: ChunkStream<'s, D>,
    pub(crate) dead: ChunkStream<'s, DeadLetter>,
}

/// A worker's part of a source, as the driver sees it while the job runs.
pub(crate) trait Acknowledge {
    /// All sinks have confirmed every batch up to and with this one.
    fn acknowledge(&self, through: BatchId);
    /// The job has ended: stop reading.
    fn finish(&self);
    /// Look again whether a batch can be cut: the job is stopping.
    fn look_again(&self);
}

/// What a source's operator is made of.
pub(crate) struct Wiring<D> {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) positions: BTreeMap<u32, u64>,
    /// Whether other workers read partitions of the source.
    pub(crate) is_shared: bool,
    pub(crate) reader: Box<dyn Reader<D>>,
    pub(crate) config: Arc<Config>,
    pub(crate) control: Arc<Control>,
    pub(crate) cuts: Rc<RefCell<Cuts>>,
}

struct Held<D> {
    feed: RefCell<Feed<D>>,
    /// Offsets that wait for their batch to be confirmed.
    unconfirmed: RefCell<VecDeque<(BatchId, Vec<(u32, u64)>)>>,
    activator: timely::scheduling::Activator,
}

impl<D: Record> Acknowledge for Held<D> {
    fn acknowledge(&self, through: BatchId) {
        let mut unconfirmed = self.unconfirmed.borrow_mut();
        let mut latest: Option<Vec<(u32, u64)>> = None;
        while let Some((_, offsets)) = unconfirmed.pop_front_if(|(batch, _)| *batch <= through) {
            match &mut latest {
                // Later offsets of a partition stand for the earlier ones.
                Some(all) => {
                    for (partition, offset) in offsets {
                        match all.iter_mut().find(|(known, _)| *known == partition) {
                            Some((_, known)) => *known = offset,
                            None => all.push((partition, offset)),
                        }
                    }
                }
                None => latest = Some(offsets),
            }
        }
        if let Some(offsets) = latest {
            self.feed.borrow_mut().acknowledge(&offsets);
        }
    }

    fn finish(&self) {
        self.feed.borrow_mut().finish();
    }

    fn look_again(&self) {
        self.activator.activate();
    }
}

/// A tick whose batch is still to be cut.
struct Waiting {
    tick: Tick,
    limits: Limits,
    is_replayed: bool,
    is_set_aside: bool,
    /// The rights to send rows, and dead letters.
    capabilities: [Capability<BatchId>; 2],
}

/// What a batch takes, on its way.
struct Cutout<D> {
    batch: BatchId,
    portions: Vec<Portion<D>>,
    /// The rights to send rows, and dead letters.
    capabilities: [Capability<BatchId>; 2],
}

type Rows<D> = OutputBuilder<BatchId, NoopBuilder<Chunks<D>>>;

impl<D: Record> Cutout<D> {
    /// Sends everything.
    fn give(self, rows: &mut Rows<D>, dead: &mut Rows<DeadLetter>) {
        let [row_capability, dead_capability] = self.capabilities;
        let mut rows = rows.activate();
        let mut rows = rows.session_with_builder(&row_capability);
        let mut dead = dead.activate();
        let mut dead = dead.session_with_builder(&dead_capability);
        let mut container = Chunks::new();
        let mut letters = Chunks::new();
        for portion in self.portions {
            let tag = |sequence| Tag { lane: 0, partition: portion.partition, sequence };
            if portion.pieces.is_empty() {
                // An empty partition is a partition: it shows as an empty chunk.
                container.push(tag(portion.to.unwrap_or(0)), []);
            }
            for (from, piece) in portion.pieces {
                if container.is_empty() {
                    container = Chunks::of(tag(from), piece);
                } else {
                    container.push(tag(from), piece);
                }
                if container.len() >= CONTAINER_ROWS {
                    rows.give_container(&mut std::mem::take(&mut container));
                }
            }
            for (offset, letter) in portion.dead {
                letters.push(tag(offset), [letter]);
            }
        }
        if !container.is_empty() {
            rows.give_container(&mut container);
        }
        if !letters.has_no_rows() {
            dead.give_container(&mut letters);
        }
    }
}

/// Containers of this many rows or more are sent on.
const CONTAINER_ROWS: usize = 8192;

/// Builds a source into the dataflow: at each tick it takes what the feeder has ready.
pub(crate) fn build<'s, D: Record>(
    ticks: RowStream<'s, LimitedTick>,
    plan: RowStream<'s, ()>,
    wiring: Wiring<D>,
) -> Result<(SourceStreams<'s, D>, Rc<dyn Acknowledge>), RunError> {
    let Wiring { index, name, partitions, positions, is_shared, reader, config, control, cuts } =
        wiring;
    let scope = ticks.scope();
    let mut builder = OperatorBuilder::new(format!("Source: {name}"), scope);
    let mut input = builder.new_input(ticks, Pipeline);
    let (rows, rows_stream) = builder.new_output();
    let mut rows = Rows::<D>::from(rows);
    let (dead, dead_stream) = builder.new_output();
    let mut dead = Rows::<DeadLetter>::from(dead);
    // Heard of, and nothing more: rows may go on before their batch is planned, unless it is asked for.
    let planned = config.plan_first.then(|| builder.new_input_connection(plan, Pipeline, []));

    let address = builder.operator_info().address;
    let waker = scope.worker().sync_activator_for(address.to_vec());
    // A worker that is gone needs no waking.
    let wake = move || {
        let _ = waker.activate();
    };
    let is_bounded = matches!(config.trigger, Trigger::AvailableNow);
    let is_controlled = config.rate_control.is_active();
    let queue_bytes_max = config.queue_bytes_max;
    let source = name.clone();
    let feeding =
        Feeding { source: name, partitions, positions, is_shared, reader, queue_bytes_max };
    let held = Rc::new(Held {
        feed: RefCell::new(Feed::start(feeding, Arc::clone(&control), wake)?),
        unconfirmed: RefCell::new(VecDeque::new()),
        activator: scope.activator_for(address),
    });
    let acknowledge: Rc<dyn Acknowledge> = Rc::clone(&held) as _;

    cuts.borrow_mut().expect_source();
    builder.build(move |_| {
        let mut waiting: VecDeque<Waiting> = VecDeque::new();
        let mut cutouts: VecDeque<Cutout<D>> = VecDeque::new();
        move |frontiers| {
            input.for_each(|time, ticks| {
                for LimitedTick { tick, mut limits, is_replayed, is_set_aside, .. } in
                    ticks.drain(..)
                {
                    let limits = limits.get_mut(index).map(std::mem::take).unwrap_or_default();
                    let limits = match is_replayed {
                        true => limits,
                        false => limits.and(config.records_max(tick.previous)),
                    };
                    let capabilities = [time.retain(0), time.retain(1)];
                    waiting.push_back(Waiting {
                        tick,
                        limits,
                        is_replayed,
                        is_set_aside,
                        capabilities,
                    });
                }
            });
            while let Some(first) = waiting.front() {
                let awaited = match first.limits.of_any() {
                    _ if first.is_replayed => Some(Awaited::Planned(&first.limits)),
                    Some(records)
                        if waits_for_records(&config, &held.feed.borrow())
                            && !control.is_stopping() =>
                    {
                        Some(match is_bounded {
                            true => Awaited::AllRecords(records),
                            false => Awaited::Records(records),
                        })
                    }
                    _ => None,
                };
                if let Some(awaited) = awaited {
                    let filled = held.feed.borrow_mut().fill(first.tick, &awaited);
                    match filled {
                        Ok(Filled::Yes) => {}
                        Ok(Filled::NotWithin(time)) => {
                            held.activator.activate_after(time);
                            break;
                        }
                        Err(error) => {
                            control.fail(error);
                            return;
                        }
                    }
                }
                let Waiting { tick, limits, is_replayed, is_set_aside, capabilities } =
                    waiting.pop_front().expect("just seen");
                let taken = held.feed.borrow_mut().take(tick, &limits, is_replayed);
                let (portions, exhausted) = match taken {
                    Ok(taken) => taken,
                    Err(error) => {
                        control.fail(error);
                        return;
                    }
                };
                let mut cut = SourceCut { source: index as u32, partitions: Vec::new(), exhausted };
                let (mut offsets, mut lags) = (Vec::new(), Vec::new());
                let mut cutout = Cutout { batch: tick.id, portions, capabilities };
                for portion in &mut cutout.portions {
                    // As it was planned, whatever becomes of it.
                    cut.partitions.push(describe(portion));
                    if is_controlled {
                        let (partition, records) = (portion.partition, portion.left);
                        lags.push(Lag { source: index as u32, partition, records });
                    }
                    if let Some(to) = portion.to {
                        offsets.push((portion.partition, to));
                    }
                    if is_set_aside {
                        portion.set_aside(&source);
                    }
                }
                held.unconfirmed.borrow_mut().push_back((tick.id, offsets));
                cuts.borrow_mut().deposit(tick.id, cut, lags);
                cutouts.push_back(cutout);
            }
            let is_planned = |batch: &BatchId| {
                planned.is_none() || frontiers.last().is_some_and(|plan| !plan.less_equal(batch))
            };
            while let Some(cutout) = cutouts.pop_front_if(|cutout| is_planned(&cutout.batch)) {
                cutout.give(&mut rows, &mut dead);
            }
        }
    });
    Ok((SourceStreams { rows: rows_stream, dead: dead_stream }, acknowledge))
}

/// Whether a batch waits until every partition has as many records as it takes. What is there now
/// is there at once where the reader is polled on the worker.
fn waits_for_records<D: Record>(config: &Config, feed: &Feed<D>) -> bool {
    match config.trigger {
        Trigger::Count { .. } => true,
        Trigger::AvailableNow => !feed.is_inline(),
        Trigger::Interval | Trigger::Continuous | Trigger::Manual(_) => false,
    }
}

fn describe<D>(portion: &Portion<D>) -> PartitionCut {
    PartitionCut {
        partition: portion.partition,
        name: portion.name.clone(),
        from: portion.from.unwrap_or(0),
        to: portion.to.or(portion.from).unwrap_or(0),
        rows: portion.pieces.iter().map(|(_, rows)| rows.len() as u64).sum(),
        dead: portion.dead.len() as u64,
        bytes: portion.bytes as u64,
        hash: portion.hash,
    }
}
