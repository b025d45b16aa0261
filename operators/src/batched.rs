//! The shell of every operator that works batch by batch: it waits for a batch to close, hands
//! the operator all of it at once, and plumbs what any stateful operator needs.
//!
//! ```text
//!   input ──▶ ┌──────────────┐ ──▶ output
//!   ticks ──▶ │ BatchOperator│ ──▶ tap: what changed in the state (for checkpoints)
//! restore ──▶ └──────────────┘ ──▶ reports: how large the state is, what the batch took
//! ```
//!
//! Why it is correct: input is kept by time until the frontiers of all inputs have passed that
//! time, so the operator sees each batch complete, once, and in order; it can only write at the
//! time of the batch that it is closing, since the shell holds that capability and no other.
//!
//! # An operator of one's own
//!
//! Implement [`BatchOperator`]: what comes in, what goes out, and what a row of the state looks
//! like when it is saved. Differences in, differences out is a table operator; chunks in and out,
//! one on streams. Then [`attach`] it, behind [`ship`](crate::ship::ship), which brings all of a
//! key to one worker. This one keeps the highest value of each key, on bare timely:
//!
//! ```
//! use std::collections::HashMap;
//!
//! use tidegate_operators::batched::{
//!     Attachment, Batch, BatchOperator, Differences, Output, Route, StateSize, Tap, attach,
//! };
//! use tidegate_operators::{Chunks, Diff, Peers, codec::Codecs, interop, local::Local, ship};
//! use timely::dataflow::operators::{Capture, Input, capture::Extract};
//!
//! #[derive(Default)]
//! struct HighWater {
//!     highest: HashMap<String, i64>,
//!     updated: u64,
//! }
//!
//! impl BatchOperator<u64> for HighWater {
//!     type Input = Chunks<(String, i64)>;
//!     type Output = Vec<((String, i64), u64, Diff)>;
//!     type Saved = (String, i64);
//!
//!     fn close(
//!         &mut self,
//!         batch: Batch<u64>,
//!         input: Vec<Self::Input>,
//!         output: &mut Output<'_, Self::Output>,
//!         tap: &mut Tap<Self::Saved>,
//!     ) {
//!         // The highest of the batch first: what goes out changes once a batch.
//!         let mut seen: HashMap<String, i64> = HashMap::new();
//!         for (key, level) in input.into_iter().flat_map(Chunks::into_rows) {
//!             let highest = seen.entry(key).or_insert(level);
//!             *highest = level.max(*highest);
//!         }
//!         self.updated = 0;
//!         let mut differences = Differences::new(output, batch.time);
//!         for (key, level) in seen {
//!             let before = self.highest.get(&key).copied();
//!             if before.is_some_and(|before| before >= level) {
//!                 continue;
//!             }
//!             differences.replace(&key, before, Some(level));
//!             tap.record(|| (key.clone(), level));
//!             self.highest.insert(key, level);
//!             self.updated += 1;
//!         }
//!     }
//!
//!     fn route(saved: &Self::Saved) -> Route {
//!         Route::of_key(&saved.0)
//!     }
//!
//!     // The tap gives the oldest row of a key first: the last one counts.
//!     fn restore(&mut self, saved: Vec<Self::Saved>) {
//!         self.highest.extend(saved);
//!     }
//!
//!     fn contents(&mut self, batch: Batch<u64>, output: &mut Output<'_, Self::Output>) {
//!         let mut differences = Differences::new(output, batch.time);
//!         for (key, level) in &self.highest {
//!             differences.push((key.clone(), *level), 1);
//!         }
//!     }
//!
//!     fn size(&self) -> StateSize {
//!         let slots = self.highest.capacity() * size_of::<(String, i64)>();
//!         let owned: usize = self.highest.keys().map(String::len).sum();
//!         let (keys, bytes) = (self.highest.len() as u64, (slots + owned) as u64);
//!         StateSize { keys, bytes, updated: self.updated }
//!     }
//! }
//!
//! let gauges = |levels: &[(&str, i64)]| -> Vec<(String, i64)> {
//!     levels.iter().map(|(gauge, level)| (gauge.to_string(), *level)).collect()
//! };
//! let first = gauges(&[("north", 3), ("south", 5), ("north", 4)]);
//! let batches = [first, gauges(&[("north", 2), ("south", 6)])];
//!
//! // In a dataflow ...
//! let input = batches.clone();
//! let captured = timely::execute_directly(move |worker| {
//!     let (mut levels, captured) = worker.dataflow::<u64, _, _>(|scope| {
//!         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
//!         let (handle, levels) = scope.new_input();
//!         let owners = peers.clone();
//!         let shipped =
//!             ship::ship(interop::chunked(levels), &peers, "by gauge", move |(gauge, _)| {
//!                 owners.owner_of_key(gauge)
//!             });
//!         let attached = attach(shipped, HighWater::default(), Attachment::named("high water"));
//!         (handle, attached.output.capture())
//!     });
//!     for (time, mut batch) in input.into_iter().enumerate() {
//!         levels.advance_to(time as u64 + 1);
//!         levels.send_batch(&mut batch);
//!     }
//!     captured
//! });
//! let mut changes: Vec<_> = captured.extract().into_iter().flat_map(|(_, rows)| rows).collect();
//! changes.sort_by_key(|(row, time, diff)| (*time, row.clone(), *diff));
//! assert_eq!(changes, [
//!     (("north".to_string(), 4), 1, 1),
//!     (("south".to_string(), 5), 1, 1),
//!     (("south".to_string(), 5), 2, -1),
//!     (("south".to_string(), 6), 2, 1),
//! ]);
//!
//! // ... and by hand, killed and started again between two batches.
//! let [first, second] = batches;
//! let mut by_hand = Local::new(HighWater::default());
//! by_hand.changes(first);
//! let mut by_hand = by_hand.restart(HighWater::default());
//! assert_eq!(by_hand.changes(second), [(("south".into(), 5), -1), (("south".into(), 6), 1)]);
//! assert_eq!(by_hand.size().keys, 2);
//! ```
//!
//! Most operators by key are shorter than this: the [`Index`](crate::index::Index) keeps their
//! state, tells once a batch what each key was and is, and accounts its bytes.
//! [`Distinct`](crate::keyed::Distinct), [`TopK`](crate::keyed::TopK) and
//! [`Upsert`](crate::keyed::Upsert) are made of it, one file each.

