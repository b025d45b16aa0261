//! What comes out of a join: which rows, and what they are made into.

/// Which rows a join gives, of left rows `V` and right rows `W`, as an `X` each.
pub struct Shape<V, W, X> {
    /// Each pair.
    pub(super) pair: Option<fn(V, W) -> X>,
    /// A left row, when it first meets another.
    pub(super) first: Option<fn(V) -> X>,
    /// A left row that meets none.
    pub(super) left_alone: Option<fn(V) -> X>,
    /// A right row that meets none.
    pub(super) right_alone: Option<fn(W) -> X>,
}

impl<V, W, X> Shape<V, W, X> {
    fn of_pairs(pair: fn(V, W) -> X) -> Self {
        Shape { pair: Some(pair), first: None, left_alone: None, right_alone: None }
    }

    /// Whether a left row gives nothing more once it has met another.
    pub(super) fn ends_at_first(&self) -> bool {
        self.pair.is_none()
    }

    /// Whether it matters that a left row has met another.
    pub(super) fn marks_lefts(&self) -> bool {
        self.first.is_some() || self.left_alone.is_some()
    }

    /// Whether it matters that a right row has.
    pub(super) fn marks_rights(&self) -> bool {
        self.right_alone.is_some()
    }

    /// Whether rows can come out alone: the left ones, and the right ones.
    pub fn alone(&self) -> (bool, bool) {
        (self.left_alone.is_some(), self.right_alone.is_some())
    }
}

impl<V, W> Shape<V, W, (V, W)> {
    /// Every pair: an inner join.
    pub fn inner() -> Self {
        Shape::of_pairs(|left, right| (left, right))
    }
}

impl<V, W> Shape<V, W, (V, Option<W>)> {
    /// Every pair, and each left row that meets none.
    pub fn left_outer() -> Self {
        let pairs = Shape::of_pairs(|left, right| (left, Some(right)));
        Shape { left_alone: Some(|left| (left, None)), ..pairs }
    }
}

impl<V, W> Shape<V, W, (Option<V>, W)> {
    /// Every pair, and each right row that meets none.
    pub fn right_outer() -> Self {
        let pairs = Shape::of_pairs(|left, right| (Some(left), right));
        Shape { right_alone: Some(|right| (None, right)), ..pairs }
    }
}

impl<V, W> Shape<V, W, (Option<V>, Option<W>)> {
    /// Every pair, and each row of either side that meets none.
    pub fn full_outer() -> Self {
        Shape {
            left_alone: Some(|left| (Some(left), None)),
            right_alone: Some(|right| (None, Some(right))),
            ..Shape::of_pairs(|left, right| (Some(left), Some(right)))
        }
    }
}

impl<V, W> Shape<V, W, V> {
    /// Each left row that meets one or more, once: a left semi join.
    pub fn left_semi() -> Self {
        Shape { pair: None, first: Some(|left| left), left_alone: None, right_alone: None }
    }

    /// Each left row that meets none: a left anti join.
    pub fn left_anti() -> Self {
        Shape { pair: None, first: None, left_alone: Some(|left| left), right_alone: None }
    }
}
