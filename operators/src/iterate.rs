//! Iteration: a collection that is fed back into the program that made it, round by round, until
//! nothing changes or a bound is reached.
//!
//! Why it is correct: inside, a time is a batch and a round. Differential keeps, for each pair of
//! them, what the collection was in that round of that batch, so a later batch changes only what
//! its own input changes in each round: rows that go are followed through the rounds as those that
//! come are. What leaves is the sum over all rounds, at the batch alone. Since a difference's round
//! decides by itself whether it is fed back, a bound on rounds gives in every batch what as many
//! rounds from scratch would give.
//!
//! What is told about a batch is noted inside, round by round, and leaves once, when the batch is
//! over: a message in each round would cost more than many a round.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::operators::iterate::Variable;
use differential_dataflow::{AsCollection, VecCollection};
use serde::{Deserialize, Serialize};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, Operator};
use timely::dataflow::{Scope, StreamVec};
use timely::order::Product;
use timely::progress::frontier::MutableAntichain;

use crate::batched::{Batch, BatchOperator, Output, Route, Tap};
use crate::{Chunks, Diff, Epoch, Record};

/// A batch, and a round in it.
pub type Round<T> = Product<T, u64>;

/// What comes out of an iteration.
pub struct Iterated<'s, T: Epoch, D: Clone + 'static> {
    /// What is there after the last round, wherever `body` leaves it; a batch's differences may
    /// cancel.
    pub output: VecCollection<'s, T, D, Diff>,
    /// For each batch with a change, once it is over, a row from each worker that had one.
    pub courses: StreamVec<'s, T, Course>,
}

/// What the rounds of a batch were on one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Course {
    /// The last round with a change; the largest of all workers is how many there were.
    pub rounds: u64,
    /// The differences that `body` gave in all of them.
    pub updates: u64,
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
        let courses = Courses::default();
        // The first round is number 0 inside.
        let result = noted(result, &courses, |round| round + 1);
        let change = result.clone().concat(source.negate());
        variable.set(again(change, rounds_max - 1));
        closed(result.leave(scope), courses)
    })
}

/// What differs in rounds before the last.
pub(crate) fn again<'i, T: Epoch, D: Record>(
    change: VecCollection<'i, Round<T>, D, Diff>,
    last: u64,
) -> VecCollection<'i, Round<T>, D, Diff> {
    let again = change.inner.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Again", move |_, _| {
        move |input, output| {
            input.for_each(|time, updates| {
                let mut updates = std::mem::take(updates);
                updates.retain(|(_, at, _): &(D, Round<T>, Diff)| at.inner < last);
                if !updates.is_empty() {
                    output.session_with_builder(&time).give_container(&mut updates);
                }
            });
        }
    });
    again.as_collection()
}

/// What is noted of batches that are not over.
pub(crate) type Courses<T> = Rc<RefCell<BTreeMap<T, Course>>>;

/// The same collection; its rounds are noted, under the numbers that users know.
pub(crate) fn noted<'i, T: Epoch, D: Record>(
    result: VecCollection<'i, Round<T>, D, Diff>,
    courses: &Courses<T>,
    number: impl Fn(u64) -> u64 + 'static,
) -> VecCollection<'i, Round<T>, D, Diff> {
    let courses = Rc::clone(courses);
    let passed = result.inner.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Note", move |_, _| {
        move |input, output| {
            input.for_each(|time, updates| {
                let mut courses = courses.borrow_mut();
                for (_, at, _) in updates.iter() {
                    let course = courses.entry(at.outer).or_default();
                    course.rounds = course.rounds.max(number(at.inner));
                    course.updates += 1;
                }
                output.session_with_builder(&time).give_container(updates);
            });
        }
    });
    passed.as_collection()
}

/// The same collection, and what was noted of each batch when its frontier has passed.
///
/// Nothing is noted of a batch any more once that has happened: a message inside that might still
/// have a difference for the batch would hold the frontier.
pub(crate) fn closed<'s, T: Epoch, D: Record>(
    rows: VecCollection<'s, T, D, Diff>,
    courses: Courses<T>,
) -> Iterated<'s, T, D> {
    let mut builder = OperatorBuilder::new("Close".to_owned(), rows.inner.scope());
    let mut input = builder.new_input(rows.inner, Pipeline);
    let (passed, passed_stream) = builder.new_output();
    let mut passed = OutputBuilder::<T, NoopBuilder<Vec<(D, T, Diff)>>>::from(passed);
    let (told, told_stream) = builder.new_output();
    let mut told = OutputBuilder::<T, NoopBuilder<Vec<Course>>>::from(told);
    builder.build(move |_| {
        let mut open: BTreeMap<T, Capability<T>> = BTreeMap::new();
        move |frontiers: &[MutableAntichain<T>]| {
            let (mut passed, mut told) = (passed.activate(), told.activate());
            input.for_each(|time, updates| {
                let mut last = None;
                for (_, at, _) in updates.iter() {
                    if last.replace(*at) != Some(*at) {
                        open.entry(*at).or_insert_with(|| time.delayed(at, 1));
                    }
                }
                passed.session_with_builder(&time).give_container(updates);
            });
            while let Some(first) = open.first_entry() {
                if frontiers[0].less_equal(first.key()) {
                    break;
                }
                let (batch, capability) = first.remove_entry();
                let course = courses.borrow_mut().remove(&batch).unwrap_or_default();
                told.session_with_builder(&capability).give_container(&mut vec![course]);
            }
        }
    });
    Iterated { output: passed_stream.as_collection(), courses: told_stream }
}

/// The number of rounds of each batch, 0 for one in which nothing changed, on one worker.
///
/// ```
/// use tidegate_operators::{iterate::RoundsPerBatch, local::Local};
///
/// let mut rounds = Local::new(RoundsPerBatch::new(true));
/// assert_eq!(rounds.rows(vec![3, 5]), [5]);
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
    type Input = Chunks<u64>;
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
            let rounds = input.into_iter().flat_map(Chunks::into_rows);
            output.give(Chunks::loose(vec![rounds.max().unwrap_or(0)]));
        }
    }

    fn route(_saved: &Self::Saved) -> Route {
        Route::Everywhere
    }

    fn restore(&mut self, _saved: Vec<()>) {}
}
