//! The largest value.

use std::collections::BTreeMap;

use super::Aggregate;
use crate::Record;

/// The largest value of a key. It can't be subtracted: windows keep partial results instead.
///
/// ```
/// use tidegate_operators::{Aggregate, Max};
///
/// let mut acc = Max.lift(4);
/// Max.merge(&mut acc, Max.lift(2));
/// assert_eq!(Max.finish(2, &acc), 4);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Max;

impl<V: Record> Aggregate<V> for Max {
    type Acc = V;
    type Out = V;

    #[inline]
    fn lift(&self, value: V) -> V {
        value
    }

    #[inline]
    fn merge(&self, acc: &mut V, other: V) {
        if other > *acc {
            *acc = other;
        }
    }

    fn finish_multiset(&self, values: &BTreeMap<V, i64>) -> Option<V> {
        values.last_key_value().map(|(value, _)| value.clone())
    }

    #[inline]
    fn finish(&self, _records: i64, acc: &V) -> V {
        acc.clone()
    }
}
