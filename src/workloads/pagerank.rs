//! How much of a random walk passes through each node of a graph.

use crate::table::Iterated;
use crate::workloads::Edge;
use crate::{Sum, Table};

/// The rank that each node has to begin with, and on average if no node is a dead end.
pub const RANK_ONE: i64 = 1_000_000;

/// Of a node's rank, this many hundredths go on along its edges.
const GOES_ON: i64 = 85;

/// Each node's rank after some rounds of PageRank, in millionths: 15 hundredths of
/// [`RANK_ONE`], and 85 hundredths of what those nodes give it that point at it, each of which
/// divides its rank among all that it points at. An edge that is there twice counts once; the rank
/// of a dead end goes nowhere; fractions of a millionth are cut off.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::workloads::pagerank;
/// use tidegate::{Config, Local};
///
/// let (edges, ranks) = (Queue::new(1), Memory::new());
/// let (source, sink) = (edges.clone(), ranks.clone());
/// let mut local = Local::start(Config::new("ranks"), move |ctx| {
///     let edges = ctx.source(source.clone()).running().table();
///     pagerank(edges, 1).table.snapshots().sink(sink.clone());
/// })?;
/// edges.push([(1, 3), (2, 3), (3, 1)]);
/// local.tick();
/// local.stop()?;
/// assert_eq!(ranks.rows(), [[(1, 1_000_000), (2, 150_000), (3, 1_850_000)]]);
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn pagerank(edges: Table<'_, Edge>, rounds: u64) -> Iterated<'_, (u64, i64)> {
    let edges = edges.distinct();
    let nodes = edges.clone().flat_map(|(from, to)| [from, to]).distinct();
    let degrees = edges.clone().map(|(from, _)| from).count_by_value();
    let edges = edges.join(degrees).arranged_by_key();
    let ranks = nodes.clone().map(|node| (node, RANK_ONE));
    ranks.iterate(rounds, move |ranks| {
        let base = nodes.map(|node| (node, RANK_ONE * (100 - GOES_ON) / 100));
        let base = ranks.enter(base);
        let given = ranks
            .join(&edges)
            .map(|(_, (rank, (to, degree)))| (to, rank * GOES_ON / (100 * degree)));
        given.union(base).aggregate_by_key(Sum)
    })
}