mod output;
mod report;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use timely::Container;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};
use timely::progress::frontier::MutableAntichain;

pub use output::{Differences, Output, Tap};
pub use report::{Load, Report, RowCount};

use crate::{Epoch, Record, Tick};

/// The batch that an operator is asked to close.
#[derive(Clone, Copy, Debug)]
pub struct Batch<T> {
    /// Its time.
    pub time: T,
    /// Its tick, if the operator is attached to the ticks.
    pub tick: Option<Tick>,
}

impl<T: Epoch> Batch<T> {
    /// The tick, for an operator that can't work without.
    ///
    /// # Panics
    ///
    /// If the operator is not attached to the ticks.
    pub fn tick_or_panic(&self) -> Tick {
        self.tick.unwrap_or_else(|| {
            panic!("batch {:?} has no tick: attach the operator to the ticks", self.time)
        })
    }
}

/// How large an operator's state is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StateSize {
    /// The number of keys, or of rows where there is no key.
    pub keys: u64,
    /// The bytes taken.
    pub bytes: u64,
    /// The number of keys changed in the last batch.
    pub updated: u64,
}

/// Where a row of saved state belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the worker that owns the key with this stable hash.
    Key(u64),
    /// To every worker.
    Everywhere,
}

impl Route {
    /// To the worker that owns a key.
    ///
    /// ```
    /// use tidegate_operators::batched::Route;
    ///
    /// assert_eq!(Route::of_key(&"page-17"), Route::of_key(&"page-17"));
    /// assert_ne!(Route::of_key(&"page-17"), Route::Everywhere);
    /// ```
    pub fn of_key<K: Serialize + ?Sized>(key: &K) -> Self {
        Route::Key(crate::stable_hash(key))
    }
}

/// How saved rows are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folding {
    /// The last batch that the rows contain.
    pub through: u64,
    /// Whether nothing older stands behind them, so that what is gone need not be said.
    pub is_whole: bool,
}

