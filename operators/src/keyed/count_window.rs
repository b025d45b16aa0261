//! Windows of so many records of a key, whatever batches they come in.

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::index::Index;
use crate::keyed::group::group;
use crate::keyed::latest::Latest;
use crate::{Chunks, Epoch, Record, order};

/// The last `length` values of a key, whenever `slide` more of them have come; fewer at the start.
///
/// Values count in the order of the stream, so that windows depend neither on how records are split
/// into batches nor on the number of workers. Input must be shipped by key, tags and all. Kept: up
/// to `length` values of each key. A batch costs its own records and the windows that it completes.
///
/// ```
/// use tidegate_operators::keyed::CountWindow;
/// use tidegate_operators::local::Local;
///
/// let mut pairs = Local::new(CountWindow::new(3, 2));
/// assert_eq!(pairs.rows(vec![('a', 1), ('a', 2), ('b', 7)]), [('a', vec![1, 2])]);
/// assert_eq!(pairs.rows(vec![('a', 3), ('a', 4)]), [('a', vec![2, 3, 4])]);
/// ```
pub struct CountWindow<K: Record, V: Record> {
    length: usize,
    slide: u64,
    states: Index<K, Latest<Option<Recent<V>>>>,
    updated: u64,
}

/// How many values a key has had, and the latest of them, oldest first.
type Recent<V> = (u64, Vec<V>);

impl<K: Record, V: Record> CountWindow<K, V> {
    /// Windows of `length` values that slide by `slide`.
    ///
    /// # Panics
    ///
    /// If either is 0.
    pub fn new(length: usize, slide: u64) -> Self {
        assert!(length > 0 && slide > 0, "a window of {length} values, sliding by {slide}");
        CountWindow { length, slide, states: Index::new(Latest::new()), updated: 0 }
    }
}

impl<T: Epoch, K: Record, V: Record> BatchOperator<T> for CountWindow<K, V> {
    type Input = Chunks<(K, V)>;
    type Output = Chunks<(K, Vec<V>)>;
    /// A key, how many values it has had, and the latest of them.
    type Saved = (K, Recent<V>);

    fn close(
        &mut self,
        _batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let mut groups = group(order::in_stream_order(input));
        self.updated = groups.len() as u64;
        let mut windows = Vec::new();
        for (key, values) in groups.drain() {
            let (mut seen, mut recent) = self.states.remove(&key).flatten().unwrap_or_default();
            for value in values {
                seen += 1;
                recent.push(value);
                if seen.is_multiple_of(self.slide) {
                    let from = recent.len().saturating_sub(self.length);
                    windows.push((key.clone(), recent[from..].to_vec()));
                }
            }
            recent.drain(..recent.len().saturating_sub(self.length));
            tap.record(|| (key.clone(), (seen, recent.clone())));
            self.states.insert(key, Some((seen, recent)));
        }
        output.give(Chunks::loose(windows));
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.0)
    }

    fn form() -> SavedForm {
        SavedForm::Latest
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.latest(saved, |(a, _), (b, _)| a.cmp(b), |_| false)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        saved.into_iter().for_each(|(key, recent)| self.states.insert(key, Some(recent)));
    }

    fn size(&self) -> StateSize {
        StateSize { updated: self.updated, ..self.states.size() }
    }
}
