//! The sum of the values.

use ordered_float::OrderedFloat;

use super::{Aggregate, ExactSum};
use crate::Record;

/// A number that [`Sum`] and [`Mean`](super::Mean) take.
///
/// Integers up to 64 bits are summed modulo 2^64, as Spark does: a sum that fits its type is
/// right whatever it passed through on the way. Floats are summed exactly and rounded once, so
/// that neither order nor grouping nor retraction changes a bit.
pub trait Summand: Record {
    /// What adds up.
    type Acc: Record;
    /// The type of the sum.
    type Total: Record;

    /// The sum of this value alone.
    fn lift(self) -> Self::Acc;
    /// Adds.
    fn add(acc: &mut Self::Acc, other: Self::Acc);
    /// Takes away.
    fn subtract(acc: &mut Self::Acc, other: Self::Acc);
    /// The sum.
    fn total(acc: &Self::Acc) -> Self::Total;
    /// The sum as the nearest float.
    fn total_f64(acc: &Self::Acc) -> f64;
}

macro_rules! integers {
    ($($value:ty => $total:ty),* $(,)?) => {$(
        impl Summand for $value {
            type Acc = $total;
            type Total = $total;

            #[inline(always)]
            fn lift(self) -> $total {
                <$total>::from(self)
            }

            #[inline(always)]
            fn add(acc: &mut $total, other: $total) {
                *acc = acc.wrapping_add(other);
            }

            #[inline(always)]
            fn subtract(acc: &mut $total, other: $total) {
                *acc = acc.wrapping_sub(other);
            }

            #[inline(always)]
            fn total(acc: &$total) -> $total {
                *acc
            }

            #[inline(always)]
            fn total_f64(acc: &$total) -> f64 {
                *acc as f64
            }
        }
    )*};
}

integers!(
    i8 => i64, i16 => i64, i32 => i64, i64 => i64,
    u8 => i64, u16 => i64, u32 => i64, u64 => u64,
    i128 => i128, u128 => u128,
);

macro_rules! floats {
    ($($value:ty),* $(,)?) => {$(
        impl Summand for OrderedFloat<$value> {
            type Acc = ExactSum;
            type Total = OrderedFloat<f64>;

            fn lift(self) -> ExactSum {
                ExactSum::from(f64::from(self.0))
            }

            fn add(acc: &mut ExactSum, other: ExactSum) {
                *acc += other;
            }

            fn subtract(acc: &mut ExactSum, other: ExactSum) {
                *acc -= other;
            }

            fn total(acc: &ExactSum) -> OrderedFloat<f64> {
                OrderedFloat(acc.to_f64())
            }

            fn total_f64(acc: &ExactSum) -> f64 {
                acc.to_f64()
            }
        }
    )*};
}

floats!(f32, f64);

/// The sum of the values of a key: an `i64` for integers (`u64` for `u64`), an
/// `OrderedFloat<f64>` for floats.
///
/// ```
/// use ordered_float::OrderedFloat;
/// use tidegate_operators::{Aggregate, Sum};
///
/// fn there_and_back(sum: impl Aggregate<OrderedFloat<f64>, Out = OrderedFloat<f64>>) -> f64 {
///     let mut acc = sum.lift(OrderedFloat(0.1));
///     sum.merge(&mut acc, sum.lift(OrderedFloat(1e100)));
///     sum.unmerge(&mut acc, sum.lift(OrderedFloat(1e100)));
///     sum.finish(1, &acc).into_inner()
/// }
/// assert_eq!(there_and_back(Sum), 0.1);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

impl<V: Summand> Aggregate<V> for Sum {
    type Acc = V::Acc;
    type Out = V::Total;
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

    #[inline(always)]
    fn finish(&self, _records: i64, acc: &V::Acc) -> V::Total {
        V::total(acc)
    }
}
