//! The smallest value.

use std::collections::BTreeMap;

use super::Aggregate;
use crate::Record;

/// The smallest value of a key. It can't be subtracted: windows keep partial results instead.
///
/// ```
/// use tidegate_operators::{Aggregate, Min};
///
/// let mut acc = Min.lift(4);
/// Min.merge(&mut acc, Min.lift(2));
/// assert_eq!(Min.finish(2, &acc), 2);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Min;

impl<V: Record> Aggregate<V> for Min {
    type Acc = V;
    type Out = V;

    #[inline]
    fn lift(&self, value: V) -> V {
        value
    }

    #[inline]
    fn merge(&self, acc: &mut V, other: V) {
        if other < *acc {
            *acc = other;
        }
    }

    fn finish_multiset(&self, values: &BTreeMap<V, i64>) -> Option<V> {
        values.first_key_value().map(|(value, _)| value.clone())
    }

    #[inline]
    fn finish(&self, _records: i64, acc: &V) -> V {
        acc.clone()
    }
}
