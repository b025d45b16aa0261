//! A user's function of two values.

use std::marker::PhantomData;

use super::Aggregate;
use crate::Record;

/// Reduces values by a function of two of them, associative and commutative.
///
/// ```
/// use tidegate_operators::{Aggregate, Reduce};
///
/// let longest = Reduce::new(|a: &String, b: &String| a.max(b).clone());
/// let mut acc = longest.lift("a".to_string());
/// longest.merge(&mut acc, "b".to_string());
/// assert_eq!(longest.finish(2, &acc), "b");
/// ```
#[derive(Clone, Debug)]
pub struct Reduce<F> {
    function: F,
}

impl<F> Reduce<F> {
    /// Reduces by `function`.
    pub fn new<V>(function: F) -> Self
    where
        F: Fn(&V, &V) -> V,
    {
        Reduce { function }
    }

    /// Adds the function that undoes the first: `inverse(&function(&a, &b), &b) == a`.
    ///
    /// ```
    /// use tidegate_operators::{Aggregate, Reduce};
    ///
    /// let total = Reduce::new(|a: &i64, b: &i64| a + b).with_inverse(|a, b| a - b);
    /// let mut acc = 7;
    /// total.unmerge(&mut acc, 5);
    /// assert_eq!(acc, 2);
    /// ```
    pub fn with_inverse<V, G>(self, inverse: G) -> ReduceInverse<V, F, G>
    where
        F: Fn(&V, &V) -> V,
        G: Fn(&V, &V) -> V,
    {
        ReduceInverse { function: self.function, inverse, values: PhantomData }
    }
}

impl<V, F> Aggregate<V> for Reduce<F>
where
    V: Record,
    F: Fn(&V, &V) -> V + Clone + 'static,
{
    type Acc = V;
    type Out = V;

    #[inline]
    fn lift(&self, value: V) -> V {
        value
    }

    #[inline]
    fn merge(&self, acc: &mut V, other: V) {
        *acc = (self.function)(acc, &other);
    }

    #[inline]
    fn finish(&self, _records: i64, acc: &V) -> V {
        acc.clone()
    }
}

/// Reduces values by a function that another one undoes: Spark's inverse function.
pub struct ReduceInverse<V, F, G> {
    function: F,
    inverse: G,
    values: PhantomData<fn(V)>,
}

impl<V, F: Clone, G: Clone> Clone for ReduceInverse<V, F, G> {
    fn clone(&self) -> Self {
        ReduceInverse {
            function: self.function.clone(),
            inverse: self.inverse.clone(),
            values: PhantomData,
        }
    }
}

impl<V, F, G> Aggregate<V> for ReduceInverse<V, F, G>
where
    V: Record,
    F: Fn(&V, &V) -> V + Clone + 'static,
    G: Fn(&V, &V) -> V + Clone + 'static,
{
    type Acc = V;
    type Out = V;
    const SUBTRACTS: bool = true;

    #[inline]
    fn lift(&self, value: V) -> V {
        value
    }

    #[inline]
    fn merge(&self, acc: &mut V, other: V) {
        *acc = (self.function)(acc, &other);
    }

    #[inline]
    fn unmerge(&self, acc: &mut V, other: V) {
        *acc = (self.inverse)(acc, &other);
    }

    #[inline]
    fn finish(&self, _records: i64, acc: &V) -> V {
        acc.clone()
    }
}
