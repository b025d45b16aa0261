//! The hash index: state by key, growing without stopping the batch.
//!
//! A single hash table doubles all at once; at ten million keys that is hundreds of milliseconds
//! inside one batch. Here 256 tables share the keys, and they do not share them evenly: the last
//! gets twice as many as the first, so that over one doubling of the whole the shards' own
//! doublings are spread evenly, one after the other. As a side effect the memory per key stays the
//! same whatever the number of keys: some shards have just doubled, others are nearly full. Chance
//! would still let a few doublings meet in one batch, so that shards which are nearly full are
//! doubled ahead of need, a few with each batch, in proportion to the keys it brought.
//!
//! Changes are applied by batch, a few shards at a time: all their keys are looked up before the first
//! of them is changed, so that the processor fetches several from memory at once, and the change and
//! the second look (what is it now?) find them in the cache.

use std::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::batched::StateSize;
use crate::{Record, heap_bytes, stable_hash};

const SHARDS: usize = 256;
/// A shard with less room than one part in this many is doubled ahead of need.
const ROOM: usize = 10;
/// For each key that is new, so many are moved ahead of need. A doubling makes room for as many as
/// it moves, so that one would nearly do.
const MOVES_PER_NEW_KEY: usize = 2;
/// Shards are taken together until so many keys can be looked up before the first of them is changed. A
/// large batch has more in a single shard, whose table is what its changes then find in the cache.
const LOOKED_UP: usize = 256;

/// What an index keeps for a key, and how a batch's changes act on it.
pub trait Rule {
    /// What is kept.
    type State: Record;
    /// What changes it.
    type Change;
    /// What is seen of it from outside.
    type View: PartialEq;

    /// The state that a change makes of nothing.
    fn first(&self, change: Self::Change) -> Self::State;

    /// Applies one change.
    fn apply(&self, state: &mut Self::State, change: Self::Change);

    /// What is seen of the state; `None` if nothing is.
    fn view(&self, state: &Self::State) -> Option<Self::View>;

    /// Whether the state need not be kept any longer.
    fn is_absent(&self, state: &Self::State) -> bool;

    /// The bytes that a state owns beside its slot. Asked for twice for each touched key: override
    /// it where the state is large and knows its own size.
    fn owned_bytes(&self, state: &Self::State) -> usize {
        heap_bytes(state)
    }
}

/// What a batch did to one key.
pub struct Changed<'a, K, R: Rule> {
    /// The key.
    pub key: &'a K,
    /// What was seen before the batch.
    pub before: Option<R::View>,
    /// What is seen after it.
    pub after: Option<R::View>,
    /// The state after it; `None` if it is no longer kept.
    pub state: Option<&'a R::State>,
}

/// States by key, in 256 hash tables of graded sizes.
///
/// ```
/// use tidegate_operators::index::{Index, Rule};
///
/// /// Running totals; a total of zero is not kept.
/// struct Totals;
/// impl Rule for Totals {
///     type State = i64;
///     type Change = i64;
///     type View = i64;
///     fn first(&self, change: i64) -> i64 { change }
///     fn apply(&self, state: &mut i64, change: i64) { *state += change; }
///     fn view(&self, state: &i64) -> Option<i64> { (*state != 0).then_some(*state) }
///     fn is_absent(&self, state: &i64) -> bool { *state == 0 }
/// }
///
/// let mut index = Index::new(Totals);
/// let mut seen = Vec::new();
/// index.apply([("a".to_string(), 3), ("a".to_string(), 4)], |changed| {
///     seen.push((changed.before, changed.after));
/// });
/// assert_eq!(seen, [(None, Some(7))]);
///
/// index.apply([("a".to_string(), -7)], |_| {});
/// assert_eq!(index.len(), 0);
/// ```
pub struct Index<K, R: Rule> {
    rule: R,
    shards: Vec<HashTable<Slot<K, R::State>>>,
    keys: usize,
    heap_bytes: usize,
    /// Keys that the last batch touched.
    updated: u64,
    /// Room for one batch: its changes by shard; where their keys are in a shard; and the buckets
    /// touched there with what was seen before.
    changes: Vec<Vec<(u64, K, R::Change)>>,
    places: Vec<Option<usize>>,
    touched: Vec<(usize, Option<R::View>)>,
    marks: Marks,
}

