//! What can be reached in a graph, kept up to date.
//!
//! Why it is correct: it is the [iteration](crate::iterate) that adds to the rows reached those
//! that an edge leads to, with the same rounds, turned inside out. What goes round is not the rows
//! but where their edges lead, so that the index of the rows that have been reached, which makes
//! each of them count once, is also the one that is joined with the edges. A general iteration has
//! to index its rows a second time for the join: a third of its work.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::iterate::Variable;
use timely::order::Product;

use crate::iterate::{Courses, Iterated, Round, again, closed, noted};
use crate::join::{self, KeyArrangement, PairArrangement};
use crate::{Diff, Epoch, Peers, Record};

/// The roots, and every row that can be reached from one of them along at most `rounds_max` edges,
/// each once; an edge leads from its key to its value.
///
/// As many rounds are told as the [iteration](crate::iterate::iterate) would take: the longest
/// of the shortest ways on which something has changed, one at least. `measure` is shown the
/// index of the rows.
///
/// Kept: the rows reached, and how many edges lead there, for every round in which either is not
/// what it was in the round before. A batch costs, in each round, what has changed in it.
///
/// ```
/// use differential_dataflow::input::Input;
/// use tidegate_operators::{Peers, codec::Codecs, join, reach::reach};
///
/// timely::execute_directly(|worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
///         let edges = scope.new_collection_from([(1u64, 2u64), (2, 3), (4, 5)]).1;
///         let roots = scope.new_collection_from([1u64]).1;
///         let reached = reach(roots, join::by_key(edges, &peers, "edges"), &peers, 10, |_| {});
///         reached.output.inspect(|(node, _, diff)| assert!([1, 2, 3].contains(node) && *diff == 1));
///     });
/// });
/// ```
///
/// # Panics
///
/// If there is to be no round.
pub fn reach<'s, T, N>(
    roots: VecCollection<'s, T, N, Diff>,
    edges: PairArrangement<'s, T, N, N>,
    peers: &Peers,
    rounds_max: u64,
    measure: impl for<'i> FnOnce(&KeyArrangement<'i, Round<T>, N>),
) -> Iterated<'s, T, N>
where
    T: Epoch,
    N: Record,
{
    assert!(rounds_max > 0, "to follow no edge reaches nothing: allow one round or more");
    let scope = roots.inner.scope();
    scope.scoped::<Round<T>, _, _>("Reach", |inner| {
        let (roots, edges) = (roots.enter(inner), edges.enter(inner));
        let (variable, fed_back) = Variable::new(inner, Product::new(Default::default(), 1));
        let reached = join::distinct(roots.concat(fed_back), peers, "Reach");
        measure(&reached);
        let next = reached.clone().join_core(edges, |_node, (), to| Some(to.clone()));
        // Round 0 inside has the roots alone.
        variable.set(again(next, rounds_max));
        let courses = Courses::default();
        let rows = reached.as_collection(|node, ()| node.clone());
        let rows = noted(rows, &courses, |round| round.max(1));
        closed(rows.leave(scope), courses)
    })
}
