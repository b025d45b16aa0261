//! All values that come first.

use tidegate_operators::{Aggregate, Record};

/// The values with the largest score, in order: one, or several that are equal in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Highest;

impl<S: Record, V: Record> Aggregate<(S, V)> for Highest {
    type Acc = (S, Vec<V>);
    type Out = (S, Vec<V>);

    fn lift(&self, (score, value): (S, V)) -> (S, Vec<V>) {
        (score, vec![value])
    }

    fn merge(&self, acc: &mut (S, Vec<V>), other: (S, Vec<V>)) {
        if other.0 > acc.0 {
            *acc = other;
        } else if other.0 == acc.0 {
            acc.1.extend(other.1);
            acc.1.sort_unstable();
        }
    }

    fn finish(&self, _records: i64, acc: &(S, Vec<V>)) -> (S, Vec<V>) {
        acc.clone()
    }
}
