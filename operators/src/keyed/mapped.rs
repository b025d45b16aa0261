//! What operators with a user's state by key give: rows, and the table of states.

use crate::batched::Output;
use crate::ship::key_group;
use crate::{Chunks, Diff, Record, Tag, Tick, stable_hash};

/// A row that [`MapWithState`](super::MapWithState) gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped<K, S, E> {
    /// What the function has given. The chunk's tag says the key group (as partition) and the
    /// batch (as sequence); within a group, rows are in the order of keys.
    Emitted(E),
    /// A state came, or went: the table of states, as differences.
    State((K, S), Diff),
}

/// What the function has given in a batch, by key group and key.
pub(super) struct Emitted<K, E>(Vec<(u64, K, Vec<E>)>);

impl<K: Record, E> Emitted<K, E> {
    pub(super) fn new() -> Self {
        Emitted(Vec::new())
    }

    pub(super) fn add(&mut self, key: &K, rows: Vec<E>) {
        if !rows.is_empty() {
            self.0.push((key_group(stable_hash(key)), key.clone(), rows));
        }
    }

    pub(super) fn give<S>(mut self, tick: Tick, output: &mut Output<'_, Chunks<Mapped<K, S, E>>>) {
        self.0.sort_unstable_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        give_by_group(self.0.into_iter().map(|(group, _, rows)| (group, rows)), tick, output);
    }
}

/// Gives rows that are sorted by key group: a chunk for each group.
pub(super) fn give_by_group<K, S, E>(
    groups: impl Iterator<Item = (u64, Vec<E>)>,
    tick: Tick,
    output: &mut Output<'_, Chunks<Mapped<K, S, E>>>,
) {
    let mut chunks = Chunks::new();
    for (group, rows) in groups {
        let tag = Tag { lane: 0, partition: group as u32, sequence: tick.id };
        chunks.push(tag, rows.into_iter().map(Mapped::Emitted));
    }
    if !chunks.is_empty() {
        output.give(chunks);
    }
}
