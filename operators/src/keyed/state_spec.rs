//! Which states a user's state by key begins with, and when they go.

use std::time::Duration;

/// Which states there are to begin with, and when they go.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::keyed::StateSpec;
///
/// let spec = StateSpec::new().initial([("a", 5)]).timeout(Duration::from_secs(60));
/// assert_eq!(spec.timeout_ms(), Some(60_000));
/// ```
#[derive(Clone, Debug)]
pub struct StateSpec<K, S> {
    initial: Vec<(K, S)>,
    timeout_ms: Option<i64>,
}

impl<K, S> Default for StateSpec<K, S> {
    fn default() -> Self {
        StateSpec { initial: Vec::new(), timeout_ms: None }
    }
}

impl<K, S> StateSpec<K, S> {
    /// No state to begin with, and none that goes by itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// States to begin with. They are there from the first batch on, as if touched in it.
    pub fn initial(mut self, states: impl IntoIterator<Item = (K, S)>) -> Self {
        self.initial.extend(states);
        self
    }

    /// Lets a state go when its last touch lies more than `timeout` before a batch's time, and the
    /// batch has no record for its key.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
        self
    }

    /// For how long a state stays without a record, in milliseconds.
    pub fn timeout_ms(&self) -> Option<i64> {
        self.timeout_ms
    }

    /// The states to begin with.
    pub(super) fn into_initial(self) -> Vec<(K, S)> {
        self.initial
    }

    /// Keeps the initial states of the keys for which `is_owned` holds.
    pub fn retain(&mut self, mut is_owned: impl FnMut(&K) -> bool) {
        self.initial.retain(|(key, _)| is_owned(key));
    }
}
