//! Edges of a random graph.

use super::Generator;

impl Generator<(u64, u64)> {
    /// Edges between any two of `nodes` nodes, from the first to the second.
    ///
    /// ```
    /// use tidegate::source::Generator;
    ///
    /// let edges = Generator::edges(50, 7);
    /// let (from, to) = edges.record(0, 12);
    /// assert!(from < 50 && to < 50);
    /// assert_eq!((from, to), Generator::edges(50, 7).record(0, 12));
    /// ```
    pub fn edges(nodes: u64, seed: u64) -> Self {
        Generator::new("edges", seed, move |random, _offset| {
            (random.below(nodes), random.below(nodes))
        })
    }
}