impl Folding {
    /// The panes of a window that have not left yet, in the order in which they come and go: each
    /// row with the batch at which it enters, and that at which it leaves.
    ///
    /// ```
    /// use tidegate_operators::batched::Folding;
    ///
    /// let folding = Folding { through: 7, is_whole: false };
    /// assert_eq!(folding.panes(vec![(6, 9, 'a'), (2, 7, 'b'), (5, 8, 'c')]), [(5, 8, 'c'), (6, 9, 'a')]);
    /// ```
    pub fn panes<R>(self, mut rows: Vec<(u64, u64, R)>) -> Vec<(u64, u64, R)> {
        rows.retain(|(_, exit, _)| *exit > self.through);
        rows.sort_by_key(|(enter, exit, _)| (*enter, *exit));
        rows
    }

    /// What differences add up to.
    ///
    /// ```
    /// use tidegate_operators::batched::Folding;
    ///
    /// let folding = Folding { through: 7, is_whole: false };
    /// let folded = folding.differences(vec![('a', 1), ('b', 1), ('a', -1), ('b', 1)]);
    /// assert_eq!(folded, [('b', 2)]);
    /// ```
    pub fn differences<R: Ord, D: Copy + Default + PartialEq + std::ops::AddAssign>(
        self,
        rows: Vec<(R, D)>,
    ) -> Vec<(R, D)> {
        let mut sums: BTreeMap<R, D> = BTreeMap::new();
        for (row, difference) in rows {
            *sums.entry(row).or_default() += difference;
        }
        sums.into_iter().filter(|(_, sum)| *sum != D::default()).collect()
    }

    /// The latest row of each key, in the order of `keys`; what is gone is left out where nothing older
    /// stands behind it.
    ///
    /// ```
    /// use tidegate_operators::batched::Folding;
    ///
    /// let rows = vec![('a', Some(1)), ('b', Some(2)), ('a', None)];
    /// let folded = |is_whole| {
    ///     let folding = Folding { through: 7, is_whole };
    ///     folding.latest(rows.clone(), |(a, _), (b, _)| a.cmp(b), |(_, state)| state.is_none())
    /// };
    /// assert_eq!(folded(false), [('a', None), ('b', Some(2))]);
    /// assert_eq!(folded(true), [('b', Some(2))]);
    /// ```
    pub fn latest<R>(
        self,
        mut rows: Vec<R>,
        keys: impl Fn(&R, &R) -> Ordering,
        is_gone: impl Fn(&R) -> bool,
    ) -> Vec<R> {
        // One file's rows are in order, and so are those of several, one after the other.
        if !rows.is_sorted_by(|a, b| keys(a, b).is_lt()) {
            rows.sort_by(&keys);
            rows.reverse();
            rows.dedup_by(|older, kept| keys(older, kept).is_eq());
            rows.reverse();
        }
        rows.retain(|row| !(self.is_whole && is_gone(row)));
        rows
    }
}

/// What a checkpoint's rows of an operator, oldest first, say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedForm {
    /// Pairs of a key and what is held for it: the latest counts, and nothing means gone.
    Latest,
    /// Triples of the batch at which a row comes, the batch at which it goes, and the row.
    Panes,
    /// Pairs of a row and a difference: what adds up to zero is gone.
    Differences,
    /// Each row counts.
    Rows,
}

/// An operator as it is written: a function of its state and of one closed batch.
///
/// Input and output are timely containers, so that one trait serves operators on streams
/// ([`Chunks`](crate::Chunks)) and on tables (vectors of differences).
pub trait BatchOperator<T: Epoch>: 'static {
    /// The messages of the input.
    type Input: Container + RowCount;
    /// The messages of the output.
    type Output: Container + Clone;
    /// A row of the state, as a checkpoint saves it: the latest row of a key counts.
    type Saved: Record;

    /// Takes all input of a batch, gives its output, and records what changed in the state.
    ///
    /// Called in the order of batches; for every tick, if the operator is attached to the ticks,
    /// else for batches that have input.
    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    );

    /// Where a row that the tap gave belongs when it comes back, on whatever number of workers.
    fn route(saved: &Self::Saved) -> Route;

    /// Fewer rows that stand for these, which the tap gave one after the other, oldest first: what
    /// a checkpoint saves. All of them, unless overridden.
    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        let _ = folding;
        saved
    }

    /// How saved rows are to be read, by whoever looks at a checkpoint; goes with
    /// [`BatchOperator::fold`].
    fn form() -> SavedForm {
        SavedForm::Rows
    }

    /// Takes back rows that the tap gave in an earlier run, oldest first, before any batch.
    fn restore(&mut self, saved: Vec<Self::Saved>);

    /// Gives what the output holds once everything is restored, so that whatever is derived from
    /// it can be rebuilt. Nothing, for an operator whose output does not accumulate.
    ///
    /// The batch's tick is that of the last batch that the restored rows contain.
    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let _ = (batch, output);
    }

    /// How large the state is.
    fn size(&self) -> StateSize {
        StateSize::default()
    }
}

