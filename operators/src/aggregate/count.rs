//! How many values there are.

use super::Aggregate;

/// Counts values, whatever they are.
///
/// ```
/// use tidegate_operators::{Aggregate, Count};
///
/// let counted: i64 = Aggregate::<&str>::finish(&Count, 3, &());
/// assert_eq!(counted, 3);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Count;

impl<V> Aggregate<V> for Count {
    /// The number of values is kept anyway.
    type Acc = ();
    type Out = i64;
    const SUBTRACTS: bool = true;

    #[inline(always)]
    fn lift(&self, _value: V) {}

    #[inline(always)]
    fn merge(&self, _acc: &mut (), _other: ()) {}

    #[inline(always)]
    fn unmerge(&self, _acc: &mut (), _other: ()) {}

    #[inline(always)]
    fn finish(&self, records: i64, _acc: &()) -> i64 {
        records
    }
}
