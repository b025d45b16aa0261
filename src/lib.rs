//! Tidegate: micro-batch stream processing on timely and differential dataflow.
//!
//! Records come in from Kafka, files or sockets; each micro-batch is one timely epoch; keyed and
//! windowed state is maintained *incrementally* across workers and processes; and the output of a
//! batch leaves when the frontier has passed it: the gate opens when the tide has gone out.
//!
//! ```
//! use tidegate::sink::Memory;
//! use tidegate::source::Generator;
//! use tidegate::{Config, DStream, Span, Table, Trigger};
//!
//! fn busy_words(lines: DStream<'_, String>) -> Table<'_, (String, i64)> {
//!     lines
//!         .flat_map(|line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
//!         .window(Span::batches(3), Span::batches(1))
//!         .count_by_value()
//!         .filter(|(_word, count)| *count >= 100)
//! }
//!
//! let words = Memory::new();
//! let sink = words.clone();
//! let config = Config::new("busy words")
//!     .workers(2)
//!     .trigger(Trigger::AvailableNow)
//!     .records_per_partition_max(500);
//! let summary = tidegate::run(config, move |ctx| {
//!     let lines = ctx.source(Generator::lines(1).records(2_000));
//!     busy_words(lines).snapshots().sink(sink.clone());
//! })?;
//! assert_eq!((summary.rows_in, summary.batches), (2_000, 4));
//! assert!(words.rows_of(4).iter().any(|(word, _)| word == "the"));
//! # Ok::<(), tidegate::RunError>(())
//! ```
//!
//! # Where things are
//!
//! - [`run`] and [`start`] run a program, [`Local`] moves one by hand, [`Config`] says how.
//! - [`DStream`] is a stream of batches, [`Windowed`] a stream with a rule that says when records
//!   go again, [`Table`] a collection maintained across batches.
//! - [`source`] and [`sink`] are where records come from and go to, and the traits for one's own.
//! - [`recording`] keeps what a source gave, to run it again.
//! - [`metrics`] tells of batches, [`plan`] of the offsets they cover.
//! - [`spark`] says what Spark's names are here, and where the two part.
//! - `tidegate_operators` has the operators themselves, for bare timely and differential.

mod batch;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "cli")]
pub mod compare;
mod config;
mod context;
#[doc(hidden)]
pub mod doc;
mod dstream;
mod engine;
pub mod error;
mod event_time;
mod fault;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod metrics;
pub mod plan;
mod promise;
mod queryable;
pub mod rate;
pub mod recording;
pub mod recovery;
#[cfg(feature = "cli")]
pub mod report;
mod shared;
pub mod sink;
pub mod source;
mod spread;
mod table;
mod windowed;
pub mod workloads;

/// Rows between processes as they lie in memory (the crate `tidegate_abomonation`).
///
/// **Unsound on hostile bytes** ([RUSTSEC-2021-0120]): whoever can send bytes to a worker can make
/// it do anything. For benchmarks on trusted networks only, and never for anything that is read back
/// from disk. It takes effect for the row types for which it is registered:
///
/// ```
/// use std::sync::Arc;
/// use tidegate::Config;
/// use tidegate::abomonation::AbomonationCodec;
/// use tidegate::operators::codec::Codecs;
///
/// let mut codecs = Codecs::default();
/// codecs.register::<(String, i64)>(Arc::new(AbomonationCodec));
/// let config = Config::new("measure").codecs(codecs);
/// assert_eq!(config.codecs.names(), ["abomonation"]);
/// ```
///
/// [RUSTSEC-2021-0120]: https://rustsec.org/advisories/RUSTSEC-2021-0120.html
#[cfg(feature = "abomonation")]
pub use tidegate_abomonation as abomonation;

pub use batch::{BatchId, ChunkStream, Collection, Diff, RowStream, Tick};
pub use config::{Cluster, Config, Secret, Strategy, Tls, Trigger};
pub use context::Context;
pub use dstream::{DStream, Learned, OperatorOutput, Span, StateStream};
pub use engine::{Job, Local, ManualClock, Stopper, run, start};
pub use engine::{OperatorReplay, Replayed, Restorable, check_restore, rehearse, verify_replay};
pub use error::RunError;
pub use event_time::{
    EventJoined, EventPairs, EventSessions, EventStream, EventTable, EventWindowed,
};
pub use metrics::Summary;
pub use ordered_float::OrderedFloat;
pub use promise::Promise;
pub use queryable::{BatchChanges, Changes, NotReadable, Queryable};
pub use shared::{Accumulator, Broadcast};
pub use table::{ArrangedTable, Change, InRounds, Iterated, Joinable, Nested, Table};
pub use tidegate_operators as operators;
pub use tidegate_operators::event_time::{
    EventTimeStats, Judged, Late, PairTime, Reading, TimeWindow, TimeWindows, WatermarkPolicy,
    WatermarkRule,
};
pub use tidegate_operators::key_state;
pub use tidegate_operators::keyed::{Departed, State, StateSpec, Update, Visit};
pub use tidegate_operators::keyed::{
    KeyState, ListState, MapState, Process, Timer, Turn, ValueState,
};
pub use tidegate_operators::learn::Learner;
pub use tidegate_operators::{
    Aggregate, Count, Max, Mean, Min, Record, Reduce, ReduceInverse, Sum,
};
pub use windowed::Windowed;

#[doc = include_str!("../docs/spark.md")]
pub mod spark {}

/// The program of the README compiles.
#[cfg(all(doctest, feature = "kafka"))]
#[doc = include_str!("../README.md")]
mod readme {}