struct Slot<K, S> {
    key: K,
    state: S,
}

impl<K: Record, R: Rule> Index<K, R> {
    /// An empty index.
    pub fn new(rule: R) -> Self {
        Index {
            rule,
            shards: (0..SHARDS).map(|_| HashTable::new()).collect(),
            keys: 0,
            heap_bytes: 0,
            updated: 0,
            changes: (0..SHARDS).map(|_| Vec::new()).collect(),
            places: Vec::new(),
            touched: Vec::new(),
            marks: Marks::default(),
        }
    }

    /// What the index does with changes.
    pub fn rule(&self) -> &R {
        &self.rule
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.keys
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// The bytes that the index takes: its tables, and what keys and states own beside them.
    pub fn bytes(&self) -> usize {
        self.heap_bytes + self.shards.iter().map(HashTable::allocation_size).sum::<usize>()
    }

    /// The size of the state, with the number of keys that the last batch of changes touched.
    pub fn size(&self) -> StateSize {
        let (keys, bytes) = (self.len() as u64, self.bytes() as u64);
        StateSize { keys, bytes, updated: self.updated }
    }

    /// The state of a key.
    pub fn get(&self, key: &K) -> Option<&R::State> {
        let hash = stable_hash(key);
        let shard = &self.shards[shard_of(hash)];
        shard.find(hash, |slot| slot.key == *key).map(|slot| &slot.state)
    }

    /// All keys with their states, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &R::State)> {
        self.shards.iter().flatten().map(|slot| (&slot.key, &slot.state))
    }

    /// All keys of which something is seen, with what is seen, in no particular order.
    pub fn views(&self) -> impl Iterator<Item = (&K, R::View)> {
        self.iter().filter_map(|(key, state)| Some((key, self.rule.view(state)?)))
    }

    /// Puts a state under a key, whatever was there.
    pub fn insert(&mut self, key: K, state: R::State) {
        let hash = stable_hash(&key);
        let shard = shard_of(hash);
        let owned = heap_bytes(&key) + self.rule.owned_bytes(&state);
        match self.shards[shard].entry(hash, |slot| slot.key == key, |slot| stable_hash(&slot.key))
        {
            Entry::Occupied(mut slot) => {
                let slot = slot.get_mut();
                self.heap_bytes -= heap_bytes(&slot.key) + self.rule.owned_bytes(&slot.state);
                slot.state = state;
                self.heap_bytes += heap_bytes(&slot.key) + self.rule.owned_bytes(&slot.state);
            }
            Entry::Vacant(free) => {
                free.insert(Slot { key, state });
                self.keys += 1;
                self.heap_bytes += owned;
            }
        }
    }

    /// Visits every state, with leave to change it; those for which `visit` says `false` go.
    pub fn retain(&mut self, mut visit: impl FnMut(&K, &mut R::State) -> bool) {
        let (mut keys, mut heap) = (0, 0);
        for shard in &mut self.shards {
            shard.retain(|slot| {
                let stays = visit(&slot.key, &mut slot.state);
                if stays {
                    keys += 1;
                    heap += heap_bytes(&slot.key) + self.rule.owned_bytes(&slot.state);
                }
                stays
            });
        }
        self.keys = keys;
        self.heap_bytes = heap;
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &K) -> Option<R::State> {
        let hash = stable_hash(key);
        let shard = shard_of(hash);
        let found = self.shards[shard].find_entry(hash, |slot| slot.key == *key).ok()?;
        let (gone, _) = found.remove();
        self.keys -= 1;
        self.heap_bytes -= heap_bytes(&gone.key) + self.rule.owned_bytes(&gone.state);
        Some(gone.state)
    }

    /// The key of this hash that `is_it` knows, with its state.
    pub fn find(
        &self,
        hash: u64,
        is_it: impl Fn(&K, &R::State) -> bool,
    ) -> Option<(&K, &R::State)> {
        let shard = &self.shards[shard_of(hash)];
        shard.find(hash, |slot| is_it(&slot.key, &slot.state)).map(|slot| (&slot.key, &slot.state))
    }

