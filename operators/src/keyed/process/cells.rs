//! What a process keeps for a key: values, lists and maps, whose parts may expire.
//!
//! Expiry goes by batch time, so that it is the same in every run. What has been written in a
//! batch is there until the first batch whose time is later by the time to live, or more; reading
//! does not prolong it. A cell keeps its time to live: what is said later about cells of its kind is
//! for keys that have none yet.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Record;

/// When what does not expire does.
const NEVER: i64 = i64::MAX;

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

/// For how long what is written to a cell stays, and what goes on in the present call. It is no
/// part of the cell's value: two cells with the same contents are equal.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Life {
    ttl_ms: i64,
    #[serde(skip)]
    now_ms: i64,
    #[serde(skip)]
    changed: bool,
}

impl Life {
    fn of(ttl: Duration) -> Self {
        Life { ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(NEVER), ..Life::default() }
    }

    /// Whether anything expires.
    fn expires(&self) -> bool {
        self.ttl_ms < NEVER
    }

    /// When what is written now expires.
    fn end_ms(&self) -> i64 {
        if self.expires() { self.now_ms.saturating_add(self.ttl_ms) } else { NEVER }
    }

    /// Something is written: when it expires.
    fn write(&mut self) -> i64 {
        self.changed = true;
        self.end_ms()
    }

    /// Whether the cell was not there when a call began.
    fn has_no_part_in(&self, now_ms: i64) -> bool {
        self.now_ms != now_ms
    }

    /// The call is over.
    fn end(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

impl Default for Life {
    fn default() -> Self {
        Life { ttl_ms: NEVER, now_ms: i64::MIN, changed: false }
    }
}

/// What goes on in a call is not shown: equal cells look the same.
impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ttl_ms {
            NEVER => f.write_str("for ever"),
            ttl_ms => write!(f, "{ttl_ms} ms"),
        }
    }
}

impl PartialEq for Life {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Life {}

impl PartialOrd for Life {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Life {
    fn cmp(&self, _other: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// One value of a key, if there is one.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::keyed::{KeyState, ValueState};
///
/// let mut seen = ValueState::new().ttl(Duration::from_secs(5));
/// seen.begin(10_000);
/// seen.update('n');
/// assert!(seen.end(10_000));
///
/// seen.begin(14_999);
/// assert_eq!(seen.get(), Some(&'n'));
/// assert!(!seen.end(14_999), "reading changes nothing");
///
/// seen.begin(15_000);
/// assert_eq!(seen.get(), None);
/// assert!(seen.end(15_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueState<T> {
    /// When it expires, and the value.
    held: Option<(i64, T)>,
    life: Life,
}

impl<T> Default for ValueState<T> {
    fn default() -> Self {
        ValueState { held: None, life: Life::default() }
    }
}

impl<T> ValueState<T> {
    /// No value, and none that expires.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a value expire so long after it was written.
    pub fn ttl(self, ttl: Duration) -> Self {
        ValueState { life: Life::of(ttl), ..self }
    }

    /// The value.
    pub fn get(&self) -> Option<&T> {
        self.held.as_ref().map(|(_, value)| value)
    }

    /// The value, to be changed in place; this counts as writing it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        let (expires_ms, value) = self.held.as_mut()?;
        *expires_ms = self.life.write();
        Some(value)
    }

    /// Whether there is a value.
    pub fn exists(&self) -> bool {
        self.held.is_some()
    }

    /// Another value.
    pub fn update(&mut self, value: T) {
        self.held = Some((self.life.write(), value));
    }

    /// No value any more.
    pub fn clear(&mut self) {
        self.life.changed |= self.held.take().is_some();
    }
}

impl<T: Record> KeyState for ValueState<T> {
    fn begin(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        if KeyState::expires_ms(self) <= now_ms {
            self.clear();
        }
    }

    fn end(&mut self, now_ms: i64) -> bool {
        if self.life.has_no_part_in(now_ms) {
            self.renew(now_ms);
            self.life.changed = true;
        }
        self.life.end()
    }

    fn renew(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        let end_ms = self.life.end_ms();
        self.held.iter_mut().for_each(|(expires_ms, _)| *expires_ms = end_ms);
    }

    fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    fn expires_ms(&self) -> i64 {
        self.held.as_ref().map_or(NEVER, |(expires_ms, _)| *expires_ms)
    }
}

/// Values of a key, in the order in which they were appended. Each expires by itself.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::keyed::{KeyState, ListState};
///
/// let mut prices = ListState::new().ttl(Duration::from_secs(5));
/// prices.begin(10_000);
/// prices.push(7);
/// prices.begin(12_000);
/// prices.push(8);
/// assert!(prices.iter().eq(&[7, 8]));
/// prices.begin(15_000);
/// assert!(prices.iter().eq(&[8]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListState<T> {
    /// Each with when it expires: first come, first to expire.
    items: VecDeque<(i64, T)>,
    life: Life,
}

impl<T> Default for ListState<T> {
    fn default() -> Self {
        ListState { items: VecDeque::new(), life: Life::default() }
    }
}

impl<T> ListState<T> {
    /// No value, and none that expires.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets each value expire so long after it was appended.
    pub fn ttl(self, ttl: Duration) -> Self {
        ListState { life: Life::of(ttl), ..self }
    }

