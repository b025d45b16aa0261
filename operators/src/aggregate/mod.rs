//! Aggregates: what becomes of the values of a key.
//!
//! An aggregate is a *difference* in differential's sense: every value is lifted to an
//! accumulator, accumulators are merged, in any order and grouping, and where they can be taken
//! back again (`SUBTRACTS`) a retraction is one operation instead of a recomputation.

mod count;
mod exact_sum;
mod max;
mod mean;
mod min;
mod reduce;
mod sum;
mod tuple;

pub use count::Count;
pub use exact_sum::ExactSum;
pub use max::Max;
pub use mean::Mean;
pub use min::Min;
pub use reduce::{Reduce, ReduceInverse};
pub use sum::{Sum, Summand};

use std::collections::BTreeMap;

use crate::Record;

/// A function of a multiset of values, computed by parts.
///
/// `merge` must be associative and commutative: values are combined on the worker that read
/// them, before they meet those of other workers, and in no particular order.
///
/// The number of values is kept by the operator and handed to [`finish`](Aggregate::finish), so
/// that no accumulator needs to count, and a sum of 0 is not mistaken for no value at all.
///
/// ```
/// use tidegate_operators::Aggregate;
///
/// /// The spread of the values: largest less smallest.
/// #[derive(Clone)]
/// struct Spread;
///
/// impl Aggregate<i64> for Spread {
///     type Acc = (i64, i64);
///     type Out = i64;
///
///     fn lift(&self, value: i64) -> (i64, i64) {
///         (value, value)
///     }
///     fn merge(&self, acc: &mut (i64, i64), other: (i64, i64)) {
///         *acc = (acc.0.min(other.0), acc.1.max(other.1));
///     }
///     fn finish(&self, _records: i64, acc: &(i64, i64)) -> i64 {
///         acc.1 - acc.0
///     }
/// }
///
/// let mut acc = Spread.lift(4);
/// Spread.merge(&mut acc, Spread.lift(9));
/// assert_eq!(Spread.finish(2, &acc), 5);
/// ```
///
/// A tuple of two, three or four aggregates of the same values is one too: the tuple of their
/// results. It can be subtracted if each of them can.
///
/// ```
/// use tidegate_operators::{Aggregate, Count, Max, Min};
///
/// fn of_two<A: Aggregate<i64>>(aggregate: A, one: i64, other: i64) -> A::Out {
///     let mut acc = aggregate.lift(one);
///     aggregate.merge(&mut acc, aggregate.lift(other));
///     aggregate.finish(2, &acc)
/// }
/// assert_eq!(of_two((Count, Min, Max), 7, 4), (2, 4, 7));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no aggregate over values of type `{V}`",
    note = "`Sum` and `Mean` take integers and `OrderedFloat`, `Min` and `Max` any record; for a \
            function of two values use `reduce_by_key`"
)]
pub trait Aggregate<V>: Clone + 'static {
    /// What is kept for a key, and sent between workers.
    type Acc: Record;

    /// The result.
    type Out: Record;

    /// Whether [`unmerge`](Aggregate::unmerge) undoes [`merge`](Aggregate::merge). If it does,
    /// windows subtract what leaves; if not, they keep partial results, at a cost that does not
    /// grow with the window either.
    const SUBTRACTS: bool = false;

    /// The accumulator of one value.
    fn lift(&self, value: V) -> Self::Acc;

    /// Adds `other` to `acc`.
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc);

    /// Takes back what an earlier merge of `other` added.
    ///
    /// # Panics
    ///
    /// Unless overridden; it is called only where `SUBTRACTS` is true.
    fn unmerge(&self, acc: &mut Self::Acc, other: Self::Acc) {
        let _ = (acc, other);
        panic!(
            "`{}` says that it subtracts, but does not implement `unmerge`",
            std::any::type_name::<Self>()
        );
    }

    /// The result for `records` values (1 or more) merged in `acc`.
    fn finish(&self, records: i64, acc: &Self::Acc) -> Self::Out;

    /// The result for a multiset: values, and how often each is there (1 or more times).
    ///
    /// Where records are retracted one by one and can't be subtracted, the values themselves are
    /// kept, in order. An aggregate that can read its result off their ends overrides this.
    fn finish_multiset(&self, values: &BTreeMap<V, i64>) -> Option<Self::Out>
    where
        V: Clone,
    {
        let mut whole: Option<(i64, Self::Acc)> = None;
        for (value, times) in values {
            for _ in 0..*times {
                let one = self.lift(value.clone());
                match &mut whole {
                    None => whole = Some((1, one)),
                    Some((records, acc)) => {
                        *records += 1;
                        self.merge(acc, one);
                    }
                }
            }
        }
        whole.map(|(records, acc)| self.finish(records, &acc))
    }
}
