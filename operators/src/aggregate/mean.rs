//! The arithmetic mean of the values.

use ordered_float::OrderedFloat;

use super::{Aggregate, Summand};

/// The mean of the values of a key: their sum, divided once by their number.
///
/// ```
/// use tidegate_operators::{Aggregate, Mean};
///
/// fn of_two<V>(mean: impl Aggregate<V, Out: Into<f64>>, a: V, b: V) -> f64 {
///     let mut acc = mean.lift(a);
///     mean.merge(&mut acc, mean.lift(b));
///     mean.finish(2, &acc).into()
/// }
/// assert_eq!(of_two(Mean, 1i64, 2i64), 1.5);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean;

impl<V: Summand> Aggregate<V> for Mean {
    type Acc = V::Acc;
    type Out = OrderedFloat<f64>;
    const SUBTRACTS: bool = true;

    #[inline(always)]
    fn lift(&self, value: V) -> V::Acc {
        value.lift()
    }

    #[inline(always)]
    fn merge(&self, acc: &mut V::Acc, other: V::Acc) {
        V::add(acc, other);
    }

    #[inline(always)]
    fn unmerge(&self, acc: &mut V::Acc, other: V::Acc) {
        V::subtract(acc, other);
    }

    #[inline]
    fn finish(&self, records: i64, acc: &V::Acc) -> OrderedFloat<f64> {
        OrderedFloat(V::total_f64(acc) / records as f64)
    }
}
