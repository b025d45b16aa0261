//! How a table leaves: as changes, or as snapshots.

use std::rc::Rc;

use tidegate_operators::{Chunks, Record};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;

use super::{Change, Table};
use crate::context::Options;
use crate::dstream::{DStream, Order, RowOrder};

impl<'s, D: Record> Table<'s, D> {
    /// The rows that went and came in each batch: Spark's update mode, with the rows that are no
    /// longer true.
    ///
    /// Ordered by key; what went before what came. Nothing is kept for it.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let changes = batches(vec![vec!["a"], vec!["a", "b"]], |words| {
    ///     words.running().count_by_value().changes()
    /// });
    /// let shown: Vec<String> = changes[1].iter().map(|change| format!("{change:?}")).collect();
    /// assert_eq!(shown, [r#"-1 ("a", 1)"#, r#"+1 ("a", 2)"#, r#"+1 ("b", 1)"#]);
    /// ```
    pub fn changes(self) -> DStream<'s, Change<D>> {
        let (ctx, slide) = (self.ctx, self.slide);
        let (changes, place) = self.settled();
        let changes = changes.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Changes", |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let changes = std::mem::take(chunks);
                    let mut changes: Chunks<Change<D>> =
                        changes.map(|(row, diff)| Change { diff, row });
                    output.session_with_builder(&time).give_container(&mut changes);
                });
            }
        });
        let group = place.group;
        let order = RowOrder {
            sort: place.sort_changes,
            group: Rc::new(move |change: &Change<D>| group(&change.row)),
        };
        DStream {
            ctx,
            chunks: changes,
            order: Order::Rows(order),
            lanes: 1,
            slide,
            options: Options::default(),
        }
    }

    /// The whole table, in each batch in which it has an output: Spark's complete mode.
    ///
    /// Ordered by key. A batch costs the whole table, and it is kept once more for it.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// let counts = batches(vec![vec!["b"], vec![], vec!["a"]], |words| {
    ///     words.running().count_by_value().snapshots()
    /// });
    /// let (a, b) = ("a".to_string(), "b".to_string());
    /// assert_eq!(counts, [vec![(b.clone(), 1)], vec![(b.clone(), 1)], vec![(a, 1), (b, 1)]]);
    /// ```
    pub fn snapshots(self) -> DStream<'s, D> {
        let ctx = self.ctx;
        let (rows, place, slide) = self.placed_contents();
        DStream {
            ctx,
            chunks: rows,
            order: Order::Rows(place.of_rows()),
            lanes: 1,
            slide,
            options: Options::default(),
        }
    }
}
