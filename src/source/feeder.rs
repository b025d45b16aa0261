//! The thread that reads ahead: it fills a bounded queue, and rests while the queue is full.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tidegate_operators::{Record, Tick};

use super::intake::{Portion, Stock};
use super::{Intake, Partition, Poll, Reader};
use crate::engine::control::{Control, lock};
use crate::error::{RunError, SourceError};
use crate::rate::Limits;

/// How long a reader may wait for its first record, and with it how soon it notices anything else.
const WAIT: Duration = Duration::from_millis(50);
/// How long to rest when a reader found nothing without waiting.
const REST: Duration = Duration::from_millis(2);

/// Where a worker gets its records of one source: from a feeder's queue, or straight from an
/// inline reader.
pub(crate) struct Feed<D> {
    kind: Kind<D>,
}

// One for each source and worker: its size does not matter.
#[allow(clippy::large_enum_variant)]
enum Kind<D> {
    Threaded { shared: Arc<Shared<D>>, thread: Option<JoinHandle<()>> },
    Inline { reader: Box<dyn Reader<D>>, intake: Intake<D>, stock: Stock<D>, source: String },
}

struct Shared<D> {
    stock: Mutex<Stock<D>>,
    /// Something for the feeder: room, an acknowledgement, the end.
    news: Condvar,
    acknowledged: Mutex<Vec<(u32, u64)>>,
    finished: AtomicBool,
    /// The worker waits for records: wake it.
    waiting: AtomicBool,
}

/// What a batch waits for.
pub(super) enum Awaited<'a> {
    /// So many records of each partition, or what there will ever be.
    Records(u64),
    /// The same, and to know whether it is the last batch.
    AllRecords(u64),
    /// What an earlier run took of each partition.
    Planned(&'a Limits),
}

/// Whether a batch has all the records it waits for.
pub(super) enum Filled {
    Yes,
    /// Not yet; look again after this time.
    NotWithin(Duration),
}

/// What a feed is made of.
pub(crate) struct Feeding<D> {
    pub(crate) source: String,
    pub(crate) partitions: Vec<Partition>,
    /// Where partitions go on that an earlier run has read.
    pub(crate) positions: BTreeMap<u32, u64>,
    /// Whether other workers read partitions of the source.
    pub(crate) is_shared: bool,
    pub(crate) reader: Box<dyn Reader<D>>,
    pub(crate) queue_bytes_max: usize,
}

