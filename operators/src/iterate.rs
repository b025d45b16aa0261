//! Iteration: a collection that is fed back into the program that made it, round by round, until
//! nothing changes or a bound is reached.
//!
//! Why it is correct: inside, a time is a batch and a round. Differential keeps, for each pair of
//! them, what the collection was in that round of that batch, so a later batch changes only what
//! its own input changes in each round: rows that go are followed through the rounds as those that
//! come are. What leaves is the sum over all rounds, at the batch alone. Since a difference's round
//! decides by itself whether it is fed back, a bound on rounds gives in every batch what as many
//! rounds from scratch would give.

use std::collections::BTreeMap;

use differential_dataflow::operators::iterate::Variable;
use differential_dataflow::{AsCollection, VecCollection};
use timely::container::NoopBuilder;
use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Leave, Operator};
use timely::order::Product;

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::differences::Change;
use crate::{Chunks, Diff, Epoch, Record};

/// A batch, and a round in it.
pub type Round<T> = Product<T, u64>;

/// What comes out of an iteration.
pub struct Iterated<'s, T: Epoch, D: Clone + 'static> {
    /// What is there after the last round, wherever `body` leaves it; a batch's differences may
    /// cancel.
    pub output: VecCollection<'s, T, D, Diff>,
    /// For each batch with a change, on some of the workers, a number of rounds: the largest is
    /// how many there were.
    pub rounds: VecCollection<'s, T, u64, Diff>,
}

/// Applies `body` to a collection, to what comes out of that, and so on, until nothing changes or
/// `rounds_max` rounds are over.
///
/// What `body` gives must be [`consolidated`](crate::join::consolidated), or come of a reduction:
/// differences that cancel would go round for ever.
///
/// Kept: what `body` keeps, for every round in which it is not what it was in the round before. A
/// batch costs, in each round, what has changed in it.
///
/// ```
/// use differential_dataflow::input::Input;
/// use tidegate_operators::{Peers, codec::Codecs, iterate::iterate, join};
///
/// timely::execute_directly(|worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
///         let numbers = scope.new_collection_from([12u64]).1;
///         let iterated = iterate(scope, numbers, 10, |_scope, numbers| {
///             let halved = numbers.map(|n| if n % 2 == 0 { n / 2 } else { n });
///             join::consolidated(halved, &peers, "halved")
///         });
///         iterated.output.consolidate().inspect(|(n, _, _)| assert_eq!(*n, 3));
///     });
/// });
/// ```
///
/// # Panics
///
/// If there is to be no round.
pub fn iterate<'s, T, D, F>(
    scope: Scope<'s, T>,
    source: VecCollection<'s, T, D, Diff>,
    rounds_max: u64,
    body: F,
) -> Iterated<'s, T, D>
where
    T: Epoch,
    D: Record,
    F: for<'i> FnOnce(
        Scope<'i, Round<T>>,
        VecCollection<'i, Round<T>, D, Diff>,
    ) -> VecCollection<'i, Round<T>, D, Diff>,
{
    assert!(rounds_max > 0, "an iteration of no round gives nothing: allow one or more");
    scope.scoped::<Round<T>, _, _>("Iterate", |inner| {
        let source = source.enter(inner);
        let (variable, fed_back) = Variable::new(inner, Product::new(Default::default(), 1));
        let result = body(inner, fed_back.concat(source.clone()));
        let change = result.clone().concat(source.negate());
        let again =
            change.inner.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Again", move |_, _| {
                move |input, output| {
                    input.for_each(|time, updates| {
                        let mut updates = std::mem::take(updates);
                        updates
                            .retain(|(_, at, _): &(D, Round<T>, Diff)| at.inner + 1 < rounds_max);
                        if !updates.is_empty() {
                            output.session_with_builder(&time).give_container(&mut updates);
                        }
                    });
                }
            });
        variable.set(again.as_collection());
        let rounds =
            result.clone().inner.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Rounds", |_, _| {
                |input, output| {
                    input.for_each(|time, updates| {
                        let mut last: BTreeMap<T, u64> = BTreeMap::new();
                        for (_, at, _) in updates.drain(..) {
                            let round = last.entry(at.outer).or_default();
                            *round = (*round).max(at.inner + 1);
                        }
                        let mut last: Vec<_> =
                            last.into_iter().map(|(at, round)| (round, at, 1)).collect();
                        output.session_with_builder(&time).give_container(&mut last);
                    });
                }
            });
        Iterated { output: result.leave(scope), rounds: rounds.leave(scope).as_collection() }
    })
}

/// The number of rounds of each batch, 0 for one in which nothing changed, on one worker.
///
/// ```
/// use tidegate_operators::{iterate::RoundsPerBatch, local::Local};
///
/// let mut rounds = Local::new(RoundsPerBatch::new(true));
/// assert_eq!(rounds.rows(vec![(3, 1), (5, 1)]), [5]);
/// assert_eq!(rounds.rows(vec![]), [0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RoundsPerBatch {
    is_owner: bool,
}

impl RoundsPerBatch {
    /// For the worker to which all are sent, or for another one.
    pub fn new(is_owner: bool) -> Self {
        RoundsPerBatch { is_owner }
    }
}

impl<T: Epoch> BatchOperator<T> for RoundsPerBatch {
    type Input = Chunks<Change<u64>>;
    type Output = Chunks<u64>;
    /// Nothing is kept from one batch to the next.
    type Saved = ();

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        _tap: &mut Tap<()>,
    ) {
        if self.is_owner {
            let rounds = input.into_iter().flat_map(Chunks::into_rows).map(|(rounds, _)| rounds);
            output.give(Chunks::loose(vec![rounds.max().unwrap_or(0)]));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
