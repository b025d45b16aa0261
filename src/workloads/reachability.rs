//! What can be reached in a graph.

use crate::Table;
use crate::table::Iterated;
use crate::workloads::Edge;

/// The roots, and every node that can be reached from one of them along at most `rounds_max` edges.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::workloads::reachability;
/// use tidegate::{Config, Local, Span};
///
/// let (edges, reached) = (Queue::new(1), Memory::new());
/// let (source, sink) = (edges.clone(), reached.clone());
/// let mut local = Local::start(Config::new("reachability"), move |ctx| {
///     let edges = ctx.source(source.clone()).window(Span::batches(2), Span::batches(1)).table();
///     let roots = edges.clone().map(|(from, _)| from).filter(|from| *from == 1);
///     reachability(edges, roots, 100).table.count().snapshots().sink(sink.clone());
/// })?;
/// edges.push([(1, 2), (3, 4)]);
/// local.tick();
/// edges.push([(1, 2), (2, 3)]);
/// local.tick();
/// local.tick();
/// local.stop()?;
/// assert_eq!(reached.rows(), [[2], [4], [3]]);
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn reachability<'s>(
    edges: Table<'s, Edge>,
    roots: Table<'s, u64>,
    rounds_max: u64,
) -> Iterated<'s, u64> {
    edges.distinct().arranged_by_key().reach(roots, rounds_max)
}
