//! Sources and sinks between their declaration in the dry run and their use on the workers.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};

use tidegate_operators::Record;

use crate::batch::BatchId;
use crate::config::{Config, Trigger};
use crate::error::{RecoveryError, RunError, SinkError, SourceError};
use crate::fault::{self, Rule};
use crate::recovery::{Recovery, Schema};
use crate::sink::{Claim, Delivery, Null, Sink, Writer};
use crate::source::{Attempt, Journaled, Opening, Partition, Reader, Source};

/// What a program declares.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) sources: Vec<Box<dyn DeclaredSource>>,
    pub(crate) sinks: Vec<Box<dyn DeclaredSink>>,
    /// Operators whose state is saved, if the job is.
    pub(crate) states: Vec<DeclaredState>,
}

/// An operator whose state is saved.
pub(crate) struct DeclaredState {
    pub(crate) uid: String,
    pub(crate) schema: Schema,
}

/// Readers and writers that have been opened, until their worker takes them.
#[derive(Default)]
pub(crate) struct Registry {
    readers: HashMap<(usize, usize), Opened>,
    writers: HashMap<(usize, usize), Vec<Box<dyn Any + Send>>>,
    /// The names of the sinks so far.
    sinks: Vec<String>,
    /// All partitions of each source, those of other processes too.
    pub(crate) partitions: Vec<Vec<Partition>>,
    /// Whether any source has more than an earlier run has planned to read.
    pub(crate) has_more: bool,
}

struct Opened {
    name: String,
    partitions: Vec<Partition>,
    positions: BTreeMap<u32, u64>,
    is_shared: bool,
    reader: Box<dyn Any + Send>,
}

/// A reader with what it reads.
pub(crate) struct OpenedReader<D> {
    pub(crate) name: String,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) positions: BTreeMap<u32, u64>,
    /// Whether other workers read partitions of the source.
    pub(crate) is_shared: bool,
    pub(crate) reader: Box<dyn Reader<D>>,
}

/// The writer of a shard.
pub(crate) struct OpenedWriter<D> {
    pub(crate) shard: usize,
    pub(crate) writer: Box<dyn Writer<D>>,
    /// The last batch that it has written in an earlier run, or that need not be written again.
    pub(crate) through: BatchId,
}

impl Registry {
    pub(crate) fn take_reader<D: 'static>(
        &mut self,
        source: usize,
        worker: usize,
    ) -> OpenedReader<D> {
        let opened = self.readers.remove(&(source, worker)).unwrap_or_else(|| {
            panic!(
                "worker {worker} finds no reader of source {source}: the program declared other \
                 sources in its first run; it must do the same each time"
            )
        });
        let reader = opened.reader.downcast().unwrap_or_else(|_| {
            panic!(
                "source {source} had another type in the program's first run; it must do the same \
                 each time"
            )
        });
        OpenedReader {
            name: opened.name,
            partitions: opened.partitions,
            positions: opened.positions,
            is_shared: opened.is_shared,
            reader: *reader,
        }
    }

    pub(crate) fn take_writers<D: 'static>(
        &mut self,
        sink: usize,
        worker: usize,
    ) -> Vec<OpenedWriter<D>> {
        let writers = self.writers.remove(&(sink, worker)).unwrap_or_default();
        let typed = |writer: Box<dyn Any + Send>| {
            *writer.downcast().unwrap_or_else(|_| {
            panic!(
                "sink {sink} had another type in the program's first run; it must do the same each \
                 time"
            )
        })
        };
        writers.into_iter().map(typed).collect()
    }
}

/// A source of any type.
pub(crate) trait DeclaredSource: Send {
    /// As [`Source::rewinds`].
    fn rewinds(&self) -> bool;

    /// As [`Source::reads_again`].
    fn reads_again(&self) -> bool;

    /// Opens what the workers of this process read.
    fn open(
        &mut self,
        index: usize,
        config: &Config,
        recovery: Option<&Recovery>,
        attempt: &Attempt<'_>,
        registry: &mut Registry,
    ) -> Result<(), RunError>;
}

/// A sink of any type.
pub(crate) trait DeclaredSink: Send {
    /// As [`Sink::delivery`].
    fn delivery(&self) -> Delivery;

    /// Opens what the workers of this process write.
    fn open(
        &mut self,
        index: usize,
        config: &Config,
        recovery: Option<&Recovery>,
        registry: &mut Registry,
    ) -> Result<(), RunError>;
}

pub(crate) struct SourceDeclaration<S> {
    pub(crate) source: S,
}

impl<S: Source> DeclaredSource for SourceDeclaration<S> {
    fn rewinds(&self) -> bool {
        self.source.rewinds()
    }

    fn reads_again(&self) -> bool {
        self.source.reads_again()
    }

