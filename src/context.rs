//! What a program is given: the way to its sources.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tidegate_operators::batched::{
    Attached, Attachment, BatchOperator, Report, Restore, Route, attach,
};
use tidegate_operators::{Peers, Record, interop};
use timely::ExchangeData;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::{Concat, Operator, Probe, ToStream};
use timely::dataflow::{Scope, Stream};

use crate::batch::{BatchId, ChunkStream, RowStream, Tick};
use crate::config::Strategy;
use crate::dstream::DStream;
use crate::engine::build::{Build, Phase, Saving};
use crate::engine::registry::DeclaredState;
use crate::error::{BuildError, RunError};
use crate::recovery::{self, Restored, Saved, SavedRows, Saver, Schema};
use crate::source::{DeadLetter, Source, SourceStreams};

/// The beginning of a program: what a job is built from, on every worker alike.
///
/// A program is a function of a context. It is run once to see what it declares, before anything
/// is opened, and once on each worker to build the dataflow; it must do the same each time.
#[derive(Clone, Copy)]
pub struct Context<'s> {
    scope: Scope<'s, BatchId>,
    build: &'s Build<'s>,
}

/// What is said about the next stateful operator of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) uid: Option<String>,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) ordered: bool,
}

/// A stateful operator, while it is built.
pub(crate) struct Named<S> {
    number: u32,
    uid: String,
    rows: SavedRows<S>,
    /// The restored rows, if they are to be saved anew.
    migrated: Option<Vec<S>>,
}

impl Options {
    /// The options of an operator that is a part of the one they were given for.
    pub(crate) fn for_part(&self, part: &str) -> Options {
        Options { uid: self.uid.as_ref().map(|uid| format!("{uid}-{part}")), ..self.clone() }
    }
}

impl<'s> Context<'s> {
    pub(crate) fn new(scope: Scope<'s, BatchId>, build: &'s Build<'s>) -> Self {
        Context { scope, build }
    }

