//! The cell through which a user's function sees and changes the state of a key.

/// The state of one key, as a function of [`MapWithState`](super::MapWithState) sees it: it may be
/// read, replaced and removed.
///
/// The rules are Spark's: what has been removed, or is timing out, can't be changed any more.
///
/// ```
/// use tidegate_operators::keyed::State;
///
/// let mut state = State::of(Some(1));
/// assert_eq!(state.get(), Some(&1));
/// state.update(2);
/// assert!(state.exists() && state.is_updated());
/// state.remove();
/// assert!(!state.exists() && state.is_removed());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State<S> {
    state: Option<S>,
    updated: bool,
    removed: bool,
    timing_out: bool,
}

impl<S> State<S> {
    /// The state of a key that has one, or has none.
    pub fn of(state: Option<S>) -> Self {
        State { state, updated: false, removed: false, timing_out: false }
    }

    /// A state that goes because nothing has come for its key.
    ///
    /// ```
    /// use tidegate_operators::keyed::State;
    ///
    /// let state = State::timing_out(3);
    /// assert!(state.exists() && state.is_timing_out());
    /// ```
    pub fn timing_out(state: S) -> Self {
        State { timing_out: true, ..State::of(Some(state)) }
    }

    /// The state; `None`, if the key has none.
    pub fn get(&self) -> Option<&S> {
        self.state.as_ref()
    }

    /// Whether the key has a state.
    pub fn exists(&self) -> bool {
        self.state.is_some()
    }

    /// Gives the key a state, or another one.
    ///
    /// # Panics
    ///
    /// If the state has been removed in this call, or is timing out.
    pub fn update(&mut self, state: S) {
        self.assert_changeable("updated");
        self.state = Some(state);
        self.updated = true;
    }

    /// Forgets the key.
    ///
    /// # Panics
    ///
    /// If the state has been removed in this call, or is timing out.
    pub fn remove(&mut self) {
        self.assert_changeable("removed");
        *self = State { removed: true, ..State::of(None) };
    }

    /// Whether the function has updated the state in this call, and not removed it since.
    pub fn is_updated(&self) -> bool {
        self.updated
    }

    /// Whether the function has removed the state in this call.
    pub fn is_removed(&self) -> bool {
        self.removed
    }

    /// Whether the state goes after this call, because nothing has come for its key.
    pub fn is_timing_out(&self) -> bool {
        self.timing_out
    }

    pub(super) fn into_inner(self) -> Option<S> {
        self.state
    }

    fn assert_changeable(&self, how: &str) {
        assert!(!self.removed, "a state that has been removed can't be {how}");
        assert!(!self.timing_out, "a state that is timing out can't be {how}");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn fails(action: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(action)).is_err()
    }

    #[test]
    fn what_is_removed_or_timing_out_stays_as_it_is() {
        let mut removed = State::of(Some(1));
        removed.remove();
        assert!(fails(|| removed.update(2)) && fails(|| removed.remove()));
        assert_eq!(
            (removed.get(), removed.is_removed(), removed.is_updated()),
            (None, true, false)
        );

        let mut leaving = State::timing_out(3);
        assert!(fails(|| leaving.update(4)) && fails(|| leaving.remove()));
        assert_eq!((leaving.get(), leaving.is_timing_out()), (Some(&3), true));
    }

    #[test]
    fn a_key_without_a_state_can_be_updated_twice_and_removed() {
        let mut state = State::of(None);
        state.update(1);
        state.update(2);
        assert_eq!((state.get(), state.is_updated()), (Some(&2), true));
        state.remove();
        assert!(!state.exists() && state.is_removed() && !state.is_updated());
    }
}
