//! Sliding windows over tallies: what comes into the window, and what goes.

use std::marker::PhantomData;

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::combine::{Combiner, Tally, is_combined};
use crate::window::{Due, Ring};
use crate::{Aggregate, Chunks, Epoch, Record, WindowRule, heap_bytes};

/// Holds tallies back until they come into the window, and sends their negatives when they go.
///
/// What follows adds them up ([`Accumulate`](super::Accumulate)) and so has the window's contents.
/// Kept: a tally per key and slide, for the length of the window. A batch costs what comes and
/// what goes, whatever the length.
///
/// ```
/// use tidegate_operators::keyed::Slide;
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Count, WindowRule};
///
/// let mut window = Local::new(Slide::<_, (), _>::new(WindowRule::new(2, 1), Count));
/// assert_eq!(window.rows(vec![('a', 3, ())]), [('a', 3, ())]);
/// assert_eq!(window.rows(vec![]), []);
/// assert_eq!(window.rows(vec![]), [('a', -3, ())]);
/// ```
pub struct Slide<K, V, A>
where
    K: Record,
    A: Aggregate<V>,
{
    rule: WindowRule,
    aggregate: A,
    ring: Ring<Pane<Tally<K, A::Acc>>>,
    combiner: Combiner<K, A::Acc>,
    size: StateSize,
    values: PhantomData<fn(V)>,
}

/// The tallies of a pane.
struct Pane<X> {
    tallies: Vec<X>,
    /// Whether each key is there once.
    combined: bool,
}

impl<X> Default for Pane<X> {
    fn default() -> Self {
        Pane { tallies: Vec::new(), combined: true }
    }
}

impl<K, V, A> Slide<K, V, A>
where
    K: Record,
    A: Aggregate<V>,
{
    /// A window with nothing in it.
    ///
    /// # Panics
    ///
    /// If the aggregate can't be subtracted.
    pub fn new(rule: WindowRule, aggregate: A) -> Self {
        assert!(A::SUBTRACTS, "a window over tallies needs an aggregate that subtracts");
        Slide {
            rule,
            aggregate,
            ring: Ring::default(),
            combiner: Combiner::default(),
            size: StateSize::default(),
            values: PhantomData,
        }
    }

    fn advance(&mut self, batch: &Batch<impl Epoch>, mut give: impl FnMut(Vec<Tally<K, A::Acc>>)) {
        let Slide { aggregate, ring, combiner, size, .. } = self;
        ring.advance(&batch.tick_or_panic(), |due| match due {
            Due::Enter(pane) => {
                let Pane { tallies, combined } = &mut pane.content;
                if !*combined {
                    // Of several batches or workers: keep each key once.
                    account(size, tallies, -1);
                    for (key, records, acc) in tallies.drain(..) {
                        combiner.add(key, records, acc, |acc, other| aggregate.merge(acc, other));
                    }
                    tallies.extend(combiner.drain());
                    account(size, tallies, 1);
                }
                tallies.shrink_to_fit();
                give(tallies.clone());
            }
            Due::Exit(mut pane) => {
                account(size, &pane.content.tallies, -1);
                for (_, records, acc) in &mut pane.content.tallies {
                    *records = -*records;
                    let original = acc.clone();
                    aggregate.unmerge(acc, original.clone());
                    aggregate.unmerge(acc, original);
                }
                give(pane.content.tallies);
            }
            Due::Missed(pane) => account(size, &pane.content.tallies, -1),
        });
    }
}

impl<T, K, V, A> BatchOperator<T> for Slide<K, V, A>
where
    T: Epoch,
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    type Input = Chunks<Tally<K, A::Acc>>;
    type Output = Chunks<Tally<K, A::Acc>>;
    /// When it comes, when it goes, and what: a window forgets by itself.
    type Saved = (u64, u64, Tally<K, A::Acc>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        self.size.updated = 0;
        if let Some(pane) = self.ring.pane(self.rule, batch.tick_or_panic().id) {
            let Pane { tallies, combined } = &mut pane.content;
            let start = tallies.len();
            *combined = start == 0 && is_combined(&input);
            tallies.reserve(input.iter().map(Chunks::len).sum());
            input.into_iter().for_each(|chunks| tallies.extend(chunks.into_rows()));
            let added = &tallies[start..];
            added.iter().for_each(|tally| tap.record(|| (pane.enter, pane.exit, tally.clone())));
            self.size.updated = added.len() as u64;
            account(&mut self.size, added, 1);
        }
        self.advance(&batch, |tallies| output.give(Chunks::loose(tallies)));
    }

    fn route(saved: &Self::Saved) -> Route {
        Route::of_key(&saved.2.0)
    }

    fn form() -> SavedForm {
        SavedForm::Panes
    }

    fn fold(saved: Vec<Self::Saved>, folding: Folding) -> Vec<Self::Saved> {
        folding.panes(saved)
    }

    fn restore(&mut self, saved: Vec<Self::Saved>) {
        for (enter, exit, tally) in saved {
            account(&mut self.size, std::slice::from_ref(&tally), 1);
            let pane = &mut self.ring.waiting_pane(enter, exit).content;
            pane.tallies.push(tally);
            pane.combined = false;
        }
    }

    fn contents(&mut self, batch: Batch<T>, output: &mut Output<'_, Self::Output>) {
        self.advance(&batch, |tallies| output.give(Chunks::loose(tallies)));
    }

    fn size(&self) -> StateSize {
        self.size
    }
}

fn account<K: Record, A: Record>(size: &mut StateSize, tallies: &[Tally<K, A>], sign: i64) {
    let owned: usize = tallies.iter().map(|(key, _, acc)| heap_bytes(key) + heap_bytes(acc)).sum();
    let bytes = (size_of_val(tallies) + owned) as i64;
    size.keys = size.keys.wrapping_add_signed(sign * tallies.len() as i64);
    size.bytes = size.bytes.wrapping_add_signed(sign * bytes);
}
