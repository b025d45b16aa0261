//! Several aggregates of the same values at once.

use super::Aggregate;

macro_rules! tuples {
    ($($aggregate:ident $place:tt),*) => {
        impl<V: Clone, $($aggregate: Aggregate<V>),*> Aggregate<V> for ($($aggregate,)*) {
            type Acc = ($($aggregate::Acc,)*);
            type Out = ($($aggregate::Out,)*);
            const SUBTRACTS: bool = $($aggregate::SUBTRACTS)&&*;

            #[inline]
            fn lift(&self, value: V) -> Self::Acc {
                ($(self.$place.lift(value.clone()),)*)
            }

            #[inline]
            fn merge(&self, acc: &mut Self::Acc, other: Self::Acc) {
                $(self.$place.merge(&mut acc.$place, other.$place);)*
            }

            #[inline]
            fn unmerge(&self, acc: &mut Self::Acc, other: Self::Acc) {
                $(self.$place.unmerge(&mut acc.$place, other.$place);)*
            }

            #[inline]
            fn finish(&self, records: i64, acc: &Self::Acc) -> Self::Out {
                ($(self.$place.finish(records, &acc.$place),)*)
            }
        }
    };
}

tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Count, Max, Mean, Sum};

    fn of<A: Aggregate<i64>>(aggregate: &A, values: &[i64]) -> Option<A::Out> {
        let parts = values.iter().map(|value| aggregate.lift(*value));
        let whole = parts.reduce(|mut acc, other| {
            aggregate.merge(&mut acc, other);
            acc
        });
        whole.map(|acc| aggregate.finish(values.len() as i64, &acc))
    }

    fn subtracts<A: Aggregate<i64>>(_: &A) -> bool {
        A::SUBTRACTS
    }

    #[test]
    fn each_of_them_has_its_own_result() {
        let all = (Count, Sum, Mean, Max);
        for values in [&[4][..], &[1, 2, 9], &[-3, 3, 0, 5]] {
            let expected = (
                of(&Count, values).unwrap(),
                of(&Sum, values).unwrap(),
                of(&Mean, values).unwrap(),
                of(&Max, values).unwrap(),
            );
            assert_eq!(of(&all, values), Some(expected));
        }
    }

    #[test]
    fn they_subtract_if_each_of_them_does() {
        let both = (Count, Sum);
        assert!(subtracts(&both) && !subtracts(&(Sum, Max)));
        let mut acc = Aggregate::<i64>::lift(&both, 7);
        Aggregate::<i64>::merge(&both, &mut acc, Aggregate::<i64>::lift(&both, 5));
        Aggregate::<i64>::unmerge(&both, &mut acc, Aggregate::<i64>::lift(&both, 7));
        assert_eq!(Aggregate::<i64>::finish(&both, 1, &acc), (1, 5));
    }
}
