//! Iteration inside a job: a table that is computed from itself, round by round, in each batch.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::{AsCollection, VecCollection};
use tidegate_operators::batched::{Load, Report, StateSize};
use tidegate_operators::iterate::{self, Course, Round, RoundsPerBatch, iterate};
use tidegate_operators::join::{self, KeyArrangement, PairArrangement};
use tidegate_operators::{Aggregate, Peers, Record, interop, ship};
use timely::container::NoopBuilder;
use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, Operator};
use timely::progress::Antichain;

use super::{ArrangedTable, Place, Table};
use crate::batch::{BatchId, Diff, RowStream};
use crate::context::Context;
use crate::dstream::DStream;
use crate::error::{BuildError, RunError};

type Rows<'i, D> = VecCollection<'i, Round<BatchId>, D, Diff>;

/// What comes of an iteration.
///
/// ```
/// # use tidegate::doc::batches;
/// // Halving until it is odd: 12 takes two rounds, 5 one, in which it stays.
/// let rounds = batches(vec![vec!["12"], vec!["5"], vec![]], |lines| {
///     let numbers = lines.flat_map(|line: String| line.parse::<u64>()).running().table();
///     let halved = numbers.iterate(10, |n| n.map(|n| if n % 2 == 0 { n / 2 } else { n }));
///     halved.rounds
/// });
/// assert_eq!(rounds, [[2], [1], [0]]);
/// ```
pub struct Iterated<'s, D: 'static> {
    /// The rows after the last round of each batch.
    pub table: Table<'s, D>,
    /// How many rounds each batch took: 0 if nothing changed. As many as were allowed: they may
    /// not have been enough.
    pub rounds: DStream<'s, u64>,
    pub(super) name: String,
    pub(super) rounds_max: u64,
}

impl<'s, D: Record> Iterated<'s, D> {
    /// Ends the job with [`RunError::RoundsExhausted`] at the first batch in which the last round
    /// that is allowed has still changed something, rather than go on with what is there then.
    /// Nothing of such a batch leaves the table.
    ///
    /// ```
    /// use tidegate::sink::Memory;
    /// use tidegate::source::Queue;
    /// use tidegate::{Config, Local, RunError};
    ///
    /// let (numbers, halves) = (Queue::new(1), Memory::new());
    /// let (source, sink) = (numbers.clone(), halves.clone());
    /// let mut local = Local::start(Config::new("halving"), move |ctx| {
    ///     let numbers = ctx.source(source.clone()).running().table();
    ///     let halved = numbers.iterate(4, |n| n.map(|n: u64| if n % 2 == 0 { n / 2 } else { n }));
    ///     halved.must_settle().table.snapshots().sink(sink.clone());
    /// })
    /// .unwrap();
    /// numbers.push([12]);
    /// local.tick();
    /// numbers.push([32]);
    /// let error = local.try_tick().unwrap_err();
    /// assert!(matches!(error, RunError::RoundsExhausted { batch: 2, rounds_max: 4, .. }));
    /// assert_eq!(halves.rows(), [[3]]);
    /// ```
    pub fn must_settle(self) -> Self {
        let (ctx, slide, rounds_max) = (self.table.ctx, self.table.slide, self.rounds_max);
        let (control, operator) = (Arc::clone(&ctx.build().control), self.name.clone());
        let rounds = self.rounds.chunks.clone();
        let verdict = rounds.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Settled", move |_, _| {
            // Kept for good: whoever waits for the batch must not take it for complete.
            let mut withheld = None;
            move |input, output| {
                input.for_each(|time, rounds| {
                    let rounds = std::mem::take(rounds).into_rows();
                    if withheld.is_none() && rounds.iter().any(|rounds| *rounds >= rounds_max) {
                        withheld = Some(time.retain(output.output_index()));
                        let (operator, batch) = (operator.clone(), *time.time());
                        control.fail(RunError::RoundsExhausted { operator, batch, rounds_max });
                    }
                });
            }
        });
        // No row comes from there, but no batch is complete before its verdict.
        let place = self.table.place.clone();
        let rows = self.table.into_collection().inner.concat(verdict).as_collection();
        let table = Table { place, ..Table::of_collection(ctx, rows, slide) };
        Iterated { table, ..self }
    }
}

