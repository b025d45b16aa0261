//! Incremental operators for bare timely and differential dataflow.
//!
//! This crate knows no engine, no clock, no configuration, no file and no network. It has what
//! Tidegate's programs are made of, and can be used without Tidegate: streams of tagged
//! [`Chunks`], the exchange that keeps their order ([`ship`](mod@ship)), combining before the exchange
//! ([`combine`](mod@combine)), the hash [`index`] that grows without stopping, windows
//! ([`window`]), the [`keyed`] operators, and the shell in which they run ([`batched`]).
//!
//! The pieces of a running count by key:
//!
//! ```
//! use tidegate_operators::batched::{Attachment, attach};
//! use tidegate_operators::combine::{Whole, combine};
//! use tidegate_operators::keyed::{Accumulate, Departed};
//! use tidegate_operators::{Count, Peers, codec::Codecs, interop};
//! use timely::dataflow::operators::{Inspect, ToStream};
//!
//! timely::execute_directly(|worker| {
//!     worker.dataflow::<u64, _, _>(|scope| {
//!         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
//!         let words = ["tide", "gate", "tide"].map(str::to_owned).to_stream(scope);
//!         let tallies = combine(interop::chunked(words), &peers, "count", Whole, Count);
//!         attach(tallies, Accumulate::<_, (), _>::new(Count, Departed::Drop), Attachment::named("count"))
//!             .output
//!             .inspect(|((word, count), _batch, diff)| {
//!                 assert_eq!((*count, *diff), (if word == "tide" { 2 } else { 1 }, 1));
//!             });
//!     });
//! });
//! ```

pub mod aggregate;
pub mod batched;
pub mod check;
mod chunk;
pub mod codec;
pub mod combine;
pub mod contents;
pub mod differences;
mod epoch;
pub mod event_time;
mod hash;
mod heap;
pub mod index;
pub mod interop;
pub mod iterate;
pub mod join;
pub mod keyed;
pub mod learn;
pub mod local;
pub mod order;
pub mod reach;
mod record;
mod row_window;
pub mod ship;
mod tick;
pub mod window;

pub use aggregate::{
    Aggregate, Count, ExactSum, Max, Mean, Min, Reduce, ReduceInverse, Sum, Summand,
};
pub use chunk::{Chunks, Tag};
pub use epoch::{Diff, Epoch};
pub use hash::stable_hash;
pub use heap::heap_bytes;
pub use record::Record;
pub use ship::{Parcel, Peers};
pub use tick::Tick;
pub use window::WindowRule;
