//! Sources, sinks and logs that do as they are told.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tidegate::error::{SinkError, SourceError};
use tidegate::sink::{Sink, Writer};
use tidegate::source::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use tidegate::{Record, Tick};

/// Long enough for what must not happen to happen, if it does.
pub const MOMENT: Duration = Duration::from_millis(150);

/// No step of a test takes so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A gate through which as many pass as have been let; clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate {
    shared: Arc<(Mutex<GateState>, Condvar)>,
}

#[derive(Default)]
struct GateState {
    allowed: u64,
    /// How many have come to the gate.
    arrived: u64,
}

impl Gate {
    /// Lets `count` more through.
    pub fn open(&self, count: u64) {
        let mut state = self.shared.0.lock().unwrap();
        state.allowed = state.allowed.saturating_add(count);
        self.shared.1.notify_all();
    }

    /// Comes to the gate, and waits until it is let through.
    pub fn pass(&self) {
        let mut state = self.shared.0.lock().unwrap();
        state.arrived += 1;
        self.shared.1.notify_all();
        while state.allowed == 0 {
            state = self.shared.1.wait(state).unwrap();
        }
        state.allowed -= 1;
    }

    /// Waits until `count` in all have come to the gate.
    pub fn wait_for_arrivals(&self, count: u64) {
        let state = self.shared.0.lock().unwrap();
        let waited =
            self.shared.1.wait_timeout_while(state, PATIENCE, |state| state.arrived < count);
        let arrived = waited.unwrap().0.arrived;
        assert!(arrived >= count, "{arrived} of {count} have come to the gate");
    }

    /// How many have come so far.
    pub fn arrivals(&self) -> u64 {
        self.shared.0.lock().unwrap().arrived
    }
}

/// What became of a batch at a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Begin(u64),
    Write(u64, usize),
    Commit(u64),
    Abort,
}

/// A sink that writes down what it is asked to do, and what may come in between.
#[derive(Clone)]
pub struct Witness {
    pub acts: Arc<Mutex<Vec<(usize, Act)>>>,
    pub ticks: Arc<Mutex<Vec<Tick>>>,
    shards: usize,
    interfere: Arc<Interference>,
}

type Interference = dyn Fn(Act) -> Result<(), SinkError> + Send + Sync;

impl Witness {
    pub fn new() -> Self {
        Self::of(1, |_| Ok(()))
    }

    /// A sink of several shards; `interfere` is called after each act, and may fail or block.
    pub fn of(
        shards: usize,
        interfere: impl Fn(Act) -> Result<(), SinkError> + Send + Sync + 'static,
    ) -> Self {
        let interfere = Arc::new(interfere);
        Witness { acts: Arc::default(), ticks: Arc::default(), shards, interfere }
    }

    /// A sink that comes to a gate with each batch, before it is written.
    pub fn behind(gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::of(1, move |act| {
            if matches!(act, Act::Begin(_)) {
                gate.pass();
            }
            Ok(())
        })
    }

    /// What one shard was asked to do.
    pub fn acts_of(&self, shard: usize) -> Vec<Act> {
        let acts = self.acts.lock().unwrap();
        acts.iter().filter(|(of, _)| *of == shard).map(|(_, act)| *act).collect()
    }

    /// The batches that the first shard has committed, in order.
    pub fn committed(&self) -> Vec<u64> {
        let acts = self.acts_of(0).into_iter();
        acts.filter_map(|act| if let Act::Commit(id) = act { Some(id) } else { None }).collect()
    }

    /// The rows that the first shard was given, by batch.
    pub fn rows(&self) -> Vec<(u64, usize)> {
        let acts = self.acts_of(0).into_iter();
        let rows = |act| if let Act::Write(id, rows) = act { Some((id, rows)) } else { None };
        acts.filter_map(rows).collect()
    }

    /// The ticks of the batches that the first shard has begun.
    pub fn ticks(&self) -> Vec<Tick> {
        self.ticks.lock().unwrap().clone()
    }
}

struct WitnessWriter {
    shard: usize,
    witness: Witness,
}

impl WitnessWriter {
    fn act(&self, act: Act) -> Result<(), SinkError> {
        self.witness.acts.lock().unwrap().push((self.shard, act));
        (self.witness.interfere)(act)
    }
}

impl<D: Record> Sink<D> for Witness {
    fn name(&self) -> String {
        "witness".into()
    }

    fn shards(&self) -> usize {
        self.shards
    }

    fn open(&mut self, shard: usize) -> Result<Box<dyn Writer<D>>, SinkError> {
        Ok(Box::new(WitnessWriter { shard, witness: self.clone() }))
    }
}

impl<D> Writer<D> for WitnessWriter {
    fn begin(&mut self, tick: &Tick) -> Result<(), SinkError> {
        if self.shard == 0 {
            self.witness.ticks.lock().unwrap().push(*tick);
        }
        self.act(Act::Begin(tick.id))
    }

    fn write(&mut self, tick: &Tick, rows: &[D]) -> Result<(), SinkError> {
        self.act(Act::Write(tick.id, rows.len()))
    }

    fn commit(&mut self, tick: &Tick) -> Result<(), SinkError> {
        self.act(Act::Commit(tick.id))
    }

    fn abort(&mut self) {
        // An abort can't fail.
        let _ = self.act(Act::Abort);
    }
}

type PollWith = dyn Fn(&[Partition], &mut Intake<i64>) -> Result<Poll, SourceError> + Send + Sync;

/// A source whose readers call a function.
#[derive(Clone)]
pub struct Scripted {
    pub partitions: u32,
    /// Whether it is polled on the worker, at the tick, or by a thread of its own.
    pub inline: bool,
    pub poll: Arc<PollWith>,
}

impl Scripted {
    pub fn new(
        partitions: u32,
        inline: bool,
        poll: impl Fn(&[Partition], &mut Intake<i64>) -> Result<Poll, SourceError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Scripted { partitions, inline, poll: Arc::new(poll) }
    }
}

impl Source for Scripted {
    type Item = i64;

    fn name(&self) -> String {
        "scripted".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        Ok((0..self.partitions)
            .map(|id| Partition { id, name: format!("scripted-{id}") })
            .collect())
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<i64>>, SourceError> {
        Ok(Box::new(ScriptedReader { source: self.clone(), assigned: assigned.to_vec() }))
    }
}

struct ScriptedReader {
    source: Scripted,
    assigned: Vec<Partition>,
}

impl Reader<i64> for ScriptedReader {
    fn poll(&mut self, intake: &mut Intake<i64>, _wait: Duration) -> Result<Poll, SourceError> {
        (self.source.poll)(&self.assigned, intake)
    }

    fn is_inline(&self) -> bool {
        self.source.inline
    }
}

/// A reader's function: `count` rows of each partition in parts of `part`, and then the end. Rows
/// are their own offsets.
pub fn counting(
    count: u64,
    part: u64,
) -> impl Fn(&[Partition], &mut Intake<i64>) -> Result<Poll, SourceError> + Send + Sync + 'static {
    let offsets: Mutex<std::collections::BTreeMap<u32, u64>> = Mutex::default();
    move |assigned, intake| {
        let mut offsets = offsets.lock().unwrap();
        let mut left = false;
        for partition in assigned {
            let offset = offsets.entry(partition.id).or_default();
            for _ in 0..part.min(count - *offset) {
                intake.push(partition.id, *offset, *offset as i64);
                *offset += 1;
            }
            left |= *offset < count;
        }
        Ok(if left { Poll::More } else { Poll::End })
    }
}
