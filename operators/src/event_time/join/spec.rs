//! What a join is asked for.

use std::rc::Rc;

use super::{Bounds, Shape};
use crate::event_time::Late;

/// The event time of a row that comes out of a join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PairTime {
    /// That of the left row; of the right one, where there is no left one.
    #[default]
    Left,
    /// That of the right row; of the left one, where there is no right one.
    Right,
    /// The later of both.
    Later,
}

impl PairTime {
    /// The time of a row made of one row or two.
    pub(super) fn of(self, left_us: Option<i64>, right_us: Option<i64>) -> i64 {
        let time = match self {
            PairTime::Left => left_us.or(right_us),
            PairTime::Right => right_us.or(left_us),
            PairTime::Later => left_us.max(right_us),
        };
        time.expect("a row that comes out is made of one or two")
    }
}

/// Conditions beside key and time, as in SQL's `ON`.
///
/// A row that fails its own side's condition meets none: it is not kept, and an outer join gives it
/// at once.
///
/// ```
/// use tidegate_operators::event_time::On;
///
/// let on = On::new().left(|bid: &i64| *bid > 4).both(|bid, ask: &i64| bid >= ask);
/// assert!(!on.holds_left(&4) && on.holds_right(&9) && on.holds(&7, &7));
/// ```
pub struct On<V, W> {
    left: Option<Condition<V>>,
    right: Option<Condition<W>>,
    both: Option<PairCondition<V, W>>,
}

type Condition<D> = Rc<dyn Fn(&D) -> bool>;
type PairCondition<V, W> = Rc<dyn Fn(&V, &W) -> bool>;

impl<V, W> Clone for On<V, W> {
    fn clone(&self) -> Self {
        On { left: self.left.clone(), right: self.right.clone(), both: self.both.clone() }
    }
}

impl<V, W> Default for On<V, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V, W> On<V, W> {
    /// No condition.
    pub fn new() -> Self {
        On { left: None, right: None, both: None }
    }

    /// A condition on left rows.
    pub fn left(mut self, condition: impl Fn(&V) -> bool + 'static) -> Self {
        self.left = Some(Rc::new(condition));
        self
    }

    /// A condition on right rows.
    pub fn right(mut self, condition: impl Fn(&W) -> bool + 'static) -> Self {
        self.right = Some(Rc::new(condition));
        self
    }

    /// A condition on pairs.
    pub fn both(mut self, condition: impl Fn(&V, &W) -> bool + 'static) -> Self {
        self.both = Some(Rc::new(condition));
        self
    }

    /// Whether a left row passes its own condition.
    pub fn holds_left(&self, left: &V) -> bool {
        self.left.as_ref().is_none_or(|condition| condition(left))
    }

    /// Whether a right row passes its own condition.
    pub fn holds_right(&self, right: &W) -> bool {
        self.right.as_ref().is_none_or(|condition| condition(right))
    }

    /// Whether two rows pass the condition on both of them.
    pub fn holds(&self, left: &V, right: &W) -> bool {
        self.both.as_ref().is_none_or(|condition| condition(left, right))
    }
}

/// What a join does: which rows meet, what comes out, and what becomes of late rows.
pub struct JoinSpec<V, W, X> {
    pub(super) bounds: Bounds,
    pub(super) shape: Shape<V, W, X>,
    pub(super) on: On<V, W>,
    pub(super) late: Late,
    pub(super) time: PairTime,
    /// Whether the watermark is that of left rows, and of right ones.
    pub(super) marked: (bool, bool),
}

impl<V, W, X> JoinSpec<V, W, X> {
    /// Rows of a key that meet within bounds, without another condition.
    pub fn new(bounds: Bounds, shape: Shape<V, W, X>) -> Self {
        let (late, time) = (Late::Drop, PairTime::Left);
        JoinSpec { bounds, shape, on: On::new(), late, time, marked: (true, true) }
    }

    /// Rows meet only if these conditions hold.
    pub fn on(mut self, on: On<V, W>) -> Self {
        self.on = on;
        self
    }

    /// What becomes of rows that come when the watermark has passed them.
    pub fn late(mut self, late: Late) -> Self {
        self.late = late;
        self
    }

    /// Which time the rows have that come out.
    pub fn time(mut self, time: PairTime) -> Self {
        self.time = time;
        self
    }

    /// Whether the watermark is that of left rows, and whether it is that of right ones. Rows of a
    /// side that has none are never late, and those of the other side wait for them for ever, unless
    /// the time is a part of the key.
    pub fn marked(mut self, left: bool, right: bool) -> Self {
        self.marked = (left, right);
        self
    }

    /// How far the rows that come out can lie behind the watermark, at the times that they have;
    /// `None` if there is no end to it.
    ///
    /// ```
    /// use tidegate_operators::event_time::{Bounds, JoinSpec, PairTime, Shape};
    ///
    /// let pairs = || JoinSpec::<i64, i64, _>::new(Bounds::within(0..=60_000), Shape::inner());
    /// assert_eq!(pairs().behind_ms(), Some(60_001));
    /// // Of the two rows of a pair, one has just come.
    /// assert_eq!(pairs().time(PairTime::Later).behind_ms(), Some(0));
    /// ```
    pub fn behind_ms(&self) -> Option<i64> {
        let takes_ms = self.late.takes_for_ms();
        let is_pair = self.shape.pair.is_some() && self.shape.alone() == (false, false);
        if is_pair && self.time == PairTime::Later && self.marked == (true, true) {
            return Some(takes_ms);
        }
        let (left, right) = self.marked;
        let behind_ms = self.bounds.behind_ms().filter(|_| left && right);
        let behind_ms = behind_ms.or(self.bounds.is_same_time().then_some(0));
        behind_ms.map(|behind_ms| behind_ms.saturating_add(takes_ms))
    }

    /// Whether a row that can come out alone may wait for ever: the watermark, if there is one,
    /// never says that it is.
    pub fn waits_for_ever(&self) -> bool {
        let ((left, right), [left_reach, right_reach]) = (self.shape.alone(), self.reaches_us());
        (left && left_reach.is_none()) || (right && right_reach.is_none())
    }

    /// For how long a left and a right row can meet others, each after its own time.
    pub(super) fn reaches_us(&self) -> [Option<i64>; 2] {
        let (left, right) = self.marked;
        let ends = |watermark| watermark || (self.bounds.is_same_time() && (left || right));
        [
            self.bounds.left_reach_us().filter(|_| ends(right)),
            self.bounds.right_reach_us().filter(|_| ends(left)),
        ]
    }
}
