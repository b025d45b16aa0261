//! Keeping what was put in last.

use std::marker::PhantomData;

use crate::Record;
use crate::index::Rule;

/// What [`Latest`] keeps for a key.
pub(super) trait Kept: Record {
    /// What is seen of it from outside.
    type Seen: PartialEq;

    /// What is seen of it; `None` if nothing is.
    fn seen(&self) -> Option<Self::Seen>;

    /// Whether it need not be kept any longer.
    fn is_gone(&self) -> bool {
        false
    }
}

/// A value that may have gone.
impl<S: Record> Kept for Option<S> {
    type Seen = S;

    fn seen(&self) -> Option<S> {
        self.clone()
    }

    fn is_gone(&self) -> bool {
        self.is_none()
    }
}

/// Keeps what was put in last.
pub(super) struct Latest<S>(PhantomData<fn(S)>);

impl<S> Latest<S> {
    pub(super) fn new() -> Self {
        Latest(PhantomData)
    }
}

impl<S: Kept> Rule for Latest<S> {
    type State = S;
    type Change = S;
    type View = S::Seen;

    fn first(&self, change: S) -> S {
        change
    }

    fn apply(&self, state: &mut S, change: S) {
        *state = change;
    }

    fn view(&self, state: &S) -> Option<S::Seen> {
        state.seen()
    }

    fn is_absent(&self, state: &S) -> bool {
        state.is_gone()
    }
}
