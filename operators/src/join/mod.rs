//! Joins on differential's arrangements: sorted indexes that any number of joins read.
//!
//! Why it is correct: rows are brought to the worker that owns their key by
//! [`ship`](crate::ship::ship), as everything is that goes by key, and arranged there without
//! another exchange; differential's join of two arrangements then gives exactly the differences of
//! the product. It asks nothing of time but a lattice, so the same joins work inside the rounds of
//! an iteration, whose times are only partly ordered.
//!
//! ```
//! use differential_dataflow::input::Input;
//! use tidegate_operators::join::{by_key, inner};
//! use tidegate_operators::{Peers, codec::Codecs};
//!
//! timely::execute_directly(|worker| {
//!     worker.dataflow::<u64, _, _>(|scope| {
//!         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
//!         let ports = scope.new_collection_from([("ship", "quay"), ("boat", "lock")]).1;
//!         let loads = scope.new_collection_from([("ship", 40u64)]).1;
//!         let owned = |rows: (&str, &str)| (rows.0.to_string(), rows.1.to_string());
//!         let ports = by_key(ports.map(owned), &peers, "ports");
//!         let loads = by_key(loads.map(|(ship, load)| (ship.to_string(), load)), &peers, "loads");
//!         inner(ports, loads)
//!             .inspect(|((ship, (port, load)), _batch, _diff)| {
//!                 assert_eq!((ship.as_str(), port.as_str(), *load), ("ship", "quay", 40));
//!             });
//!     });
//! });
//! ```

mod arrange;
mod as_of;
mod matching;
mod merging;
mod reduce;

pub use arrange::{
    KeyArrangement, PairArrangement, arranged_reports, brought, by_key, by_row, consolidated, gauge,
};
pub use as_of::AsOf;
pub use matching::{anti, inner, semi};
pub use merging::merge_in_proportion;
pub use reduce::{distinct, reduce};
