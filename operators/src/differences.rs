//! Differences of a table, as a stream of chunks, and back.
//!
//! Differential's updates carry their own times, which may lie beyond the time of the message that
//! they travel in. What works batch by batch wants the two to be the same: `by_batch` brings every
//! update to the batch of its own time.

use std::collections::BTreeMap;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::{AsCollection, VecCollection};
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::{Chunks, Diff, Epoch, Record};

/// A row and how often it came (went, if negative), at the time of its message.
pub type Change<D> = (D, Diff);

/// The differences of a collection, each in the batch of its own time.
///
/// ```
/// use differential_dataflow::input::Input;
/// use tidegate_operators::{differences, interop};
/// use timely::dataflow::operators::Inspect;
///
/// timely::execute_directly(|worker| {
///     let mut rows = worker.dataflow::<u64, _, _>(|scope| {
///         let (handle, rows) = scope.new_collection();
///         interop::rows(differences::by_batch(rows))
///             .inspect_batch(|time, changes| assert_eq!((*time, &changes[..]), (3, &[("a", 1)][..])));
///         handle
///     });
///     rows.advance_to(3);
///     rows.insert("a");
/// });
/// ```
pub fn by_batch<'s, T: Epoch, D: Clone + 'static>(
    collection: VecCollection<'s, T, D, Diff>,
) -> Stream<'s, T, Chunks<Change<D>>> {
    collection.inner.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "By batch", |_, _| {
        |input, output| {
            input.for_each(|time, updates| {
                let here = *time.time();
                if updates.iter().all(|(_, at, _)| *at == here) {
                    let rows = updates.drain(..).map(|(row, _, diff)| (row, diff)).collect();
                    output.session_with_builder(&time).give_container(&mut Chunks::loose(rows));
                } else {
                    let mut later: BTreeMap<T, Vec<Change<D>>> = BTreeMap::new();
                    for (row, at, diff) in updates.drain(..) {
                        later.entry(at).or_default().push((row, diff));
                    }
                    for (at, rows) in later {
                        let capability = time.delayed(&at, output.output_index());
                        output
                            .session_with_builder(&capability)
                            .give_container(&mut Chunks::loose(rows));
                    }
                }
            });
        }
    })
}

/// The rows of a stream as a collection from which nothing ever goes.
pub fn arriving<'s, T: Epoch, D: Clone + 'static>(
    rows: Stream<'s, T, Chunks<D>>,
) -> VecCollection<'s, T, D, Diff> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Arriving", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let rows = std::mem::take(chunks).into_rows().into_iter();
                let mut updates: Vec<_> = rows.map(|row| (row, *time.time(), 1)).collect();
                if !updates.is_empty() {
                    output.session_with_builder(&time).give_container(&mut updates);
                }
            });
        }
    })
    .as_collection()
}

/// A collection again: every change at the time of its message.
pub fn timed<'s, T: Epoch, D: Clone + 'static>(
    changes: Stream<'s, T, Chunks<Change<D>>>,
) -> VecCollection<'s, T, D, Diff> {
    changes
        .unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Timed", |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let rows = std::mem::take(chunks).into_rows();
                    let mut updates: Vec<(D, T, Diff)> =
                        rows.into_iter().map(|(row, diff)| (row, *time.time(), diff)).collect();
                    if !updates.is_empty() {
                        output.session_with_builder(&time).give_container(&mut updates);
                    }
                });
            }
        })
        .as_collection()
}

/// Adds up the differences of equal rows in a batch, and drops what cancels.
///
/// Equal rows must have been shipped to one worker.
///
/// ```
/// use tidegate_operators::{differences::Consolidate, local::Local};
///
/// let mut consolidated = Local::new(Consolidate::new());
/// assert_eq!(consolidated.rows(vec![('a', 1), ('b', 1), ('a', -1)]), [('b', 1)]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Consolidate<D> {
    rows: std::marker::PhantomData<fn(D)>,
}

impl<D> Consolidate<D> {
    /// Consolidates each batch.
    pub fn new() -> Self {
        Consolidate { rows: std::marker::PhantomData }
    }
}

impl<T: Epoch, D: Record> BatchOperator<T> for Consolidate<D> {
    type Input = Chunks<Change<D>>;
    type Output = Chunks<Change<D>>;
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        let mut changes: Vec<Change<D>> = input.into_iter().flat_map(Chunks::into_rows).collect();
        consolidate(&mut changes);
        if !changes.is_empty() {
            output.give(Chunks::loose(changes));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