    fn open(
        &mut self,
        index: usize,
        config: &Config,
        recovery: Option<&Recovery>,
        attempt: &Attempt<'_>,
        registry: &mut Registry,
    ) -> Result<(), RunError> {
        let name = self.source.name();
        let failed =
            |source: SourceError| RunError::Source { name: name.clone(), source, started: false };
        // What can't be read again is written down.
        let journals = recovery.filter(|_| !self.source.rewinds());
        let mut partitions = self.source.partitions(attempt).map_err(failed)?;
        let bounded = matches!(config.trigger, Trigger::AvailableNow);
        let through = recovery.filter(|recovery| recovery.past.last().is_some());
        let through = through.map(|recovery| recovery.past.planned_through());
        registry.has_more |= match through.as_ref().and_then(|sources| sources.get(index)) {
            Some(through) => self.source.has_more(through, bounded).map_err(failed)?,
            None => true,
        };
        let known = recovery.map(|recovery| recovery.past.positions()).unwrap_or_default();
        let known = known.into_iter().nth(index).unwrap_or_default();
        // Those that turned up while an earlier run read it.
        for position in &known {
            if !partitions.iter().any(|partition| partition.id == position.partition) {
                let (id, name) = (position.partition, position.name.clone());
                partitions.push(Partition { id, name });
            }
        }
        registry.partitions.push(partitions.clone());
        let workers = config.peers();
        for worker in config.local_workers() {
            let assigned: Vec<Partition> = partitions
                .iter()
                .filter(|partition| self.source.worker_of(partition.id, index, workers) == worker)
                .cloned()
                .collect();
            let opening = Opening {
                worker,
                workers,
                source_index: index,
                bounded,
                fail_fast: config.fail_fast,
                interval: matches!(config.trigger, Trigger::Interval | Trigger::Manual(_))
                    .then_some(config.interval),
                positions: known.iter().map(|known| (known.partition, known.next)).collect(),
            };
            let mut reader = self.source.open(&assigned, &opening).map_err(failed)?;
            if let Some(recovery) = journals {
                let log_of = |partition| recovery.journal(index, partition);
                let positions = &opening.positions;
                reader = Box::new(Journaled::open(&name, &assigned, positions, reader, log_of)?);
            }
            let opened = Opened {
                name: name.clone(),
                is_shared: assigned.len() < partitions.len(),
                partitions: assigned,
                positions: opening.positions,
                reader: Box::new(reader),
            };
            registry.readers.insert((index, worker), opened);
        }
        Ok(())
    }
}

pub(crate) struct SinkDeclaration<D>(pub(crate) Box<dyn Sink<D>>);

impl<D: Record> DeclaredSink for SinkDeclaration<D> {
    fn delivery(&self) -> Delivery {
        self.0.delivery()
    }

    fn open(
        &mut self,
        index: usize,
        config: &Config,
        recovery: Option<&Recovery>,
        registry: &mut Registry,
    ) -> Result<(), RunError> {
        let name = self.0.name();
        let same = registry.sinks.iter().filter(|earlier| **earlier == name).count();
        let unique = if same == 0 { name.clone() } else { format!("{name}-{}", same + 1) };
        registry.sinks.push(name.clone());
        let failed = |source: SinkError| RunError::Sink { name: name.clone(), batch: None, source };
        if self.0.shards() == 0 {
            return Err(failed(SinkError::Invalid(
                "it has no shards: give it one at least".into(),
            )));
        }
        for shard in 0..self.0.shards() {
            let worker = shard % config.peers();
            if !config.local_workers().contains(&worker) {
                continue;
            }
            // What is only run again is not written.
            let mut writer = match config.replays_only {
                true => Box::new(Null::default()),
                false => self.0.open(shard).map_err(failed)?,
            };
            let through = match recovery {
                None => 0,
                Some(recovery) => {
                    let (job, sink) = (&*config.name, &*unique);
                    let claim = Claim { job, sink, shard, generation: recovery.generation };
                    let written = writer.recover(&claim).map_err(failed)?;
                    let planned = recovery.past.last().map_or(0, |tick| tick.id);
                    if let Some(written) = written.filter(|written| *written > planned) {
                        let sink = name.clone();
                        return Err(RecoveryError::SinkAhead { sink, written, planned }.into());
                    }
                    let saved = recovery.past.as_of().map_or(0, |tick| tick.id);
                    let written = written.filter(|_| !fault::is_broken(Rule::MarkerCounts));
                    written.unwrap_or(0).max(saved)
                }
            };
            let opened = OpenedWriter { shard, writer, through };
            let writers = registry.writers.entry((index, worker)).or_default();
            writers.push(Box::new(opened));
        }
        Ok(())
    }
}
