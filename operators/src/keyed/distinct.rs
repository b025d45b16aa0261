//! Set semantics: what is there at all, however often.

use crate::batched::{
    Batch, BatchOperator, Differences, Folding, Output, Route, SavedForm, StateSize, Tap,
};
use crate::differences::Change;
use crate::index::{Index, Rule};
use crate::{Chunks, Diff, Epoch, Record};

/// Each row of a table once, for as long as it is there at all.
///
/// Equal rows must have been shipped to one worker. Kept: every distinct row, with how often it is
/// there. A batch costs its own differences.
///
/// ```
/// use tidegate_operators::keyed::Distinct;
/// use tidegate_operators::local::Local;
///
/// let mut distinct = Local::new(Distinct::new());
/// assert_eq!(distinct.changes(vec![('a', 1), ('b', 2)]), [('a', 1), ('b', 1)]);
/// assert_eq!(distinct.changes(vec![('a', -1), ('b', -1)]), [('a', -1)]);
/// ```
pub struct Distinct<D: Record> {
    index: Index<D, Occurrences>,
}

/// How often a row is there; that it is there is all that is seen.
struct Occurrences;

impl Rule for Occurrences {
    type State = i64;
    type Change = Diff;
    type View = ();

    fn first(&self, diff: Diff) -> i64 {
        diff as i64
    }

    fn apply(&self, times: &mut i64, diff: Diff) {
        *times += diff as i64;
    }

    fn view(&self, times: &i64) -> Option<()> {
        (*times > 0).then_some(())
    }

    fn is_absent(&self, times: &i64) -> bool {
        *times == 0
    }
}

impl<D: Record> Default for Distinct<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Record> Distinct<D> {
    /// An operator that knows no row yet.
    pub fn new() -> Self {
        Distinct { index: Index::new(Occurrences) }
    }
}

impl<T: Epoch, D: Record> BatchOperator<T> for Distinct<D> {
    type Input = Chunks<Change<D>>;
    type Output = Vec<(D, T, Diff)>;
    /// A row, and how often it is there.
    type Saved = (D, Option<i64>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let mut differences = Differences::new(output, batch.time);
        self.index.apply(input.into_iter().flat_map(Chunks::into_rows), |changed| {
            tap.record(|| (changed.key.clone(), changed.state.copied()));
            match (changed.before, changed.after) {
                (None, Some(())) => differences.push(changed.key.clone(), 1),
                (Some(()), None) => differences.push(changed.key.clone(), -1),
                _ => {}
            }
        });
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn form() -> SavedForm {
        SavedForm::Latest
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |(a, _), (b, _)| a.cmp(b), |(_, times)| times.is_none())
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        for (row, times) in saved {
            match times {
                None => drop(self.index.remove(&row)),
                Some(times) => self.index.insert(row, times),
            }
        }
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        let mut differences = Differences::new(output, batch.time);
        self.index.views().for_each(|(row, ())| differences.push(row.clone(), 1));
    }

    fn size(&self) -> StateSize {
        self.index.size()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::Check;
    use crate::keyed::oracle::check_against;

    #[test]
    fn agrees_with_a_set_through_deletions_and_restarts() {
        check_against(
            Distinct::<(u64, i64)>::new,
            |(row, diff)| (row, diff),
            |rows: &BTreeMap<(u64, i64), i64>| rows.keys().map(|row| (*row, 1)).collect(),
        );
    }

    #[test]
    fn keeps_all_promises() {
        let rows = Check::new(|random| random.below(9), |row| row);
        assert_eq!(rows.run(Distinct::new), Ok(()));
    }

    #[test]
    fn a_row_that_goes_and_comes_within_a_batch_is_no_change() {
        let mut distinct = crate::local::Local::new(Distinct::new());
        distinct.changes(vec![(7u64, 1)]);
        assert_eq!(distinct.changes(vec![(7, -1), (7, 1)]), []);
        assert_eq!((distinct.size().keys, distinct.size().updated), (1, 1));
    }
}