/// A table inside an [iteration](Table::iterate): it has contents in each round of each batch.
///
/// ```
/// # use tidegate::doc::batches;
/// // The length of the shortest way from `a`.
/// let lengths = batches(vec![vec!["ab", "bc", "cd", "ad"]], |lines| {
///     let ends = |line: String| (line[..1].to_string(), line[1..].to_string());
///     let ways = lines.map(ends).running().table().arranged_by_key();
///     let start = ways.semi_join(&ways).map(|(from, _)| (from, 0u64));
///     let start = start.filter(|(from, _)| from == "a").distinct();
///     let lengths = start.iterate(100, move |lengths| {
///         let longer = lengths.clone().join(&ways).map(|(_, (length, to))| (to, length + 1));
///         lengths.union(longer).min_by_key()
///     });
///     lengths.table.map(|(to, length)| format!("{to}{length}")).snapshots()
/// });
/// assert_eq!(lengths, [["a0", "b1", "c2", "d1"]]);
/// ```
///
/// Its operations are those of tables. All keep what they need in differential's arrangements, for
/// each round in which it differs from the round before.
pub struct Nested<'i, D: 'static> {
    rows: Rows<'i, D>,
    /// Where its rows are, if they are where they belong and no two differences at the same time
    /// cancel.
    settled: Option<Place<D>>,
    shared: Rc<Shared<'i>>,
}

struct Shared<'i> {
    scope: Scope<'i, Round<BatchId>>,
    peers: Peers,
    slide: u64,
    gauges: Gauges,
}

/// What measures each arrangement, when all are told through which batch they are complete.
pub(super) type Gauges = Rc<RefCell<Vec<Box<dyn FnMut(&Antichain<Round<BatchId>>) -> StateSize>>>>;

impl<D: Clone + 'static> Clone for Nested<'_, D> {
    fn clone(&self) -> Self {
        let (rows, settled) = (self.rows.clone(), self.settled.clone());
        Nested { rows, settled, shared: Rc::clone(&self.shared) }
    }
}

impl<'s, D: Record> Table<'s, D> {
    /// Applies `body` to the table, to what comes out of that, and so on, until a round changes
    /// nothing; after `rounds_max` rounds it stops, with what is there then.
    ///
    /// Incremental: a batch costs, in each round, what its changes have changed in that round.
    /// The contents are those of an iteration from scratch, rows that went included. Where programs
    /// are recomputed ([`Strategy::Recompute`](crate::Strategy::Recompute)) it goes by the
    /// differences between contents.
    ///
    /// Kept: what the operations of `body` keep, for each round that differs from the one before.
    ///
    /// ```
    /// # use tidegate::doc::batches;
    /// // Everything downstream of the spring.
    /// let below = batches(vec![vec!["spring-brook", "brook-tide", "moor-bog"]], |lines| {
    ///     let rivers = lines.flat_map(|line: String| {
    ///         line.split_once('-').map(|(from, to)| (from.to_string(), to.to_string()))
    ///     });
    ///     let rivers = rivers.running().table().distinct();
    ///     let spring = rivers.clone().map(|(from, _)| from).filter(|from| from == "spring");
    ///     let below = spring.clone().distinct().iterate(100, move |below| {
    ///         let next = below.clone().map(|place| (place, ())).join(rivers);
    ///         below.union(next.map(|(_, ((), to))| to)).distinct()
    ///     });
    ///     below.table.snapshots()
    /// });
    /// assert_eq!(below[0].len(), 3);
    /// assert!(below[0].contains(&"tide".to_string()) && !below[0].contains(&"bog".to_string()));
    /// ```
    ///
    /// # Panics
    ///
    /// If `rounds_max` is 0.
    pub fn iterate<F>(self, rounds_max: u64, body: F) -> Iterated<'s, D>
    where
        F: for<'i> FnOnce(Nested<'i, D>) -> Nested<'i, D>,
    {
        let (ctx, slide, uid) = (self.ctx, self.slide, self.options.uid.clone());
        let (peers, outer) = (ctx.peers(), ctx.scope());
        let named = ctx.build().name_operator("iterate", uid.as_deref());
        let gauges = Gauges::default();
        let mut place = None;
        let iterated = iterate(outer, self.into_collection(), rounds_max, |scope, rows| {
            let gauges = Rc::clone(&gauges);
            let shared = Rc::new(Shared { scope, peers: peers.clone(), slide, gauges });
            let result = body(Nested { rows, settled: None, shared });
            let result = result.settled();
            place = result.settled;
            result.rows
        });
        let iterated = told(ctx, named, slide, rounds_max, iterated, gauges);
        Iterated { table: Table { place, ..iterated.table }, ..iterated }
    }
}

