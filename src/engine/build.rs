//! Building a program's dataflow: once dry, to see what it declares, and then on each worker.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use tidegate_operators::{Peers, Record};
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::probe::Handle;

use super::control::{Control, lock};
use super::registry::{
    Declared, DeclaredSink, DeclaredSource, OpenedWriter, Registry, SinkDeclaration,
    SourceDeclaration,
};
use crate::batch::{BatchId, RowStream, Tick};
use crate::config::Config;
use crate::context::Context;
use crate::error::{BuildError, RunError};
use crate::metrics::Collector;
use crate::plan::Cuts;
use crate::rate::LimitedTick;
use crate::recovery::{Publisher, Recovery};
use crate::sink::Sink;
use crate::source::{self, Acknowledge, Source, SourceStreams};

/// A dataflow under construction, on one worker.
pub(crate) struct Build<'s> {
    pub(crate) ticks: RowStream<'s, Tick>,
    /// The ticks with what their batches may take.
    pub(crate) limited_ticks: RowStream<'s, LimitedTick>,
    pub(crate) plan: RowStream<'s, ()>,
    pub(crate) config: Arc<Config>,
    pub(crate) control: Arc<Control>,
    pub(crate) peers: Peers,
    pub(crate) phase: Phase,
    pub(crate) errors: RefCell<Vec<BuildError>>,
    pub(crate) fatal: RefCell<Option<RunError>>,
    pub(crate) names: RefCell<Names>,
    pub(crate) cuts: Rc<RefCell<Cuts>>,
    /// Its frontier says through which batch everything is done.
    pub(crate) done: Handle<BatchId>,
    pub(crate) collector: Rc<RefCell<Collector>>,
    pub(crate) acknowledge: RefCell<Vec<Rc<dyn Acknowledge>>>,
    pub(crate) outputs: Cell<usize>,
    /// What saves the job, if it is saved.
    pub(crate) saving: Option<Saving>,
}

/// What the operators of a worker need to be saved.
#[derive(Clone)]
pub(crate) struct Saving {
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) publisher: Rc<RefCell<Option<Publisher>>>,
    /// Its frontier says through which checkpoint everything is saved.
    pub(crate) saved: Handle<BatchId>,
}

/// What the program is run for.
pub(crate) enum Phase {
    /// To see what it declares: nothing is opened, nothing runs.
    Dry(RefCell<Declared>),
    /// For good: sources and sinks have been opened.
    Real(Arc<Mutex<Registry>>),
}

/// What things are called, by their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) sources: Vec<String>,
    pub(crate) sinks: Vec<String>,
    pub(crate) operators: Vec<String>,
    kinds: BTreeMap<String, usize>,
}

impl<'s> Build<'s> {
    /// A name for a stateful operator: the user's, or its kind with a number.
    pub(crate) fn name_operator(&self, kind: &str, uid: Option<&str>) -> (u32, String) {
        let mut names = self.names.borrow_mut();
        let uid = match uid {
            Some(uid) => uid.to_owned(),
            None => {
                let count = names.kinds.entry(kind.to_owned()).or_default();
                *count += 1;
                if *count == 1 { kind.to_owned() } else { format!("{kind}-{count}") }
            }
        };
        if names.operators.contains(&uid) {
            self.errors.borrow_mut().push(BuildError::DuplicateUid { uid: uid.clone() });
        }
        names.operators.push(uid.clone());
        (names.operators.len() as u32 - 1, uid)
    }

    pub(crate) fn count_output(&self) {
        self.outputs.set(self.outputs.get() + 1);
    }

    pub(crate) fn source<S: Source>(
        &'s self,
        ctx: Context<'s>,
        source: S,
    ) -> SourceStreams<'s, S::Item> {
        let index = {
            let mut names = self.names.borrow_mut();
            names.sources.push(source.name());
            names.sources.len() - 1
        };
        let nothing = || SourceStreams { rows: empty(ctx.scope()), dead: empty(ctx.scope()) };
        let registry = match &self.phase {
            Phase::Dry(declared) => {
                let declared = &mut declared.borrow_mut().sources;
                declared.push(Box::new(SourceDeclaration { source }) as Box<dyn DeclaredSource>);
                return nothing();
            }
            Phase::Real(registry) => registry,
        };
        let opened = lock(registry).take_reader::<S::Item>(index, self.peers.index());
        let wiring = source::Wiring {
            index,
            name: opened.name,
            partitions: opened.partitions,
            positions: opened.positions,
            is_shared: opened.is_shared,
            reader: opened.reader,
            config: Arc::clone(&self.config),
            control: Arc::clone(&self.control),
            cuts: Rc::clone(&self.cuts),
        };
        match source::build(self.limited_ticks.clone(), self.plan.clone(), wiring) {
            Ok((streams, acknowledge)) => {
                self.acknowledge.borrow_mut().push(acknowledge);
                streams
            }
            Err(error) => {
                ctx.abandon(error);
                nothing()
            }
        }
    }

    /// A new sink, with the writers that this worker has of it; they are opened by now, unless
    /// this is the dry run.
    pub(crate) fn sink<D: Record>(&self, sink: Box<dyn Sink<D>>) -> SinkSlot<D> {
        self.count_output();
        let name = sink.name();
        let index = {
            let mut names = self.names.borrow_mut();
            names.sinks.push(name.clone());
            names.sinks.len() - 1
        };
        let shards = sink.shards().max(1);
        match &self.phase {
            Phase::Dry(declared) => {
                let declared = &mut declared.borrow_mut().sinks;
                declared.push(Box::new(SinkDeclaration(sink)) as Box<dyn DeclaredSink>);
                SinkSlot { index, name, shards, writers: Vec::new(), shard_of: Rc::new(|_| 0) }
            }
            Phase::Real(registry) => {
                let writers = lock(registry).take_writers(index, self.peers.index());
                let shard_of = Rc::new(move |row: &D| sink.shard_of(row));
                SinkSlot { index, name, shards, writers, shard_of }
            }
        }
    }
}

/// A sink's place in the dataflow of one worker.
pub(crate) struct SinkSlot<D> {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) shards: usize,
    /// The shards of this worker.
    pub(crate) writers: Vec<OpenedWriter<D>>,
    pub(crate) shard_of: Rc<dyn Fn(&D) -> usize>,
}

/// What a dry run found out about a program.
pub(crate) struct Outline {
    pub(crate) names: Names,
    pub(crate) declared: Declared,
    /// What makes two programs the same job: part of the cluster's handshake.
    pub(crate) fingerprint: u64,
}
