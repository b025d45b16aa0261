//! What can be reached along the edges of a table.

use tidegate_operators::iterate::Round;
use tidegate_operators::reach::reach;
use tidegate_operators::{Record, join};
use timely::progress::Antichain;

use super::iterate::{Gauges, told};
use super::{ArrangedTable, Iterated, Place, Table};
use crate::batch::{BatchId, Diff};
use crate::error::BuildError;

impl<'s, N: Record> ArrangedTable<'s, N, N> {
    /// The roots, and every row that can be reached from one of them along at most `rounds_max`
    /// edges, each once; an edge leads from its key to its value.
    ///
    /// The same as an [iteration](Table::iterate) that adds to the rows what they lead to, in two
    /// thirds of the time. Kept: the rows reached, for each round that differs from the one before.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// // Everything downstream of the spring.
    /// let below = batches(vec![vec!["spring-brook", "brook-tide", "moor-bog"]], |lines| {
    ///     let rivers = lines.flat_map(|line: String| {
    ///         line.split_once('-').map(|(from, to)| (from.to_string(), to.to_string()))
    ///     });
    ///     let rivers = rivers.running().table().distinct();
    ///     let spring = rivers.clone().map(|(from, _)| from).filter(|from| from == "spring");
    ///     rivers.arranged_by_key().reach(spring, 100).table.snapshots()
    /// });
    /// assert_eq!(below, [["brook", "spring", "tide"]]);
    /// ```
    ///
    /// # Panics
    ///
    /// If `rounds_max` is 0.
    pub fn reach(&self, roots: Table<'s, N>, rounds_max: u64) -> Iterated<'s, N> {
        let (ctx, slide, uid) = (roots.ctx, roots.slide, roots.options.uid.clone());
        if slide != self.slide() {
            let (left, right) = (slide, self.slide());
            ctx.reject(BuildError::Slides { operation: "reach", left, right });
        }
        let named = ctx.build().name_operator("reach", uid.as_deref());
        let gauges = Gauges::default();
        let (roots, edges) = (roots.into_collection(), self.rows());
        let reached = reach(roots, edges, ctx.peers(), rounds_max, |rows| {
            let mut gauge = join::gauge(rows, size_of::<(N, Round<BatchId>, Diff)>());
            let gauge = move |through: &Antichain<_>| gauge(through.borrow());
            gauges.borrow_mut().push(Box::new(gauge));
        });
        let reached = told(ctx, named, slide, rounds_max, reached, gauges);
        Iterated { table: Table { place: Some(Place::by_row()), ..reached.table }, ..reached }
    }
}
