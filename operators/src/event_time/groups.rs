//! All records by key: what is recomputed is recomputed from these.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::{Record, heap_bytes, stable_hash};

/// The records of a key.
pub(super) struct Group<K, V, G> {
    pub(super) key: K,
    /// In the order in which they came.
    pub(super) rows: Vec<V>,
    /// What was made of them when they were last looked at.
    pub(super) given: G,
    /// Whether one has come since.
    pub(super) touched: bool,
}

/// Records by key, in a hash table.
pub(super) struct Groups<K, V, G> {
    table: HashTable<Group<K, V, G>>,
}

impl<K: Record, V: Record, G: Default> Groups<K, V, G> {
    pub(super) fn new() -> Self {
        Groups { table: HashTable::new() }
    }

    fn group(&mut self, key: K) -> &mut Group<K, V, G> {
        let hash = stable_hash(&key);
        match self.table.entry(hash, |other| other.key == key, |other| stable_hash(&other.key)) {
            Entry::Occupied(group) => group.into_mut(),
            Entry::Vacant(free) => {
                let group = Group { key, rows: Vec::new(), given: G::default(), touched: false };
                free.insert(group).into_mut()
            }
        }
    }

    /// A record came.
    pub(super) fn push(&mut self, key: K, row: V) {
        let group = self.group(key);
        group.rows.push(row);
        group.touched = true;
    }

    /// These are the records of a key, whatever there was.
    pub(super) fn restore(&mut self, key: K, rows: Vec<V>) {
        self.group(key).rows = rows;
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group<K, V, G>> {
        self.table.iter_mut()
    }

    /// Keeps the groups for which `visit` says so.
    pub(super) fn retain(&mut self, visit: impl FnMut(&mut Group<K, V, G>) -> bool) {
        self.table.retain(visit);
    }
}

impl<K: Record, V: Record, G> Group<K, V, G> {
    /// The bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let owned: usize = self.rows.iter().map(heap_bytes).sum();
        (size_of::<Self>() + heap_bytes(&self.key) + size_of_val(&self.rows[..]) + owned) as u64
    }
}