/// How an operator is built into a dataflow.
pub struct Attachment<'s, T: Epoch, S> {
    /// Its name, as timely's logs and the reports show it.
    pub name: String,
    /// The ticks, for an operator that acts on batches without input.
    pub ticks: Option<StreamVec<'s, T, Tick>>,
    /// The contents to start from.
    pub restore: Option<Restore<'s, T, S>>,
    /// Whether changes of the state are wanted.
    pub tapped: bool,
}

impl<'s, T: Epoch, S> Attachment<'s, T, S> {
    /// An operator with a name and nothing attached.
    pub fn named(name: impl Into<String>) -> Self {
        Attachment { name: name.into(), ticks: None, restore: None, tapped: false }
    }

    /// Attaches the ticks.
    pub fn on_ticks(mut self, ticks: StreamVec<'s, T, Tick>) -> Self {
        self.ticks = Some(ticks);
        self
    }
}

/// The contents that an operator starts from.
pub struct Restore<'s, T: Epoch, S> {
    /// Rows of its state, oldest first, all at the minimal time; no batch is closed before this
    /// stream has moved on.
    pub rows: StreamVec<'s, T, S>,
    /// The tick of the last batch that the rows contain.
    pub as_of: Tick,
}

/// The streams that come out of an attached operator.
pub struct Attached<'s, T: Epoch, C, S> {
    /// The output.
    pub output: Stream<'s, T, C>,
    /// What changed in the state, if the operator is tapped.
    pub tap: Option<StreamVec<'s, T, S>>,
    /// The size of the state after each closed batch, and what the batch took.
    pub reports: StreamVec<'s, T, Report>,
}

struct Pending<T: Epoch, C> {
    /// The right to write at this time: to the output, the reports, and the tap.
    capabilities: Vec<Capability<T>>,
    input: Vec<C>,
    tick: Option<Tick>,
}

