//! Property tests that every operator on tables gets for free.
//!
//! A [`Check`] needs three things: how to make the operator, how to make up a row, and which rows
//! belong together. It makes up histories, rows that come and go in batches, and holds the operator
//! to what any operator on tables promises, whatever it computes:
//!
//! - *any split*: the same rows in other batches, and in another order within a batch, give the same
//!   table in the end;
//! - *undone*: when every row that came has gone again, the table is that of nothing;
//! - *never less than none*: no row of the table is taken back that was not there;
//! - *killed and started again* from what its tap has given, any number of times, the operator has
//!   the same table and goes on alike;
//! - *any number of workers*: on bare timely, on 1, 2 and 4 workers, each batch changes alike.
//!
//! A history that breaks a promise is made smaller for as long as it still does. What a check can't
//! know is whether the table is the right one: for that compare with a plain recomputation.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use tidegate_operators::batched::{Batch, BatchOperator, Differences, Output, Route, Tap};
//! use tidegate_operators::check::Check;
//! use tidegate_operators::keyed::Distinct;
//! use tidegate_operators::{Chunks, Diff};
//!
//! let rows = Check::new(|random| random.below(9), |row| row);
//! assert_eq!(rows.run(Distinct::new), Ok(()));
//!
//! /// Every row once; but it has forgotten that a row may be there twice.
//! #[derive(Default)]
//! struct Hasty(BTreeMap<u64, Diff>);
//! impl BatchOperator<u64> for Hasty {
//!     type Input = Chunks<(u64, Diff)>;
//!     type Output = Vec<(u64, u64, Diff)>;
//!     type Saved = (u64, isize);
//!     fn close(
//!         &mut self,
//!         batch: Batch<u64>,
//!         input: Vec<Self::Input>,
//!         output: &mut Output<'_, Self::Output>,
//!         tap: &mut Tap<Self::Saved>,
//!     ) {
//!         let mut differences = Differences::new(output, batch.time);
//!         for (row, diff) in input.into_iter().flat_map(Chunks::into_rows) {
//!             let there = self.0.insert(row, diff.signum()).unwrap_or(-1);
//!             tap.record(|| (row, diff.signum()));
//!             match (there, diff.signum()) {
//!                 (-1, 1) => differences.push(row, 1),
//!                 (1, -1) => differences.push(row, -1),
//!                 _ => {}
//!             }
//!         }
//!     }
//!     fn route(saved: &Self::Saved) -> Route {
//!         Route::of_key(&saved.0)
//!     }
//!
//!     fn restore(&mut self, saved: Vec<Self::Saved>) {
//!         self.0.extend(saved);
//!     }
//!     fn contents(&mut self, batch: Batch<u64>, output: &mut Output<'_, Self::Output>) {
//!         let mut differences = Differences::new(output, batch.time);
//!         self.0.iter().filter(|(_, there)| **there > 0).for_each(|(row, _)| differences.push(*row, 1));
//!     }
//! }
//! let violation = rows.run(Hasty::default).unwrap_err();
//! assert_eq!(violation.promise, "any split");
//! // The smallest history: a row comes twice, and one of the two goes again.
//! assert_eq!(violation.history.concat().len(), 3);
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use timely::dataflow::operators::{Input, Inspect, Probe};

use crate::batched::{Attachment, Batch, BatchOperator, Folding, Output, Tap, attach};
use crate::codec::Codecs;
use crate::{Chunks, Diff, Peers, Record, Tick, ship, stable_hash};

/// Numbers that are the same everywhere.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Numbers(seed << 32)
    }

    /// A number from 0 to below `limit`; 0, if `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        stable_hash(&self.0) % limit.max(1)
    }
}

/// Rows that come and go, batch by batch.
pub type History<R> = Vec<Vec<(R, Diff)>>;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation<R> {
    /// Which promise.
    pub promise: &'static str,
    /// The seed of the first history that showed it.
    pub seed: u64,
    /// The smallest history found that shows it.
    pub history: History<R>,
    /// What happened.
    pub what: String,
}