    /// Takes a key's state out, and keeps what `change` makes of it: nothing, for `None`.
    ///
    /// Whoever brings many new keys in this way says afterwards how many:
    /// [`grow_ahead_of`](Index::grow_ahead_of).
    pub fn change(
        &mut self,
        key: K,
        change: impl FnOnce(&K, Option<R::State>) -> Option<R::State>,
    ) {
        let hash = stable_hash(&key);
        let table = &mut self.shards[shard_of(hash)];
        let (free, key, state) =
            match table.entry(hash, |slot| slot.key == key, |slot| stable_hash(&slot.key)) {
                Entry::Occupied(slot) => {
                    let (slot, free) = slot.remove();
                    self.keys -= 1;
                    self.heap_bytes -= heap_bytes(&slot.key) + self.rule.owned_bytes(&slot.state);
                    (free, slot.key, Some(slot.state))
                }
                Entry::Vacant(free) => (free, key, None),
            };
        if let Some(state) = change(&key, state) {
            self.keys += 1;
            self.heap_bytes += heap_bytes(&key) + self.rule.owned_bytes(&state);
            free.insert(Slot { key, state });
        }
    }

    /// Doubles shards that are nearly full, in proportion to a batch's new keys, so that not many
    /// double in the same batch later.
    pub fn grow_ahead_of(&mut self, new_keys: usize) {
        self.grow_ahead(new_keys * MOVES_PER_NEW_KEY);
    }

    /// Applies a batch of changes, any number to a key, and tells once for each touched key what
    /// it was and what it is, in no particular order.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = (K, R::Change)>,
        mut changed: impl FnMut(Changed<'_, K, R>),
    ) {
        changes.into_iter().for_each(|(key, change)| {
            let hash = stable_hash(&key);
            self.changes[shard_of(hash)].push((hash, key, change));
        });
        let keys = self.keys;
        self.updated = 0;
        let (mut from, mut waiting) = (0, 0);
        for shard in 0..SHARDS {
            waiting += self.changes[shard].len();
            if waiting >= LOOKED_UP || shard == SHARDS - 1 {
                self.look_up(from..shard + 1);
                self.apply_to_shards(from..shard + 1, &mut changed);
                (from, waiting) = (shard + 1, 0);
            }
        }
        self.grow_ahead(self.keys.saturating_sub(keys) * MOVES_PER_NEW_KEY);
    }

    /// Doubles the shards that are nearly full, the fullest first, until so many keys have moved.
    fn grow_ahead(&mut self, moves: usize) {
        let mut moved = 0;
        while moved < moves {
            let nearly_full = self.shards.iter_mut().filter(|shard| {
                let room = shard.capacity() - shard.len();
                room < shard.capacity() / ROOM
            });
            let Some(fullest) = nearly_full.min_by_key(|shard| {
                let room = (shard.capacity() - shard.len()) as u128;
                room * 1_000_000 / shard.capacity() as u128
            }) else {
                return;
            };
            moved += fullest.len();
            fullest.reserve(fullest.capacity() - fullest.len() + 1, |slot| stable_hash(&slot.key));
        }
    }

    /// Finds where the keys of changes are, before any is changed: in two short loops, first where each
    /// may be, by its hash alone, then whether it is there. Nothing in either waits for what it has
    /// read before, so that the processor fetches many lines from memory at a time; and the shorter
    /// the loop, the more.
    fn look_up(&mut self, shards: Range<usize>) {
        let changed = self.shards[shards.clone()].iter_mut().zip(&self.changes[shards.clone()]);
        for (table, changes) in changed.filter(|(_, changes)| !changes.is_empty()) {
            // Buckets stay where they are from here on: no growth before the last look.
            table.reserve(changes.len(), |slot| stable_hash(&slot.key));
            let first = |(hash, ..): &(u64, K, R::Change)| table.find_bucket_index(*hash, |_| true);
            self.places.extend(changes.iter().map(first));
        }
        let mut places = self.places.iter_mut();
        for (table, changes) in self.shards[shards.clone()].iter().zip(&self.changes[shards]) {
            for ((hash, key, _), place) in changes.iter().zip(places.by_ref()) {
                let slot = place.and_then(|bucket| table.get_bucket(bucket));
                if slot.is_some_and(|slot| slot.key != *key) {
                    *place = table.find_bucket_index(*hash, |slot| slot.key == *key);
                }
            }
        }
    }

