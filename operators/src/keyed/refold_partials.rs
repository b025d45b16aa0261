//! Windows that are put together anew from partial aggregates: what Spark does without an inverse
//! function, and so the measure for what follows a window's changes instead.

use crate::batched::{Batch, BatchOperator, Folding, Output, Route, SavedForm, StateSize, Tap};
use crate::combine::{Combiner, Tally, is_combined};
use crate::window::{Due, Ring};
use crate::{Aggregate, Chunks, Epoch, Record, WindowRule, heap_bytes};

/// Keeps a tally per key and batch, and merges all of those in the window whenever it slides: its
/// output is the whole table, each time.
///
/// Kept: a tally per key and batch, for the length of the window. A batch at which the window
/// slides costs all of them.
///
/// ```
/// use tidegate_operators::keyed::RefoldPartials;
/// use tidegate_operators::local::Local;
/// use tidegate_operators::{Count, WindowRule};
///
/// let rule = Some(WindowRule::new(2, 1));
/// let mut counts = Local::new(RefoldPartials::<_, (), _>::new(rule, Count));
/// assert_eq!(counts.rows(vec![('a', 3, ())]), [('a', 3)]);
/// assert_eq!(counts.rows(vec![('a', 1, ())]), [('a', 4)]);
/// assert_eq!(counts.rows(vec![]), [('a', 1)]);
/// ```
pub struct RefoldPartials<K, V, A>
where
    K: Record,
    A: Aggregate<V>,
{
    rule: Option<WindowRule>,
    aggregate: A,
    ring: Ring<Vec<Tally<K, A::Acc>>>,
    combiner: Combiner<K, A::Acc>,
    size: StateSize,
    values: std::marker::PhantomData<fn(V)>,
}

impl<K: Record, V, A: Aggregate<V>> RefoldPartials<K, V, A> {
    /// A window with nothing in it; without a rule, one that nothing ever leaves.
    pub fn new(rule: Option<WindowRule>, aggregate: A) -> Self {
        RefoldPartials {
            rule,
            aggregate,
            ring: Ring::default(),
            combiner: Combiner::default(),
            size: StateSize::default(),
            values: std::marker::PhantomData,
        }
    }

    fn advance(&mut self, batch: &Batch<impl Epoch>) {
        let size = &mut self.size;
        self.ring.advance(&batch.tick_or_panic(), |due| match due {
            Due::Enter(_) => {}
            Due::Exit(pane) | Due::Missed(pane) => account(size, &pane.content, -1),
        });
    }
}

impl<T, K, V, A> BatchOperator<T> for RefoldPartials<K, V, A>
where
    T: Epoch,
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    type Input = Chunks<Tally<K, A::Acc>>;
    type Output = Chunks<(K, A::Out)>;
    /// When it comes, when it goes, and what.
    type Saved = (u64, u64, Tally<K, A::Acc>);

    fn close(
        &mut self,
        batch: Batch<T>,
        input: Vec<Self::Input>,
        output: &mut Output<'_, Self::Output>,
        tap: &mut Tap<Self::Saved>,
    ) {
        let tick = batch.tick_or_panic();
        let RefoldPartials { rule, aggregate, ring, combiner, size, .. } = self;
        size.updated = 0;
        if let Some(pane) = ring.pane_by(*rule, tick.id) {
            let is_combined = pane.content.is_empty() && is_combined(&input);
            account(size, &pane.content, -1);
            let tallies = input.into_iter().flat_map(Chunks::into_rows);
            if is_combined {
                pane.content.extend(tallies);
            } else {
                // Of several batches or workers: keep each key once.
                for (key, records, acc) in pane.content.drain(..).chain(tallies) {
                    combiner.add(key, records, acc, |acc, other| aggregate.merge(acc, other));
                }
                pane.content.extend(combiner.drain());
            }
            pane.content.shrink_to_fit();
            size.updated = pane.content.len() as u64;
            for tally in &pane.content {
                tap.record(|| (pane.enter, pane.exit, tally.clone()));
            }
            account(size, &pane.content, 1);
        }
        self.advance(&batch);
        let RefoldPartials { rule, aggregate, ring, combiner, .. } = self;
        if !tick.covers_multiple_of(rule.map_or(1, |rule| rule.slide())) {
            return;
        }
        for (key, records, acc) in ring.inside().flat_map(|pane| &pane.content) {
            combiner.add_of(key, *records, acc.clone(), |acc, other| aggregate.merge(acc, other));
        }
        let rows = combiner.drain().map(|(key, records, acc)| {
            let out = aggregate.finish(records, &acc);
            (key, out)
        });
        output.give(Chunks::loose(rows.collect()));
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
            self.ring.waiting_pane(enter, exit).content.push(tally);
        }
    }

    fn contents(&mut self, batch: Batch<T>, _output: &mut Output<'_, Self::Output>) {
        self.advance(&batch);
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