/// The table of an iteration, and what is told of its rounds.
pub(super) fn told<'s, D: Record>(
    ctx: Context<'s>,
    (number, name): (u32, String),
    slide: u64,
    rounds_max: u64,
    iterated: iterate::Iterated<'s, BatchId, D>,
    gauges: Gauges,
) -> Iterated<'s, D> {
    ctx.report(number, measured(iterated.courses.clone(), gauges));
    let peers = ctx.peers();
    let owner = peers.owner_of_key(&());
    let rounds = interop::chunked(iterated.courses.map(|course| course.rounds));
    let rounds = ship::ship(rounds, peers, "rounds", move |_| owner);
    let operator = RoundsPerBatch::new(owner == peers.index());
    let rounds = ctx.attach_per_batch("Rounds", rounds, operator);
    ctx.report_rounds(number, rounds.clone(), rounds_max);
    let table = Table::of_collection(ctx, iterated.output, slide);
    Iterated { table, rounds: ctx.dstream(rounds), name, rounds_max }
}

/// The size of all arrangements after each batch that has changed the result.
fn measured(courses: RowStream<'_, Course>, gauges: Gauges) -> RowStream<'_, Report> {
    courses.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Measure", move |_, _| {
        move |input, output| {
            input.for_each(|time, courses| {
                let updated = courses.drain(..).map(|course| course.updates).sum();
                let through = Antichain::from_elem(Round::new(*time.time(), 0));
                let mut size = StateSize { updated, ..StateSize::default() };
                for gauge in gauges.borrow_mut().iter_mut() {
                    let arrangement = gauge(&through);
                    size.keys += arrangement.keys;
                    size.bytes += arrangement.bytes;
                }
                let load = Load { rows: updated, ..Load::default() };
                output.session_with_builder(&time).give_container(&mut vec![Report { size, load }]);
            });
        }
    })
}