/// Builds `operator` into the dataflow of `input`.
///
/// ```
/// use tidegate_operators::batched::{Attachment, Batch, BatchOperator, Output, Route, Tap, attach};
/// use timely::dataflow::operators::{Inspect, ToStream};
///
/// /// The number of rows of each batch.
/// struct CountRows;
/// impl BatchOperator<u64> for CountRows {
///     type Input = Vec<String>;
///     type Output = Vec<usize>;
///     type Saved = ();
///     fn close(
///         &mut self,
///         _batch: Batch<u64>,
///         input: Vec<Vec<String>>,
///         output: &mut Output<'_, Vec<usize>>,
///         _tap: &mut Tap<()>,
///     ) {
///         output.give(vec![input.iter().map(Vec::len).sum()]);
///     }
///     fn route(_saved: &()) -> Route {
///         Route::Everywhere
///     }
///     fn restore(&mut self, _saved: Vec<()>) {}
/// }
///
/// timely::example(|scope| {
///     let rows = ["a", "b", "c"].map(str::to_owned).to_stream(scope);
///     attach(rows, CountRows, Attachment::named("count rows"))
///         .output
///         .inspect(|count| assert_eq!(*count, 3));
/// });
/// ```
pub fn attach<'s, T, O>(
    input: Stream<'s, T, O::Input>,
    mut operator: O,
    attachment: Attachment<'s, T, O::Saved>,
) -> Attached<'s, T, O::Output, O::Saved>
where
    T: Epoch,
    O: BatchOperator<T>,
{
    let mut builder = OperatorBuilder::new(attachment.name, input.scope());
    let mut input = builder.new_input(input, Pipeline);
    let mut ticks = attachment.ticks.map(|ticks| builder.new_input(ticks, Pipeline));
    let as_of = attachment.restore.as_ref().map(|restore| restore.as_of);
    let mut restore = attachment.restore.map(|restore| builder.new_input(restore.rows, Pipeline));
    let restore_port = 1 + usize::from(ticks.is_some());

    let (output, output_stream) = builder.new_output();
    let mut output = OutputBuilder::<T, NoopBuilder<O::Output>>::from(output);
    let (reports, reports_stream) = builder.new_output();
    let mut reports = OutputBuilder::<T, NoopBuilder<Vec<Report>>>::from(reports);
    let (mut tap_port, tap_stream) = if attachment.tapped {
        let (port, stream) = builder.new_output();
        (Some(OutputBuilder::<T, NoopBuilder<Vec<O::Saved>>>::from(port)), Some(stream))
    } else {
        (None, None)
    };
    let ports = 2 + usize::from(tap_port.is_some());

    builder.build(move |mut initial| {
        let mut tap = Tap::new(tap_port.is_some());
        let mut pending: BTreeMap<T, Pending<T, O::Input>> = BTreeMap::new();
        // The right to write the restored contents, for as long as they may still come.
        initial.truncate(1);
        let mut restoring = if restore.is_some() { initial.pop() } else { None };
        drop(initial);
        let is_restored = restore.is_some();

        move |frontiers: &[MutableAntichain<T>]| {
            let mut output = output.activate();
            let mut reports = reports.activate();

            input.for_each(|time, data| {
                // An operator that gets its own state back has seen what was restored before it.
                if is_restored && *time.time() == T::minimum() {
                    return;
                }
                let batch = pending.entry(*time.time()).or_insert_with(|| Pending {
                    capabilities: (0..ports).map(|port| time.retain(port)).collect(),
                    input: Vec::new(),
                    tick: None,
                });
                batch.input.push(std::mem::take(data));
            });
            if let Some(ticks) = &mut ticks {
                ticks.for_each(|time, data| {
                    for tick in data.drain(..) {
                        let batch = pending.entry(*time.time()).or_insert_with(|| Pending {
                            capabilities: (0..ports).map(|port| time.retain(port)).collect(),
                            input: Vec::new(),
                            tick: None,
                        });
                        batch.tick = Some(tick);
                    }
                });
            }
            if let Some(restore) = &mut restore {
                restore.for_each(|_, rows| operator.restore(std::mem::take(rows)));
                let complete = !frontiers[restore_port].less_equal(&T::minimum());
                if complete && let Some(capability) = restoring.take() {
                    let mut session = output.session_with_builder(&capability);
                    let mut give = |container: &mut O::Output| session.give_container(container);
                    let restored = Batch { time: T::minimum(), tick: as_of };
                    operator.contents(restored, &mut Output::new(&mut give));
                }
            }

            while let Some(first) = pending.first_entry() {
                if frontiers.iter().any(|frontier| frontier.less_equal(first.key())) {
                    break;
                }
                let (time, batch) = first.remove_entry();
                let rows = batch.input.iter().map(|message| message.row_count() as u64).sum();
                let begun = Instant::now();
                {
                    let mut session = output.session_with_builder(&batch.capabilities[0]);
                    let mut give = |container: &mut O::Output| session.give_container(container);
                    let closing = Batch { time, tick: batch.tick };
                    operator.close(closing, batch.input, &mut Output::new(&mut give), &mut tap);
                }
                let load = Load { rows, busy: begun.elapsed() };
                reports
                    .session_with_builder(&batch.capabilities[1])
                    .give_container(&mut vec![Report { size: operator.size(), load }]);
                if let Some(port) = &mut tap_port {
                    let mut rows = tap.take();
                    if !rows.is_empty() {
                        port.activate()
                            .session_with_builder(&batch.capabilities[2])
                            .give_container(&mut rows);
                    }
                }
            }
        }
    });

    Attached { output: output_stream, tap: tap_stream, reports: reports_stream }
}