    /// The values, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter().map(|(_, value)| value)
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Appends a value.
    pub fn push(&mut self, value: T) {
        self.items.push_back((self.life.write(), value));
    }

    /// Puts these values in the place of those there are.
    pub fn replace(&mut self, values: impl IntoIterator<Item = T>) {
        let end_ms = self.life.write();
        self.items = values.into_iter().map(|value| (end_ms, value)).collect();
    }

    /// Keeps the values for which `keep` holds; this does not prolong them.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let count = self.items.len();
        self.items.retain(|(_, value)| keep(value));
        self.life.changed |= self.items.len() < count;
    }

    /// No value any more.
    pub fn clear(&mut self) {
        self.life.changed |= !self.items.is_empty();
        self.items.clear();
    }
}

impl<T: Record> KeyState for ListState<T> {
    fn begin(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        while self.items.front().is_some_and(|(expires_ms, _)| *expires_ms <= now_ms) {
            self.items.pop_front();
            self.life.changed = true;
        }
    }

    fn end(&mut self, now_ms: i64) -> bool {
        if self.life.has_no_part_in(now_ms) {
            self.renew(now_ms);
            self.life.changed = true;
        }
        self.life.end()
    }

    fn renew(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        let end_ms = self.life.end_ms();
        self.items.iter_mut().for_each(|(expires_ms, _)| *expires_ms = end_ms);
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn expires_ms(&self) -> i64 {
        self.items.front().map_or(NEVER, |(expires_ms, _)| *expires_ms)
    }
}

/// Values of a key by a second key. Each expires by itself; a turn of the key costs all entries of a
/// map of which some expire.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::keyed::{KeyState, MapState};
///
/// let mut views = MapState::new().ttl(Duration::from_secs(5));
/// views.begin(10_000);
/// views.insert('h', 1);
/// views.begin(12_000);
/// views.insert('c', 1);
/// assert!(views.iter().eq([(&'c', &1), (&'h', &1)]));
/// views.begin(15_000);
/// assert!(views.iter().eq([(&'c', &1)]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MapState<Q: Ord, T> {
    /// Each with when it expires.
    entries: BTreeMap<Q, (i64, T)>,
    life: Life,
}

impl<Q: Ord, T> Default for MapState<Q, T> {
    fn default() -> Self {
        MapState { entries: BTreeMap::new(), life: Life::default() }
    }
}

impl<Q: Ord, T> MapState<Q, T> {
    /// No entry, and none that expires.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets each entry expire so long after its value was written.
    pub fn ttl(self, ttl: Duration) -> Self {
        MapState { life: Life::of(ttl), ..self }
    }

    /// The value under a second key.
    pub fn get(&self, key: &Q) -> Option<&T> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The value under a second key, to be changed in place; this counts as writing it.
    pub fn get_mut(&mut self, key: &Q) -> Option<&mut T> {
        let (expires_ms, value) = self.entries.get_mut(key)?;
        *expires_ms = self.life.write();
        Some(value)
    }

    /// Whether there is a value under a second key.
    pub fn contains_key(&self, key: &Q) -> bool {
        self.entries.contains_key(key)
    }

    /// The entries, in the order of the second keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Q, &T)> {
        self.entries.iter().map(|(key, (_, value))| (key, value))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts a value under a second key, and gives the one that was there.
    pub fn insert(&mut self, key: Q, value: T) -> Option<T> {
        self.entries.insert(key, (self.life.write(), value)).map(|(_, value)| value)
    }

    /// Takes the value under a second key out.
    pub fn remove(&mut self, key: &Q) -> Option<T> {
        let (_, value) = self.entries.remove(key)?;
        self.life.changed = true;
        Some(value)
    }

    /// No entry any more.
    pub fn clear(&mut self) {
        self.life.changed |= !self.entries.is_empty();
        self.entries.clear();
    }
}

impl<Q: Record, T: Record> KeyState for MapState<Q, T> {
    fn begin(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        if self.life.expires() {
            let count = self.entries.len();
            self.entries.retain(|_, (expires_ms, _)| *expires_ms > now_ms);
            self.life.changed |= self.entries.len() < count;
        }
    }

    fn end(&mut self, now_ms: i64) -> bool {
        if self.life.has_no_part_in(now_ms) {
            self.renew(now_ms);
            self.life.changed = true;
        }
        self.life.end()
    }

    fn renew(&mut self, now_ms: i64) {
        self.life.now_ms = now_ms;
        let end_ms = self.life.end_ms();
        self.entries.values_mut().for_each(|(expires_ms, _)| *expires_ms = end_ms);
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn expires_ms(&self) -> i64 {
        let all = self.entries.values().filter(|_| self.life.expires());
        all.map(|(expires_ms, _)| *expires_ms).min().unwrap_or(NEVER)
    }
}