impl<'i, D: Record> Nested<'i, D> {
    fn with<E>(&self, rows: Rows<'i, E>) -> Nested<'i, E> {
        Nested { rows, settled: None, shared: Rc::clone(&self.shared) }
    }

    /// The same rows where they belong, without differences that cancel.
    fn settled(self) -> Self {
        if self.settled.is_some() {
            return self;
        }
        let rows = join::consolidated(self.rows.clone(), &self.shared.peers, "Nested");
        Nested { rows, settled: Some(Place::by_row()), ..self }
    }

    /// A table from outside the iteration, the same in all rounds.
    pub fn enter<E: Record>(&self, table: Table<'_, E>) -> Nested<'i, E> {
        self.check_slide("iterate", table.ctx, table.slide);
        self.with(table.into_collection().enter(self.shared.scope))
    }

    /// One row for each row.
    pub fn map<E: Record>(self, logic: impl FnMut(D) -> E + 'static) -> Nested<'i, E> {
        self.with(self.rows.clone().map(logic))
    }

    /// Any number of rows for each row.
    pub fn flat_map<I>(self, mut logic: impl FnMut(D) -> I + 'static) -> Nested<'i, I::Item>
    where
        I: IntoIterator,
        I::Item: Record,
    {
        let rows = self.rows.clone();
        self.with(rows.flat_map(move |row| logic(row).into_iter().collect::<Vec<_>>()))
    }

    /// The rows for which `keep` holds.
    pub fn filter(self, keep: impl FnMut(&D) -> bool + 'static) -> Nested<'i, D> {
        Nested { rows: self.rows.clone().filter(keep), ..self }
    }

    /// The rows of both tables: a row that is in both is there twice.
    pub fn union(self, other: Nested<'i, D>) -> Nested<'i, D> {
        self.with(self.rows.clone().concat(other.rows))
    }

    /// Each row once, for as long as it is there at all.
    pub fn distinct(self) -> Nested<'i, D> {
        let distinct = self.once();
        let rows = distinct.as_collection(|row, ()| row.clone());
        Nested { settled: Some(Place::by_row()), ..self.with(rows) }
    }

    fn once(&self) -> KeyArrangement<'i, Round<BatchId>, D> {
        let distinct = join::distinct(self.rows.clone(), &self.shared.peers, "Nested");
        let mut gauge = join::gauge(&distinct, size_of::<(D, Round<BatchId>, Diff)>());
        let gauge = move |through: &Antichain<_>| gauge(through.borrow());
        self.shared.gauges.borrow_mut().push(Box::new(gauge));
        distinct
    }

    fn check_slide(&self, operation: &'static str, ctx: Context<'_>, slide: u64) {
        if slide != self.shared.slide {
            let (left, right) = (self.shared.slide, slide);
            ctx.reject(BuildError::Slides { operation, left, right });
        }
    }
}

/// What a table by key inside an iteration can be joined with: another one there, or one from
/// outside, whose index is then built once and shared by all rounds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be joined by keys of type `{K}` inside an iteration",
    note = "a nested table of pairs `({K}, W)` can, a table of such pairs from outside, and what \
            its `arranged_by_key` gives"
)]
pub trait InRounds<'i, K: Record> {
    /// The values that it has under a key.
    type Value: Record;

    /// Every pair of values under the same key.
    #[doc(hidden)]
    fn matched<V: Record>(self, with: &Nested<'i, (K, V)>) -> Nested<'i, (K, (V, Self::Value))>;

    /// The rows of `of` whose key is here.
    #[doc(hidden)]
    fn present<V: Record>(self, of: &Nested<'i, (K, V)>) -> Nested<'i, (K, V)>;
}

impl<'i, K: Record, W: Record> InRounds<'i, K> for Nested<'i, (K, W)> {
    type Value = W;

    fn matched<V: Record>(self, with: &Nested<'i, (K, V)>) -> Nested<'i, (K, (V, W))> {
        with.with(join::inner(with.arranged(), self.arranged()))
    }

    fn present<V: Record>(self, of: &Nested<'i, (K, V)>) -> Nested<'i, (K, V)> {
        let keys = self.map(|(key, _)| key).once();
        of.with(join::semi(of.arranged(), keys))
    }
}

impl<'i, K: Record, W: Record> InRounds<'i, K> for &ArrangedTable<'_, K, W> {
    type Value = W;

    fn matched<V: Record>(self, with: &Nested<'i, (K, V)>) -> Nested<'i, (K, (V, W))> {
        with.check_slide("join", self.context(), self.slide());
        let outside = self.rows().enter(with.shared.scope);
        with.with(with.arranged().join_core(outside, |key, value, other: &W| {
            Some((key.clone(), (value.clone(), other.clone())))
        }))
    }

    fn present<V: Record>(self, of: &Nested<'i, (K, V)>) -> Nested<'i, (K, V)> {
        of.check_slide("semi_join", self.context(), self.slide());
        let keys = self.keys().enter(of.shared.scope);
        of.with(of.arranged().join_core(keys, |key, value, ()| Some((key.clone(), value.clone()))))
    }
}

impl<'i, K: Record, W: Record> InRounds<'i, K> for ArrangedTable<'_, K, W> {
    type Value = W;

    fn matched<V: Record>(self, with: &Nested<'i, (K, V)>) -> Nested<'i, (K, (V, W))> {
        (&self).matched(with)
    }

    fn present<V: Record>(self, of: &Nested<'i, (K, V)>) -> Nested<'i, (K, V)> {
        (&self).present(of)
    }
}

impl<'i, K: Record, W: Record> InRounds<'i, K> for Table<'_, (K, W)> {
    type Value = W;

    fn matched<V: Record>(self, with: &Nested<'i, (K, V)>) -> Nested<'i, (K, (V, W))> {
        self.arranged_by_key().matched(with)
    }

    fn present<V: Record>(self, of: &Nested<'i, (K, V)>) -> Nested<'i, (K, V)> {
        self.arranged_by_key().present(of)
    }
}

impl<'i, K: Record, V: Record> Nested<'i, (K, V)> {
    fn arranged(&self) -> PairArrangement<'i, Round<BatchId>, K, V> {
        let arranged = join::by_key(self.rows.clone(), &self.shared.peers, "Nested");
        self.sized(arranged)
    }

    fn sized<W: Record>(
        &self,
        arranged: PairArrangement<'i, Round<BatchId>, K, W>,
    ) -> PairArrangement<'i, Round<BatchId>, K, W> {
        let update_bytes = size_of::<((K, W), Round<BatchId>, Diff)>();
        let mut gauge = join::gauge(&arranged, update_bytes);
        let gauge = move |through: &Antichain<_>| gauge(through.borrow());
        self.shared.gauges.borrow_mut().push(Box::new(gauge));
        arranged
    }

    /// Another value for each value.
    pub fn map_values<W>(self, mut logic: impl FnMut(V) -> W + 'static) -> Nested<'i, (K, W)>
    where
        W: Record,
    {
        self.map(move |(key, value)| (key, logic(value)))
    }

    /// Every pair of values under the same key.
    pub fn join<J: InRounds<'i, K>>(self, other: J) -> Nested<'i, (K, (V, J::Value))> {
        other.matched(&self)
    }

    /// The rows whose key the other table has.
    pub fn semi_join<J: InRounds<'i, K>>(self, other: J) -> Nested<'i, (K, V)> {
        other.present(&self)
    }

    /// The rows whose key the other table has not.
    pub fn anti_join<J: InRounds<'i, K>>(self, other: J) -> Nested<'i, (K, V)> {
        let present = other.present(&self).rows;
        self.with(self.rows.clone().concat(present.negate()))
    }

    /// The smallest value of each key.
    pub fn min_by_key(self) -> Nested<'i, (K, V)> {
        self.reduced(|values| {
            let mut there = values.iter().filter(|(_, times)| *times > 0);
            there.next().map(|(value, _)| (*value).clone())
        })
    }

    /// The largest value of each key.
    pub fn max_by_key(self) -> Nested<'i, (K, V)> {
        self.reduced(|values| {
            let mut there = values.iter().rev().filter(|(_, times)| *times > 0);
            there.next().map(|(value, _)| (*value).clone())
        })
    }

    /// The aggregate of each key's values, computed anew from all of them when one changes.
    pub fn aggregate_by_key<A: Aggregate<V>>(self, aggregate: A) -> Nested<'i, (K, A::Out)> {
        self.reduced(move |values| {
            let mut whole: Option<(i64, A::Acc)> = None;
            for (value, times) in values {
                for _ in 0..*times {
                    let one = aggregate.lift((*value).clone());
                    match &mut whole {
                        None => whole = Some((1, one)),
                        Some((records, acc)) => {
                            *records += 1;
                            aggregate.merge(acc, one);
                        }
                    }
                }
            }
            whole.map(|(records, acc)| aggregate.finish(records, &acc))
        })
    }

    fn reduced<W: Record>(
        &self,
        result: impl Fn(&[(&V, Diff)]) -> Option<W> + 'static,
    ) -> Nested<'i, (K, W)> {
        let reduced = join::reduce(self.arranged(), "Nested", move |_key, values, results| {
            results.extend(result(values).map(|result| (result, 1)));
        });
        let reduced = self.sized(reduced);
        let rows = reduced.as_collection(|key, value| (key.clone(), value.clone()));
        Nested { settled: Some(Place::by_key()), ..self.with(rows) }
    }
}
