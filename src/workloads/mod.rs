//! Named programs, shared by the command line, the benchmarks and the tests.

mod ad_analytics;
mod clickstream;
mod connected_components;
mod distinct;
mod kmeans;
pub mod nexmark;
mod pagerank;
mod reachability;
mod regression;
mod sessions;
mod top_k;
mod windowed_join;
mod windowed_wordcount;
mod wordcount;

pub use ad_analytics::{CampaignViews, ad_analytics};
pub use clickstream::{PageViews, clickstream};
pub use connected_components::connected_components;
pub use distinct::distinct;
pub use kmeans::{Cluster, Decay, KMeans, KMeansModel, StreamingKMeans};
pub use pagerank::{RANK_ONE, pagerank};
pub use reachability::reachability;
pub use regression::{LabelledPoint, LinearModel, LinearRegression, StreamingLinearRegression};
pub use sessions::sessions;
pub use top_k::top_k;
pub use windowed_join::windowed_join;
pub use windowed_wordcount::windowed_wordcount;
pub use wordcount::{wordcount, words, words_of};

use ordered_float::OrderedFloat;

/// A point in space: its coordinates.
pub type Point = Vec<OrderedFloat<f64>>;

/// A point, of plain numbers.
///
/// ```
/// use tidegate::OrderedFloat;
/// use tidegate::workloads::point;
///
/// assert_eq!(point([1.0, 2.5]), vec![OrderedFloat(1.0), OrderedFloat(2.5)]);
/// ```
pub fn point(coordinates: impl IntoIterator<Item = f64>) -> Point {
    coordinates.into_iter().map(OrderedFloat).collect()
}

/// An edge of a graph: from this node to that one.
pub type Edge = (u64, u64);
