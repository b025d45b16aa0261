//! Which nodes of a graph hang together.

use crate::Table;
use crate::table::Iterated;
use crate::workloads::Edge;

/// Each node of a graph with the smallest node that it hangs together with, whichever way the
/// edges point. After `rounds_max` rounds a label has come that many edges far.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::workloads::connected_components;
/// use tidegate::{Config, Local, Span};
///
/// let (edges, labels) = (Queue::new(1), Memory::new());
/// let (source, sink) = (edges.clone(), labels.clone());
/// let mut local = Local::start(Config::new("components"), move |ctx| {
///     let window = ctx.source(source.clone()).window(Span::batches(2), Span::batches(1));
///     connected_components(window.table(), 100).table.snapshots().sink(sink.clone());
/// })?;
/// edges.push([(1, 2), (5, 4)]);
/// local.tick();
/// edges.push([(2, 4)]);
/// local.tick();
/// local.tick();
/// local.stop()?;
/// let labelled = |nodes: &[(u64, u64)]| nodes.to_vec();
/// assert_eq!(labels.rows()[0], labelled(&[(1, 1), (2, 1), (4, 4), (5, 4)]));
/// assert_eq!(labels.rows()[1], labelled(&[(1, 1), (2, 1), (4, 1), (5, 1)]));
/// assert_eq!(labels.rows()[2], labelled(&[(2, 2), (4, 2)]));
/// # Ok::<(), tidegate::RunError>(())
/// ```
pub fn connected_components(edges: Table<'_, Edge>, rounds_max: u64) -> Iterated<'_, Edge> {
    let both_ways = edges.flat_map(|(from, to)| [(from, to), (to, from)]).distinct();
    let own = both_ways.clone().map(|(node, _)| node).distinct().map(|node| (node, node));
    let neighbours = both_ways.arranged_by_key();
    own.clone().iterate(rounds_max, move |labels| {
        let own = labels.enter(own);
        let spread = labels.join(&neighbours).map(|(_, (label, to))| (to, label));
        own.union(spread).min_by_key()
    })
}