impl<R: fmt::Debug> fmt::Display for Violation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}` does not hold (seed {}): {}", self.promise, self.seed, self.what)?;
        for (number, batch) in self.history.iter().enumerate() {
            writeln!(f, "  batch {}: {batch:?}", number + 1)?;
        }
        Ok(())
    }
}

impl<R: fmt::Debug> std::error::Error for Violation<R> {}

/// How operators on rows `R` are checked.
#[derive(Clone, Debug)]
pub struct Check<W, K> {
    row: W,
    key: K,
    seeds: Range<u64>,
    batches: u64,
}

type Rows<E> = BTreeMap<E, Diff>;

impl<W, K> Check<W, K> {
    /// Rows are made up by `row`: few different ones, so that they meet. Rows with the same `key`
    /// must be on one worker.
    pub fn new<R, Q>(row: W, key: K) -> Self
    where
        W: Fn(&mut Numbers) -> R,
        K: Fn(&R) -> &Q + Clone + Send + Sync + 'static,
        Q: Serialize + ?Sized,
    {
        Check { row, key, seeds: 0..20, batches: 12 }
    }

    /// Tries these seeds: one history for each.
    pub fn seeds(self, seeds: Range<u64>) -> Self {
        Check { seeds, ..self }
    }

    /// Makes up so many batches for each history.
    pub fn batches(self, batches: u64) -> Self {
        Check { batches, ..self }
    }

    /// Holds an operator to all promises.
    ///
    /// # Errors
    ///
    /// The first promise that is broken, with a small history that shows it.
    pub fn run<R, Q, E, O>(
        &self,
        operator: impl Fn() -> O + Clone + Send + Sync + 'static,
    ) -> Result<(), Violation<R>>
    where
        R: Record + Sync,
        Q: Serialize + ?Sized,
        W: Fn(&mut Numbers) -> R,
        K: Fn(&R) -> &Q + Clone + Send + Sync + 'static,
        E: Record,
        O: BatchOperator<u64, Input = Chunks<(R, Diff)>, Output = Vec<(E, u64, Diff)>>,
    {
        for seed in self.seeds.clone() {
            let history = self.history(seed);
            let promises: [(&'static str, Promise<'_, R>); 5] = [
                ("never less than none", &|history| {
                    by_hand(&operator, history, |_| false).map(drop)
                }),
                ("any split", &|history| any_split(&operator, history, seed)),
                ("undone", &|history| undone(&operator, history)),
                ("killed and started again", &|history| {
                    let whole = by_hand(&operator, history, |_| false)?;
                    for every in 1..4 {
                        let broken = by_hand(&operator, history, |batch| batch % every == 0)?;
                        same(&broken, &whole, "changes, when killed now and then")?;
                    }
                    Ok(())
                }),
                ("any number of workers", &|history| {
                    let alone = by_hand(&operator, history, |_| false)?;
                    for workers in [1, 2, 4] {
                        let found = on_workers(&operator, &self.key, history, workers)?;
                        same(&found, &alone, &format!("changes on {workers} workers"))?;
                    }
                    Ok(())
                }),
            ];
            for (promise, holds) in promises {
                if let Err(what) = holds(&history) {
                    let (history, what) = smaller(history, what, holds);
                    return Err(Violation { promise, seed, history, what });
                }
            }
        }
        Ok(())
    }

    /// A history in which no row goes that is not there.
    fn history<R: Record>(&self, seed: u64) -> History<R>
    where
        W: Fn(&mut Numbers) -> R,
    {
        let mut random = Numbers::new(seed);
        let mut there: Vec<R> = Vec::new();
        let mut batches = Vec::new();
        for _ in 0..self.batches {
            let changes = (0..random.below(12)).map(|_| {
                if there.is_empty() || random.below(5) < 3 {
                    let row = (self.row)(&mut random);
                    there.push(row.clone());
                    (row, 1)
                } else {
                    let place = random.below(there.len() as u64) as usize;
                    (there.swap_remove(place), -1)
                }
            });
            batches.push(changes.collect());
        }
        batches
    }
}

type Promise<'a, R> = &'a dyn Fn(&History<R>) -> Result<(), String>;

/// Takes away batches, then changes, for as long as the promise is still broken.
fn smaller<R: Record>(
    mut history: History<R>,
    mut what: String,
    holds: Promise<'_, R>,
) -> (History<R>, String) {
    let mut shrunk = true;
    while shrunk {
        shrunk = false;
        let places: Vec<(usize, Option<usize>)> = (0..history.len())
            .map(|batch| (batch, None))
            .chain((0..history.len()).flat_map(|batch| {
                (0..history[batch].len()).map(move |change| (batch, Some(change)))
            }))
            .rev()
            .collect();
        for (batch, change) in places {
            let mut less = history.clone();
            match change {
                None => drop(less.remove(batch)),
                Some(change) => drop(less[batch].remove(change)),
            }
            if is_possible(&less)
                && let Err(still) = holds(&less)
            {
                (history, what, shrunk) = (less, still, true);
                break;
            }
        }
    }
    (history, what)
}

/// Whether no row goes before it has come.
fn is_possible<R: Record>(history: &History<R>) -> bool {
    let mut there: BTreeMap<&R, Diff> = BTreeMap::new();
    history.iter().flatten().all(|(row, diff)| {
        let times = there.entry(row).or_default();
        *times += diff;
        *times >= 0
    })
}

fn any_split<R, E, O>(
    operator: &impl Fn() -> O,
    history: &History<R>,
    seed: u64,
) -> Result<(), String>
where
    R: Record,
    E: Record,
    O: BatchOperator<u64, Input = Chunks<(R, Diff)>, Output = Vec<(E, u64, Diff)>>,
{
    let table = added_up(&by_hand(operator, history, |_| false)?);
    let all = history.concat();
    let mut random = Numbers::new(seed);
    for parts in [1, 2, 5] {
        let mut split: History<R> = vec![Vec::new(); parts];
        for (place, change) in all.iter().enumerate() {
            split[place * parts / all.len()].push(change.clone());
        }
        // Within a batch there is no order.
        for batch in &mut split {
            for place in (1..batch.len()).rev() {
                batch.swap(place, random.below(place as u64 + 1) as usize);
            }
        }
        let found = added_up(&by_hand(operator, &split, |_| false)?);
        same(&found, &table, &format!("the table after {parts} batches"))?;
    }
    Ok(())
}

fn undone<R, E, O>(operator: &impl Fn() -> O, history: &History<R>) -> Result<(), String>
where
    R: Record,
    E: Record,
    O: BatchOperator<u64, Input = Chunks<(R, Diff)>, Output = Vec<(E, u64, Diff)>>,
{
    let nothing = added_up(&by_hand(operator, &vec![Vec::new(); history.len() + 1], |_| false)?);
    let mut there: Rows<R> = BTreeMap::new();
    for (row, diff) in history.iter().flatten() {
        *there.entry(row.clone()).or_default() -= diff;
    }
    let mut history = history.clone();
    history.push(there.into_iter().filter(|(_, diff)| *diff != 0).collect());
    let found = added_up(&by_hand(operator, &history, |_| false)?);
    same(&found, &nothing, "the table, when all rows have gone again")
}

/// The changes of each batch, without any dataflow; killed and started again after the batches that
/// `kill` names.
fn by_hand<R, E, O>(
    operator: &impl Fn() -> O,
    history: &History<R>,
    kill: impl Fn(u64) -> bool,
) -> Result<Vec<Rows<E>>, String>
where
    R: Record,
    E: Record,
    O: BatchOperator<u64, Input = Chunks<(R, Diff)>, Output = Vec<(E, u64, Diff)>>,
{
    let (mut running, mut tap) = (operator(), Tap::new(true));
    let (mut saved, mut changes) = (Vec::new(), Vec::new());
    // So many of the saved rows have been folded with nothing older behind them.
    let mut whole = 0;
    let mut table: Rows<E> = BTreeMap::new();
    for (batch, id) in history.iter().zip(1..) {
        let mut given: Rows<E> = BTreeMap::new();
        let mut early = None;
        let mut give = |message: &mut Vec<(E, u64, Diff)>| {
            for (row, time, diff) in message.drain(..) {
                early = early.or((time != id).then_some(time));
                *given.entry(row).or_default() += diff;
            }
        };
        let input = vec![Chunks::loose(batch.clone())];
        running.close(at(id), input, &mut Output::new(&mut give), &mut tap);
        if let Some(time) = early {
            return Err(format!("batch {id} gave a change at {time}"));
        }
        given.retain(|_, diff| *diff != 0);
        for (row, diff) in &given {
            *table.entry(row.clone()).or_default() += diff;
        }
        table.retain(|_, diff| *diff != 0);
        if let Some((row, times)) = table.iter().find(|(_, times)| **times < 0) {
            return Err(format!("{row:?} is in the table {times} times after batch {id}"));
        }
        changes.push(given);
        saved.extend(tap.take());
        if kill(id) {
            running = operator();
            // As checkpoints come back: folded bit by bit while it ran, and all together at last.
            let newer = O::fold(saved.split_off(whole), Folding { through: id, is_whole: false });
            saved = O::fold(saved, Folding { through: id, is_whole: true });
            whole = saved.len();
            saved.extend(newer);
            let all = Folding { through: id, is_whole: true };
            running.restore(O::fold(saved.clone(), all));
            let mut restored: Rows<E> = BTreeMap::new();
            let mut give = |message: &mut Vec<(E, u64, Diff)>| {
                for (row, _, diff) in message.drain(..) {
                    *restored.entry(row).or_default() += diff;
                }
            };
            running.contents(at(id), &mut Output::new(&mut give));
            restored.retain(|_, diff| *diff != 0);
            same(&restored, &table, &format!("the table, restored after batch {id}"))?;
        }
    }
    Ok(changes)
}

fn at(id: u64) -> Batch<u64> {
    let tick = Tick { id, previous: id - 1, time_ms: id as i64 * 1000, last: false };
    Batch { time: id, tick: Some(tick) }
}

/// The changes of each batch, on bare timely.
fn on_workers<R, Q, E, O>(
    operator: &(impl Fn() -> O + Clone + Send + Sync + 'static),
    key: &(impl Fn(&R) -> &Q + Clone + Send + Sync + 'static),
    history: &History<R>,
    workers: usize,
) -> Result<Vec<Rows<E>>, String>
where
    R: Record + Sync,
    Q: Serialize + ?Sized,
    E: Record,
    O: BatchOperator<u64, Input = Chunks<(R, Diff)>, Output = Vec<(E, u64, Diff)>>,
{
    let given = Arc::new(Mutex::new(vec![Rows::<E>::new(); history.len()]));
    let (desk, operator, key) = (Arc::clone(&given), operator.clone(), key.clone());
    let history = history.clone();
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, count) = (worker.index(), worker.peers());
        let (desk, key) = (Arc::clone(&desk), key.clone());
        let (mut rows, mut ticks, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let peers = Peers::new(index, count, count, Codecs::default());
            let (rows, changes) = scope.new_input::<Chunks<(R, Diff)>>();
            let (tick_input, ticks) = scope.new_input::<Vec<Tick>>();
            let owners = peers.clone();
            let shipped = ship::ship(changes, &peers, "by key", move |(row, _): &(R, Diff)| {
                owners.owner_of_key(key(row))
            });
            let attachment = Attachment::named("checked").on_ticks(ticks);
            let output = attach(shipped, operator(), attachment).output;
            let output = output.inspect_time(move |time, (row, _, diff)| {
                let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
                *desk[*time as usize - 1].entry(row.clone()).or_default() += diff;
            });
            (rows, tick_input, output.probe().0)
        });
        for (batch, id) in history.iter().zip(1..) {
            rows.advance_to(id);
            ticks.advance_to(id);
            let mine = batch.iter().skip(index).step_by(count).cloned().collect();
            rows.send_batch(&mut Chunks::loose(mine));
            ticks.send(at(id).tick.unwrap_or_default());
        }
        drop((rows, ticks));
        while !probe.done() {
            worker.step_or_park(Some(std::time::Duration::from_millis(1)));
        }
    })?;
    for ended in guards.join() {
        ended.map_err(|error| format!("a worker of {workers} ended with {error}"))?;
    }
    let mut given = given.lock().unwrap_or_else(PoisonError::into_inner).clone();
    given.iter_mut().for_each(|rows| rows.retain(|_, diff| *diff != 0));
    Ok(given)
}

fn added_up<E: Record>(changes: &[Rows<E>]) -> Rows<E> {
    let mut table = Rows::new();
    for (row, diff) in changes.iter().flatten() {
        *table.entry(row.clone()).or_default() += diff;
    }
    table.retain(|_, diff| *diff != 0);
    table
}

fn same<X: PartialEq + fmt::Debug>(found: &X, expected: &X, what: &str) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, and not {expected:?}"))
}
