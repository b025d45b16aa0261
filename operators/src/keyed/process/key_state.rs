//! What a process keeps for a key: values, lists and maps, whose parts may expire.
//!
//! Expiry goes by batch time, so that it is the same in every run. What has been written in a
//! batch is there until the first batch whose time is later by the time to live, or more; reading
//! does not prolong it. A cell keeps its time to live: what is said later about cells of its kind is
//! for keys that have none yet.

use crate::Record;

/// All that a [`Process`](super::Process) keeps for one key: a cell, several as a tuple, or a
/// struct of cells, for which [`key_state!`](crate::key_state) implements it.
///
/// Empty cells by their own methods: one that is replaced as a whole has the time to live of the new
/// one. A cell takes 24 bytes beside what it holds, and 8 more for each value that it holds. The methods
/// are for the operator that calls the process.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tidegate_operators::key_state;
/// use tidegate_operators::keyed::{KeyState, MapState, ValueState};
///
/// #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
/// struct Visitor {
///     name: ValueState<String>,
///     views: MapState<String, u64>,
/// }
/// key_state!(Visitor: name, views);
///
/// let mut visitor = Visitor::default();
/// visitor.begin(1_000);
/// visitor.views.insert("/home".to_string(), 1);
/// assert!(visitor.end(1_000) && !visitor.is_empty());
/// ```
pub trait KeyState: Record + Default {
    /// A call begins, at a batch time in milliseconds: what has expired goes.
    fn begin(&mut self, now_ms: i64);

    /// The call that began at this time is over. Whether anything is other than before; a cell that
    /// was replaced as a whole counts as written in the call.
    fn end(&mut self, now_ms: i64) -> bool;

    /// All that is there counts as written at this time, in milliseconds.
    fn renew(&mut self, now_ms: i64);

    /// Whether there is nothing: then the key need not be kept.
    fn is_empty(&self) -> bool;

    /// The batch time at which some of it expires; `i64::MAX` if nothing does.
    fn expires_ms(&self) -> i64;
}

/// Implements [`KeyState`](crate::keyed::KeyState) for a struct of cells: its name, and all of its
/// fields.
#[macro_export]
macro_rules! key_state {
    (@methods $($cell:tt)*) => {
        fn begin(&mut self, now_ms: i64) {
            let _ = now_ms;
            $($crate::keyed::KeyState::begin(&mut self.$cell, now_ms);)*
        }

        fn end(&mut self, now_ms: i64) -> bool {
            let _ = now_ms;
            let changed: &[bool] = &[$($crate::keyed::KeyState::end(&mut self.$cell, now_ms)),*];
            changed.contains(&true)
        }

        fn renew(&mut self, now_ms: i64) {
            let _ = now_ms;
            $($crate::keyed::KeyState::renew(&mut self.$cell, now_ms);)*
        }

        fn is_empty(&self) -> bool {
            true $(&& $crate::keyed::KeyState::is_empty(&self.$cell))*
        }

        fn expires_ms(&self) -> i64 {
            i64::MAX $(.min($crate::keyed::KeyState::expires_ms(&self.$cell)))*
        }
    };
    ($state:ty: $($field:ident),+ $(,)?) => {
        impl $crate::keyed::KeyState for $state {
            $crate::key_state!(@methods $($field)+);
        }
    };
}

macro_rules! tuple {
    ($($cell:ident $place:tt),*) => {
        impl<$($cell: KeyState),*> KeyState for ($($cell,)*) {
            key_state!(@methods $($place)*);
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
