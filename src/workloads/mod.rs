//! Named programs, shared by the command line, the benchmarks and the tests.

mod clickstream;
mod connected_components;
mod pagerank;
mod reachability;
mod windowed_wordcount;
mod wordcount;

pub use clickstream::{PageViews, clickstream};
pub use connected_components::connected_components;
pub use pagerank::{RANK_ONE, pagerank};
pub use reachability::reachability;
pub use windowed_wordcount::windowed_wordcount;
pub use wordcount::{wordcount, words};

/// An edge of a graph: from this node to that one.
pub type Edge = (u64, u64);