impl<D: Record> Feed<D> {
    /// Starts to read; `wake` is called when records have come for which the worker waits.
    pub(crate) fn start(
        feeding: Feeding<D>,
        control: Arc<Control>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, RunError> {
        let Feeding { source, partitions, positions, is_shared, reader, queue_bytes_max } = feeding;
        let intake = Intake::new(&source, &partitions);
        let mut stock = Stock::new(&partitions, reader.is_in_sequence());
        stock.go_on_at(&positions);
        if is_shared {
            stock.share();
        }
        if reader.is_inline() {
            return Ok(Feed { kind: Kind::Inline { reader, intake, stock, source } });
        }
        let shared = Arc::new(Shared {
            stock: Mutex::new(stock),
            news: Condvar::new(),
            acknowledged: Mutex::new(Vec::new()),
            finished: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
        });
        let feeder = Feeder {
            source: source.clone(),
            shared: Arc::clone(&shared),
            reader,
            intake,
            queue_bytes_max,
            control: Arc::clone(&control),
        };
        let thread = std::thread::Builder::new()
            .name(format!("feed {source}"))
            .spawn(move || feeder.run(&wake))
            .map_err(|error| RunError::System {
                what: format!("start a thread for source `{source}`"),
                source: error,
            })?;
        Ok(Feed { kind: Kind::Threaded { shared, thread: Some(thread) } })
    }

    /// Whether a batch can be cut that waits for records. If not, come again after the time given; a
    /// feeder wakes the worker sooner, when more records have come.
    pub(super) fn fill(&mut self, tick: Tick, awaited: &Awaited<'_>) -> Result<Filled, RunError> {
        let is_filled = |stock: &Stock<D>| match awaited {
            Awaited::Records(records) => stock.is_filled(*records),
            Awaited::AllRecords(records) => stock.is_filled_for_certain(*records),
            Awaited::Planned(limits) => stock.is_filled_as_planned(limits),
        };
        match &mut self.kind {
            Kind::Inline { reader, intake, stock, source } => {
                match awaited {
                    Awaited::Records(records) | Awaited::AllRecords(records) => {
                        stock.order(intake, tick, &Limits::every(Some(*records)));
                    }
                    Awaited::Planned(limits) => stock.order(intake, tick, limits),
                }
                while !is_filled(stock) {
                    let poll = reader
                        .poll(intake, Duration::ZERO)
                        .map_err(|error| failed(source, error))?;
                    let nothing = intake.is_empty();
                    stock.absorb(intake, poll);
                    if nothing && poll == Poll::Idle {
                        return Ok(Filled::NotWithin(REST));
                    }
                }
                Ok(Filled::Yes)
            }
            Kind::Threaded { shared, .. } => {
                shared.waiting.store(true, Ordering::SeqCst);
                if is_filled(&lock(&shared.stock)) {
                    shared.waiting.store(false, Ordering::SeqCst);
                    return Ok(Filled::Yes);
                }
                // The feeder may rest, since its queue is full: it is not, until the batch is.
                shared.news.notify_all();
                Ok(Filled::NotWithin(WAIT))
            }
        }
    }

    /// Whether the reader is polled on the worker.
    pub(super) fn is_inline(&self) -> bool {
        matches!(self.kind, Kind::Inline { .. })
    }

    /// Takes what a batch takes, and says whether that was the last.
    pub(super) fn take(
        &mut self,
        tick: Tick,
        limits: &Limits,
        is_planned: bool,
    ) -> Result<(Vec<Portion<D>>, bool), RunError> {
        let of_stock = |stock: &mut Stock<D>| match is_planned {
            true => stock.take_planned(limits),
            false => stock.take(limits),
        };
        match &mut self.kind {
            Kind::Threaded { shared, .. } => {
                shared.waiting.store(false, Ordering::SeqCst);
                let mut stock = lock(&shared.stock);
                let portions = of_stock(&mut stock);
                let exhausted = stock.is_exhausted();
                drop(stock);
                shared.news.notify_all();
                Ok((portions, exhausted))
            }
            Kind::Inline { reader, intake, stock, source } => {
                stock.order(intake, tick, limits);
                // What is planned is there: the batch has waited for it.
                let mut is_ready = is_planned;
                while !is_ready {
                    let poll = reader
                        .poll(intake, Duration::ZERO)
                        .map_err(|error| failed(source, error))?;
                    stock.absorb(intake, poll);
                    is_ready = poll != Poll::More || stock.is_filled_to(limits);
                }
                Ok((of_stock(stock), stock.is_exhausted()))
            }
        }
    }

    /// Passes on that all sinks have confirmed a batch.
    pub(super) fn acknowledge(&mut self, through: &[(u32, u64)]) {
        match &mut self.kind {
            Kind::Inline { reader, .. } => reader.acknowledge(through),
            Kind::Threaded { shared, .. } => {
                lock(&shared.acknowledged).extend_from_slice(through);
                shared.news.notify_all();
            }
        }
    }

    /// Ends reading, after the last acknowledgement has been passed on.
    pub(super) fn finish(&mut self) {
        if let Kind::Inline { reader, .. } = &mut self.kind {
            reader.finish();
        }
        if let Kind::Threaded { shared, thread } = &mut self.kind {
            shared.finished.store(true, Ordering::SeqCst);
            shared.news.notify_all();
            if let Some(thread) = thread.take() {
                // A reader's own panic has been reported by its thread.
                let _ = thread.join();
            }
        }
    }
}

/// A feed that is dropped without `finish` belongs to a run that failed: its thread notices by
/// itself, and nobody waits for it.
impl<D> Drop for Feed<D> {
    fn drop(&mut self) {
        if let Kind::Threaded { shared, .. } = &self.kind {
            shared.finished.store(true, Ordering::SeqCst);
            shared.news.notify_all();
        }
    }
}

fn failed(source: &str, error: SourceError) -> RunError {
    RunError::Source { name: source.to_owned(), source: error, started: true }
}

struct Feeder<D> {
    source: String,
    shared: Arc<Shared<D>>,
    reader: Box<dyn Reader<D>>,
    intake: Intake<D>,
    queue_bytes_max: usize,
    control: Arc<Control>,
}

impl<D> Feeder<D> {
    fn run(mut self, wake: &dyn Fn()) {
        let (source, control) = (self.source.clone(), Arc::clone(&self.control));
        let outcome = catch_unwind(AssertUnwindSafe(|| self.feed(wake)));
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => control.fail(failed(&source, error)),
            Err(panic) => {
                let text = crate::engine::panic_text(&*panic);
                let error = SourceError::Invalid(format!("its reader panicked: {text}"));
                control.fail(failed(&source, error));
            }
        }
    }

    fn feed(&mut self, wake: &dyn Fn()) -> Result<(), SourceError> {
        let mut ended = false;
        loop {
            let acknowledged = std::mem::take(&mut *lock(&self.shared.acknowledged));
            if !acknowledged.is_empty() {
                self.reader.acknowledge(&acknowledged);
            }
            if self.control.has_failed() {
                return Ok(());
            }
            if self.shared.finished.load(Ordering::SeqCst) {
                if lock(&self.shared.acknowledged).is_empty() {
                    self.reader.finish();
                    return Ok(());
                }
                continue;
            }
            // A batch that waits for records may be larger than the queue: then it is the batch
            // that says how much is enough.
            let is_wanted = self.shared.waiting.load(Ordering::SeqCst);
            let is_full = || lock(&self.shared.stock).bytes() >= self.queue_bytes_max;
            if ended || (!is_wanted && is_full()) {
                self.rest(WAIT);
                continue;
            }
            let asked = Instant::now();
            let poll = self.reader.poll(&mut self.intake, WAIT)?;
            let nothing = self.intake.is_empty();
            if !nothing || poll == Poll::End {
                lock(&self.shared.stock).absorb(&mut self.intake, poll);
                if self.shared.waiting.load(Ordering::SeqCst) {
                    wake();
                }
            }
            ended |= poll == Poll::End;
            if nothing && poll == Poll::Idle && asked.elapsed() < REST {
                self.rest(REST);
            }
        }
    }

    /// Waits for news, or for `time` to pass.
    fn rest(&self, time: Duration) {
        let stock = lock(&self.shared.stock);
        if !self.shared.finished.load(Ordering::SeqCst) {
            drop(self.shared.news.wait_timeout(stock, time));
        }
    }
}