    /// A stream of a source's records.
    ///
    /// ```
    /// use tidegate::sink::Memory;
    /// use tidegate::source::Generator;
    /// use tidegate::{Config, Trigger};
    ///
    /// let output = Memory::new();
    /// let sink = output.clone();
    /// let config = Config::new("count").trigger(Trigger::AvailableNow);
    /// let summary = tidegate::run(config, move |ctx| {
    ///     ctx.source(Generator::uniform_keys(10, 7).records(1000)).count().sink(sink.clone());
    /// })
    /// .unwrap();
    /// assert_eq!(summary.rows_in, 1000);
    /// assert_eq!(output.rows().concat().iter().sum::<i64>(), 1000);
    /// ```
    pub fn source<S: Source>(self, source: S) -> DStream<'s, S::Item> {
        self.source_with_dead_letters(source).0
    }

    /// A stream of a source's records, and one of those that can't be decoded.
    pub fn source_with_dead_letters<S: Source>(
        self,
        source: S,
    ) -> (DStream<'s, S::Item>, DStream<'s, DeadLetter>) {
        let SourceStreams { rows, dead } = self.build.source(self, source);
        (DStream::from_source(self, rows), DStream::from_source(self, dead))
    }

    /// Makes a stream of a timely stream of chunks, whose tags say in which order the rows are.
    pub fn dstream<D: Record>(self, chunks: ChunkStream<'s, D>) -> DStream<'s, D> {
        DStream::from_source(self, chunks)
    }

    /// The timely scope, for operators of one's own.
    pub fn scope(self) -> Scope<'s, BatchId> {
        self.scope
    }

    /// The workers of the job, and who owns which key.
    pub fn peers(self) -> &'s Peers {
        &self.build.peers
    }

    /// The ticks, as a timely stream: one row for each batch, on every worker.
    pub fn ticks(self) -> RowStream<'s, Tick> {
        self.build.ticks.clone()
    }

    /// Holds a batch until the stream has completed it: for programs whose output is a timely
    /// operator of their own.
    pub fn complete_with<C: timely::Container + Clone>(self, stream: Stream<'s, BatchId, C>) {
        self.build.count_output();
        stream.probe_with(&self.build.done);
    }

    pub(crate) fn build(self) -> &'s Build<'s> {
        self.build
    }

    /// Notes what is wrong with the program; it will not run.
    pub(crate) fn reject(self, error: BuildError) {
        self.build.errors.borrow_mut().push(error);
    }

    pub(crate) fn strategy(self, options: &Options) -> Strategy {
        let strategy = options.strategy.unwrap_or(self.build.config.strategy);
        if strategy.computes_anew() && self.build.config.checkpoints.is_some() {
            self.reject(BuildError::NotSaved { what: strategy.name() });
        }
        strategy
    }

    /// Builds a stateful operator, with a name of its own by which its state is found again.
    pub(crate) fn attach<O: BatchOperator<BatchId>>(
        self,
        kind: &str,
        options: &Options,
        input: Stream<'s, BatchId, O::Input>,
        operator: O,
    ) -> Stream<'s, BatchId, O::Output> {
        let (named, attachment) = self.named_attachment(kind, options, SavedRows::of::<O>());
        self.settle(named, attach(input, operator, attachment))
    }

    /// How a stateful operator is built: with a name of its own, and what was saved under it.
    pub(crate) fn named_attachment<S: Record>(
        self,
        kind: &str,
        options: &Options,
        rows: SavedRows<S>,
    ) -> (Named<S>, Attachment<'s, BatchId, S>) {
        let (number, uid) = self.build.name_operator(kind, options.uid.as_deref());
        let mut attachment = Attachment::named(uid.clone()).on_ticks(self.ticks());
        if let (Phase::Dry(declared), true) =
            (&self.build.phase, self.build.config.checkpoints.is_some())
        {
            let schema = Schema::of::<S>();
            declared.borrow_mut().states.push(DeclaredState { uid: uid.clone(), schema });
        }
        let mut named = Named { number, uid, rows, migrated: None };
        if let Some(saving) = &self.build.saving {
            attachment.tapped = true;
            match saving.recovery.rows_of(&named.uid, &self.build.peers, rows) {
                Ok(Some(Restored { as_of, rows, is_migrated })) => {
                    named.migrated = is_migrated.then(|| rows.clone());
                    attachment.restore = Some(Restore { rows: rows.to_stream(self.scope), as_of });
                }
                Ok(None) => {}
                Err(error) => self.abandon(error.into()),
            }
        }
        (named, attachment)
    }

    /// What becomes of all that a stateful operator gives; its output.
    pub(crate) fn settle<S: Record, C>(
        self,
        named: Named<S>,
        attached: Attached<'s, BatchId, C, S>,
    ) -> Stream<'s, BatchId, C> {
        self.report(named.number, attached.reports);
        if let (Some(saving), Some(tap)) = (&self.build.saving, attached.tap) {
            self.save(saving, named, tap);
        }
        attached.output
    }

    /// Builds an operator whose state follows from the contents of the tables before it: it is
    /// rebuilt from them, and not saved.
    pub(crate) fn attach_derived<O: BatchOperator<BatchId>>(
        self,
        kind: &str,
        options: &Options,
        input: Stream<'s, BatchId, O::Input>,
        operator: O,
    ) -> Stream<'s, BatchId, O::Output> {
        let (number, uid) = self.build.name_operator(kind, options.uid.as_deref());
        let attached = attach(input, operator, Attachment::named(uid).on_ticks(self.ticks()));
        self.report(number, attached.reports);
        attached.output
    }

    fn save<S: Record>(self, saving: &Saving, named: Named<S>, mut tap: RowStream<'s, S>) {
        let Named { number: operator, uid, rows, migrated } = named;
        let recovery = &saving.recovery;
        let past = recovery.past.manifest.iter().flat_map(|manifest| &manifest.operators);
        let is_migrated = migrated.is_some();
        let has_past = past.into_iter().any(|state| state.uid == uid && !state.files.is_empty());
        if let Some(publisher) = &mut *saving.publisher.borrow_mut() {
            let schema = (Schema::of::<S>(), rows.form);
            publisher.expect(operator, uid.clone(), schema, is_migrated);
        }
        if let Some(mut migrated) = migrated {
            // What all workers have is saved by the first.
            let is_first = self.scope.index() == 0;
            migrated.retain(|row| is_first || (rows.route)(row) != Route::Everywhere);
            tap = tap.concat(migrated.to_stream(self.scope));
        }
        let saver = Saver {
            store: recovery.store.clone(),
            generation: recovery.generation,
            control: Arc::clone(&self.build.control),
            operator,
            has_past: has_past && !is_migrated,
            uid,
            worker: self.scope.index() as u32,
            rows,
        };
        let saved = match recovery::save(tap, self.build.limited_ticks.clone(), saver) {
            Ok(saved) => saved,
            Err(error) => return self.abandon(error),
        };
        let publisher = Rc::clone(&saving.publisher);
        let pact = Exchange::new(|_: &Saved| 0);
        saved
            .unary::<NoopBuilder<Vec<()>>, _, _, _>(pact, "Checkpoint", move |_, _| {
                move |input, _output| {
                    input.for_each(|time, messages| {
                        if let Some(publisher) = &mut *publisher.borrow_mut() {
                            messages
                                .drain(..)
                                .for_each(|saved| publisher.saved(*time.time(), saved));
                        }
                    });
                }
            })
            .probe_with(&saving.saved);
    }

    /// Sends an operator's reports to worker 0.
    pub(crate) fn report(self, operator: u32, reports: RowStream<'s, Report>) {
        let (worker, collector) = (self.scope.index() as u32, Rc::clone(&self.build.collector));
        let signed = reports.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Report", move |_, _| {
            move |input, output| {
                input.for_each(|time, reports| {
                    let mut signed: Vec<(u32, Report)> =
                        reports.drain(..).map(|report| (worker, report)).collect();
                    output.session_with_builder(&time).give_container(&mut signed);
                });
            }
        });
        self.gather(signed, move |batch, (worker, report)| {
            collector.borrow_mut().reported(batch, operator, worker, report);
        });
    }

    /// Sends the number of rounds of an iteration in each batch to worker 0.
    pub(crate) fn report_rounds(
        self,
        operator: u32,
        rounds: ChunkStream<'s, u64>,
        rounds_max: u64,
    ) {
        let collector = Rc::clone(&self.build.collector);
        self.gather(interop::rows(rounds), move |batch, rounds| {
            collector.borrow_mut().iterated(batch, operator, rounds, rounds_max);
        });
    }

    /// Builds an operator that keeps nothing from one batch to the next.
    pub(crate) fn attach_per_batch<O: BatchOperator<BatchId>>(
        self,
        name: &str,
        input: Stream<'s, BatchId, O::Input>,
        operator: O,
    ) -> Stream<'s, BatchId, O::Output> {
        attach(input, operator, Attachment::named(name).on_ticks(self.ticks())).output
    }

    /// Brings messages to worker 0; a batch is not done before its messages have arrived.
    pub(crate) fn gather<R: ExchangeData + Clone>(
        self,
        messages: RowStream<'s, R>,
        mut deposit: impl FnMut(BatchId, R) + 'static,
    ) {
        let pact = Exchange::new(|_: &R| 0);
        messages
            .unary::<NoopBuilder<Vec<()>>, _, _, _>(pact, "Gather", move |_, _| {
                move |input, _output| {
                    input.for_each(|time, messages| {
                        messages.drain(..).for_each(|message| deposit(*time.time(), message));
                    });
                }
            })
            .probe_with(&self.build.done);
    }

    /// Ends the run from inside the build: a thread that can't be started, for instance.
    pub(crate) fn abandon(self, error: RunError) {
        let fatal: &RefCell<Option<RunError>> = &self.build.fatal;
        fatal.borrow_mut().get_or_insert(error);
    }
}
