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

/// What changes leave of each key, in their order: `keys` has that of each, and `diff` its difference. Of a
/// row that went nothing is left where another came; two that came under one key are refused, with the
/// number of the second.
pub(super) fn newest<K: Hash + Ord>(
    keys: &[K],
    diff: impl Fn(usize) -> Diff,
) -> Result<Vec<Newest>, usize> {
    let mut newest: Vec<Newest> = Vec::with_capacity(keys.len());
    // As a rule they come in the order of their keys, and need not be looked for.
    let mut places: Option<HashMap<&K, usize>> = (!keys.is_sorted()).then(HashMap::new);
    for (change, key) in keys.iter().enumerate() {
        let came = diff(change) > 0;
        let known = match &places {
            None => newest.last_mut().filter(|last| keys[last.change] == *key),
            Some(places) => places.get(key).map(|place| &mut newest[*place]),
        };
        if came && (diff(change) > 1 || known.as_ref().is_some_and(|known| known.came)) {
            return Err(change);
        }
        match known {
            Some(known) if came => *known = Newest { change, came },
            Some(_) => {}
            None => {
                if let Some(places) = &mut places {
                    places.insert(key, newest.len());
                }
                newest.push(Newest { change, came });
            }
        }
    }
    newest.sort_unstable_by_key(|newest| newest.change);
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(changes: &[(char, Diff)]) -> Result<Vec<(usize, bool)>, usize> {
        let keys: Vec<char> = changes.iter().map(|(key, _)| *key).collect();
        let left = newest(&keys, |change| changes[change].1)?;
        Ok(left.into_iter().map(|newest| (newest.change, newest.came)).collect())
    }

    #[test]
    fn what_came_replaces_what_went() {
        assert_eq!(left(&[]), Ok(vec![]));
        let changes = [('a', -1), ('a', 1), ('b', -1), ('c', 1), ('d', 1), ('d', -1)];
        assert_eq!(left(&changes), Ok(vec![(1, true), (2, false), (3, true), (4, true)]));
        // In whatever order the keys come.
        let changes = [('b', -1), ('c', 1), ('a', -1), ('b', 1), ('d', -1)];
        assert_eq!(left(&changes), Ok(vec![(1, true), (2, false), (3, true), (4, false)]));
    }

    #[test]
    fn a_key_has_one_row() {
        assert_eq!(left(&[('a', 1), ('b', 1), ('a', 1)]), Err(2));
        assert_eq!(left(&[('a', 2)]), Err(0));
        assert_eq!(left(&[('a', -2), ('a', 1)]), Ok(vec![(1, true)]));
    }
}
