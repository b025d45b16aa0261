//! Workloads on edges of graphs.

use clap::ValueEnum;
use tidegate::workloads::{Edge, connected_components, pagerank, reachability};
use tidegate::{Iterated, Record, Table};

use super::build::Build;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphWorkload {
    /// Which nodes hang together by the edges in a sliding window (edges as JSON, `[from, to]`)
    ConnectedComponents,
    /// What can be reached from node 0 by the edges in a sliding window
    Reachability,
    /// PageRank, in millionths, over the edges in a sliding window
    Pagerank,
}

/// Iterations stop after so many rounds, unless said otherwise.
const ROUNDS_MAX: u64 = 1_000;

/// PageRank takes so many: less than a hundredth of a rank is then still a guess.
const PAGERANK_ROUNDS: u64 = 30;

impl GraphWorkload {
    pub(super) fn build(self, build: &Build<'_, '_>) {
        let (window, slide) = build.window();
        let edges = build.read::<Edge>().window(window, slide).table();
        let rounds_max = build.flags().rounds_max;
        match self {
            GraphWorkload::ConnectedComponents => {
                let labels = connected_components(edges, rounds_max.unwrap_or(ROUNDS_MAX));
                build
                    .write_table(settled(build, labels), |(node, label)| format!("{node} {label}"));
            }
            GraphWorkload::Reachability => {
                let roots = edges.clone().map(|(from, _)| from).filter(|from| *from == 0);
                let reached = reachability(edges, roots, rounds_max.unwrap_or(ROUNDS_MAX));
                build.write_table(settled(build, reached), |node| node.to_string());
            }
            GraphWorkload::Pagerank => {
                let ranks = pagerank(edges, rounds_max.unwrap_or(PAGERANK_ROUNDS));
                build.write_table(settled(build, ranks), |(node, rank)| format!("{node} {rank}"));
            }
        }
    }
}

fn settled<'s, D: Record>(build: &Build<'_, 's>, iterated: Iterated<'s, D>) -> Table<'s, D> {
    if build.flags().must_settle { iterated.must_settle().table } else { iterated.table }
}