    fn apply_to_shards(
        &mut self,
        shards: Range<usize>,
        changed: &mut impl FnMut(Changed<'_, K, R>),
    ) {
        let mut places = std::mem::take(&mut self.places);
        let mut left = places.drain(..);
        for shard in shards {
            if !self.changes[shard].is_empty() {
                self.apply_to_shard(shard, &mut left, changed);
            }
        }
        drop(left);
        self.places = places;
    }

    fn apply_to_shard(
        &mut self,
        shard: usize,
        places: &mut impl Iterator<Item = Option<usize>>,
        changed: &mut impl FnMut(Changed<'_, K, R>),
    ) {
        let (rule, table) = (&self.rule, &mut self.shards[shard]);
        let (changes, touched) = (&mut self.changes[shard], &mut self.touched);
        let marks = &mut self.marks;
        marks.cover(table.num_buckets());
        for ((hash, key, change), place) in changes.drain(..).zip(places) {
            if let Some(bucket) = place {
                let slot = table.get_bucket_mut(bucket).expect("found before");
                if marks.set(bucket) {
                    touched.push((bucket, rule.view(&slot.state)));
                    self.heap_bytes -= rule.owned_bytes(&slot.state);
                }
                rule.apply(&mut slot.state, change);
                continue;
            }
            match table.entry(hash, |slot| slot.key == key, |slot| stable_hash(&slot.key)) {
                // It has come earlier in this batch.
                Entry::Occupied(mut slot) => rule.apply(&mut slot.get_mut().state, change),
                Entry::Vacant(free) => {
                    self.keys += 1;
                    self.heap_bytes += heap_bytes(&key);
                    let bucket =
                        free.insert(Slot { key, state: rule.first(change) }).bucket_index();
                    touched.push((bucket, None));
                }
            }
        }
        self.updated += touched.len() as u64;
        for (bucket, before) in touched.drain(..) {
            marks.unset(bucket);
            let slot = table.get_bucket(bucket).expect("touched in this batch");
            let after = rule.view(&slot.state);
            if rule.is_absent(&slot.state) {
                changed(Changed { key: &slot.key, before, after, state: None });
                if let Ok(entry) = table.get_bucket_entry(bucket) {
                    let (gone, _) = entry.remove();
                    self.keys -= 1;
                    self.heap_bytes -= heap_bytes(&gone.key);
                }
            } else {
                self.heap_bytes += rule.owned_bytes(&slot.state);
                changed(Changed { key: &slot.key, before, after, state: Some(&slot.state) });
            }
        }
    }
}

/// Which buckets of a shard are touched already; none between shards.
#[derive(Default)]
struct Marks(Vec<u64>);

impl Marks {
    fn cover(&mut self, buckets: usize) {
        self.0.resize(self.0.len().max(buckets.div_ceil(64)), 0);
    }

    /// Marks a bucket, and says whether it was not.
    #[inline]
    fn set(&mut self, bucket: usize) -> bool {
        let word = &mut self.0[bucket / 64];
        let before = *word;
        *word |= 1 << (bucket % 64);
        *word != before
    }

    #[inline]
    fn unset(&mut self, bucket: usize) {
        self.0[bucket / 64] &= !(1 << (bucket % 64));
    }
}

/// The shard of a hash. The part of all hashes that goes to a shard grows from the first to the
/// last as 3/4 to 3/2: close to exponential, and two multiplications.
#[inline]
fn shard_of(hash: u64) -> usize {
    // 32 bits of the hash that the tables use little of, as a part x of 1; then x + x(1 - x)/3.
    let x = (hash >> 24) & 0xFFFF_FFFF;
    let bent = x + ((x * (0xFFFF_FFFF - x)) >> 32) / 3;
    (bent >> (32 - SHARDS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Totals;

    /// Keeps whatever is put in.
    struct Keep<S>(std::marker::PhantomData<S>);

    impl<S: Record> Rule for Keep<S> {
        type State = S;
        type Change = S;
        type View = S;

        fn first(&self, change: S) -> S {
            change
        }
        fn apply(&self, state: &mut S, change: S) {
            *state = change;
        }
        fn view(&self, state: &S) -> Option<S> {
            Some(state.clone())
        }
        fn is_absent(&self, _state: &S) -> bool {
            false
        }
    }

    fn keep<K: Record, S: Record>() -> Index<K, Keep<S>> {
        Index::new(Keep(std::marker::PhantomData))
    }

    impl Rule for Totals {
        type State = (i64, i64);
        type Change = (i64, i64);
        type View = i64;

        fn first(&self, change: (i64, i64)) -> (i64, i64) {
            change
        }
        fn apply(&self, state: &mut (i64, i64), change: (i64, i64)) {
            state.0 += change.0;
            state.1 += change.1;
        }
        fn view(&self, state: &(i64, i64)) -> Option<i64> {
            (state.0 != 0).then_some(state.1)
        }
        fn is_absent(&self, state: &(i64, i64)) -> bool {
            state.0 == 0
        }
    }

    #[test]
    fn batches_of_repeated_keys_and_retractions_agree_with_a_tree() {
        let mut index = Index::new(Totals);
        let mut expected: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
        let mut word = 1u64;
        for batch in 0..200 {
            let before = expected.clone();
            let mut changes = Vec::new();
            for _ in 0..(batch % 37) * 13 {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = (word >> 33) % 500;
                let standing = expected.get(&key).map_or(0, |state| state.0);
                let sign = if standing > 0 && word & 1 == 0 { -1 } else { 1 };
                let change = (sign, sign * ((word >> 40) as i64 % 10));
                let state = expected.entry(key).or_default();
                *state = (state.0 + change.0, state.1 + change.1);
                if state.0 == 0 {
                    expected.remove(&key);
                }
                changes.push((key, change));
            }
            // A key that went and came back within the batch starts from nothing in the tree, but
            // keeps what its values didn't cancel in the index: make the oracle agree.
            for key in changes.iter().map(|(key, _)| *key) {
                let sum = |start: (i64, i64)| {
                    changes
                        .iter()
                        .filter(|(other, _)| *other == key)
                        .fold(start, |sum, (_, c)| (sum.0 + c.0, sum.1 + c.1))
                };
                match sum(before.get(&key).copied().unwrap_or_default()) {
                    (0, _) => expected.remove(&key),
                    state => expected.insert(key, state),
                };
            }
            let mut reported = BTreeMap::new();
            index.apply(changes, |changed| {
                let twice =
                    reported.insert(*changed.key, (changed.before, changed.after)).is_some();
                assert!(!twice, "batch {batch} told of key {} twice", changed.key);
            });
            for (key, (old, new)) in reported {
                assert_eq!(old, before.get(&key).map(|state| state.1), "batch {batch}");
                assert_eq!(new, expected.get(&key).map(|state| state.1), "batch {batch}");
            }
            let contents: BTreeMap<u64, (i64, i64)> =
                index.iter().map(|(key, state)| (*key, *state)).collect();
            assert_eq!(contents, expected, "batch {batch}");
            assert_eq!(index.len(), expected.len(), "batch {batch}");
        }
    }

    #[test]
    fn shards_double_one_after_the_other() {
        let mut index = keep::<u64, i64>();
        let mut worst = 0;
        let mut buckets: Vec<usize> = Vec::new();
        for key in 0..400_000u64 {
            index.insert(key, 1);
            if key % 1000 == 999 {
                let now: Vec<usize> =
                    index.shards.iter().map(|shard| shard.num_buckets()).collect();
                if key > 100_000 {
                    let doubled = now.iter().zip(&buckets).filter(|(a, b)| a != b).count();
                    worst = worst.max(doubled);
                }
                buckets = now;
            }
        }
        // 1 % growth at 100,000 keys: 3 or 4 of 256 shards are expected to double.
        assert!(worst <= 16, "{worst} of 256 shards doubled within 1 % of growth");
    }

    #[test]
    fn memory_per_key_is_even() {
        let mut index = keep::<u64, i64>();
        let mut most = 0.0f64;
        for key in 0..1_000_000u64 {
            index.insert(key, 1);
            if key > 200_000 && key % 10_000 == 0 {
                most = most.max(index.bytes() as f64 / index.len() as f64);
            }
        }
        assert!(most < 50.0, "{most} bytes a key");
    }

    #[test]
    fn owned_bytes_are_accounted_and_given_back() {
        let mut index = keep::<String, String>();
        let empty = index.bytes();
        index.insert("key".into(), "some text".into());
        index.insert("key".into(), "text".into());
        let tables: usize = index.shards.iter().map(HashTable::allocation_size).sum();
        assert_eq!(index.bytes() - tables, 7);
        index.retain(|_, _| false);
        assert_eq!((index.len(), index.heap_bytes), (0, 0));
        assert!(empty <= tables);
    }
}
