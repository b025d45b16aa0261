//! What a batch's changes leave of each key.

use std::collections::HashMap;
use std::hash::Hash;

use tidegate_operators::Diff;

/// What becomes of a key: its new row, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    /// Which change says so.
    pub(super) change: usize,
    /// Whether it brings a row.
    pub(super) came: bool,
}

/// What changes leave of each key, in their order. Of a row that went nothing is left where another came;
/// two that came under one key are refused, with the number of the second.
pub(super) fn newest<K: Hash + Eq>(
    changes: impl ExactSizeIterator<Item = (K, Diff)>,
) -> Result<Vec<Newest>, usize> {
    let mut keys: HashMap<K, Newest> = HashMap::with_capacity(changes.len());
    for (change, (key, diff)) in changes.enumerate() {
        let came = diff > 0;
        let known = keys.entry(key).or_insert(Newest { change, came: false });
        if came && (known.came || diff > 1) {
            return Err(change);
        }
        if came {
            *known = Newest { change, came };
        }
    }
    let mut newest: Vec<Newest> = keys.into_values().collect();
    newest.sort_unstable_by_key(|newest| newest.change);
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(changes: &[(char, Diff)]) -> Result<Vec<(usize, bool)>, usize> {
        let left = newest(changes.iter().copied())?;
        Ok(left.into_iter().map(|newest| (newest.change, newest.came)).collect())
    }

    #[test]
    fn what_came_replaces_what_went() {
        assert_eq!(left(&[]), Ok(vec![]));
        let changes = [('a', -1), ('a', 1), ('b', -1), ('c', 1), ('d', 1), ('d', -1)];
        assert_eq!(left(&changes), Ok(vec![(1, true), (2, false), (3, true), (4, true)]));
    }

    #[test]
    fn a_key_has_one_row() {
        assert_eq!(left(&[('a', 1), ('b', 1), ('a', 1)]), Err(2));
        assert_eq!(left(&[('a', 2)]), Err(0));
        assert_eq!(left(&[('a', -2), ('a', 1)]), Ok(vec![(1, true)]));
    }
}
