//! The same aggregates on differential's arrangements.
//!
//! An arrangement is a sorted, shared, multi-version index. For aggregates by key it is three to
//! six times slower than the hash index, and it is what joins and iteration read; having both
//! behind one operator makes them comparable.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use differential_dataflow::VecCollection;
use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::{
    ContainerChunker, KeyBatcher, KeyBuilder, KeySpine, ValBatcher, ValBuilder, ValSpine,
};
use differential_dataflow::trace::{BatchReader, Cursor, Navigable, TraceReader};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Concat, Operator};
use timely::dataflow::{Stream, StreamVec};
use timely::progress::Antichain;

use crate::batched::{Attached, Attachment, Differences, Output, Report};
use crate::combine::Tally;
use crate::join::arranged_reports;
use crate::{Aggregate, Chunks, Diff, Epoch, Record};

/// An accumulator as differential's difference: records and accumulator add up together.
struct Weight<V, A: Aggregate<V>> {
    records: i64,
    acc: A::Acc,
    aggregate: A,
    values: PhantomData<fn(V)>,
}

impl<V, A: Aggregate<V>> Weight<V, A> {
    /// The result; a row exists if and only if its number of records is not zero.
    fn finish(&self) -> Option<A::Out> {
        (self.records != 0).then(|| self.aggregate.finish(self.records, &self.acc))
    }
}

impl<V, A: Aggregate<V>> Clone for Weight<V, A> {
    fn clone(&self) -> Self {
        Weight {
            records: self.records,
            acc: self.acc.clone(),
            aggregate: self.aggregate.clone(),
            values: PhantomData,
        }
    }
}

impl<V, A: Aggregate<V>> fmt::Debug for Weight<V, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Weight").field(&self.records).field(&self.acc).finish()
    }
}

impl<V, A: Aggregate<V>> PartialEq for Weight<V, A> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<V, A: Aggregate<V>> Eq for Weight<V, A> {}

impl<V, A: Aggregate<V>> PartialOrd for Weight<V, A> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V, A: Aggregate<V>> Ord for Weight<V, A> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.records, &self.acc).cmp(&(other.records, &other.acc))
    }
}

impl<V, A: Aggregate<V>> IsZero for Weight<V, A> {
    /// No records, and an accumulator that adds nothing. Records that cancel in number may still
    /// have changed the sum: those must stay.
    fn is_zero(&self) -> bool {
        if self.records != 0 || !A::SUBTRACTS {
            return false;
        }
        let mut zero = self.acc.clone();
        self.aggregate.unmerge(&mut zero, self.acc.clone());
        zero == self.acc
    }
}

impl<V, A: Aggregate<V>> Semigroup for Weight<V, A> {
    fn plus_equals(&mut self, other: &Self) {
        self.records += other.records;
        self.aggregate.merge(&mut self.acc, other.acc.clone());
    }
}

/// Adds tallies up by key in an arrangement: what [`Accumulate`](super::Accumulate) does in a hash
/// index, with the same output and the same saved rows. Tallies must have been shipped by key.
pub fn accumulate_arranged<'s, T, K, V, A>(
    tallies: Stream<'s, T, Chunks<Tally<K, A::Acc>>>,
    attachment: Attachment<'s, T, Held<K, A::Acc>>,
    aggregate: A,
) -> Attached<'s, T, Vec<((K, A::Out), T, Diff)>, Held<K, A::Acc>>
where
    T: Epoch,
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    let Attachment { name, restore, tapped, .. } = attachment;
    let is_restored = restore.is_some();
    let weight = {
        let aggregate = aggregate.clone();
        move |records, acc| {
            let aggregate = aggregate.clone();
            Weight { records, acc, aggregate, values: PhantomData }
        }
    };
    let weigh = weight.clone();
    let mut updates = tallies.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Weigh", move |_, _| {
        move |input, output| {
            input.for_each(|time, chunks| {
                // What was restored before it is in its own restored state.
                if is_restored && *time.time() == T::minimum() {
                    return;
                }
                let rows = std::mem::take(chunks).into_rows().into_iter();
                let mut updates: Vec<((K, ()), T, Weight<V, A>)> = rows
                    .map(|(key, records, acc)| ((key, ()), *time.time(), weigh(records, acc)))
                    .collect();
                output.session_with_builder(&time).give_container(&mut updates);
            });
        }
    });
    if let Some(restore) = restore {
        let rows = restore.rows;
        let held = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Weigh", move |_, _| {
            move |input, output| {
                input.for_each(|time, rows| {
                    let held = rows.drain(..).filter_map(|(key, held)| Some((key, held?)));
                    let mut updates: Vec<((K, ()), T, Weight<V, A>)> = held
                        .map(|(key, (records, acc))| {
                            ((key, ()), *time.time(), weight(records, acc))
                        })
                        .collect();
                    output.session_with_builder(&time).give_container(&mut updates);
                });
            }
        });
        updates = updates.concat(held);
    }
    let arranged: Arranged<'s, _> = arrange_core::<
        _,
        _,
        ContainerChunker<Vec<((K, ()), T, Weight<V, A>)>>,
        KeyBatcher<K, T, Weight<V, A>>,
        KeyBuilder<K, T, Weight<V, A>>,
        KeySpine<K, T, Weight<V, A>>,
    >(updates, Pipeline, &format!("Arrange: {name}"));
    let reports = arranged_reports(&arranged, size_of::<(K, T, Weight<V, A>)>());
    let (output, tap) = total_by_key(arranged, &name, tapped);
    Attached { output, tap, reports }
}

/// What is held for a key, as it is saved: records and accumulator; nothing once it is gone.
pub type Held<K, A> = (K, Option<(i64, A)>);

/// What comes out of an arranged reduction.
pub struct Reduced<'s, T: Epoch, D: Clone + 'static> {
    /// The table of results, as differences.
    pub output: VecCollection<'s, T, D, Diff>,
    /// The size of the arrangement after each batch that changed it, and what came in.
    pub reports: StreamVec<'s, T, Report>,
}

type Totals<K, V, A, T> = KeySpine<K, T, Weight<V, A>>;

/// Reads each key's total off the trace as it was before each new batch, and as it is after it: the
/// results, and what is held for each key that changed, if that is wanted.
///
/// Kept: the arrangement alone, which this operator's own handle holds up to the last batch read.
fn total_by_key<'s, T, K, V, A>(
    arranged: Arranged<'s, TraceAgent<Totals<K, V, A, T>>>,
    name: &str,
    tapped: bool,
) -> (StreamVec<'s, T, ((K, A::Out), T, Diff)>, Option<StreamVec<'s, T, Held<K, A::Acc>>>)
where
    T: Epoch,
    K: Record,
    V: 'static,
    A: Aggregate<V>,
{
    let mut trace = arranged.trace;
    let mut builder = OperatorBuilder::new(format!("Total: {name}"), arranged.stream.scope());
    let mut input = builder.new_input(arranged.stream, Pipeline);
    let (output, output_stream) = builder.new_output();
    let mut output = OutputBuilder::<T, NoopBuilder<Vec<_>>>::from(output);
    let (mut tap, tap_stream) = if tapped {
        let (tap, stream) = builder.new_output();
        (Some(OutputBuilder::<T, NoopBuilder<Vec<Held<K, A::Acc>>>>::from(tap)), Some(stream))
    } else {
        (None, None)
    };
    builder.build(move |_| {
        let mut through = Antichain::from_elem(T::minimum());
        move |_frontiers| {
            let mut output = output.activate();
            input.for_each(|capability, batches| {
                let mut held: BTreeMap<T, Vec<Held<K, A::Acc>>> = BTreeMap::new();
                let capable = capability.retain(0);
                let mut session = output.session_with_builder(&capable);
                let mut give = |rows: &mut Vec<_>| session.give_container(rows);
                let mut output = Output::new(&mut give);
                let mut differences = Differences::new(&mut output, *capability.time());
                for batch in batches.drain(..) {
                    // The trace through the end of the batch before: what was.
                    let (mut past, past_storage) = trace
                        .cursor_through(through.borrow())
                        .expect("this handle has not let go of it");
                    let mut cursor = batch.cursor();
                    while let Some(key) = cursor.get_key(&batch) {
                        let mut total: Option<Weight<V, A>> = None;
                        past.seek_key(&past_storage, key);
                        if past.get_key(&past_storage) == Some(key) {
                            past.map_times(&past_storage, |_, weight| add(&mut total, weight));
                        }
                        cursor.map_times(&batch, |time, weight| {
                            let before = total.as_ref().and_then(Weight::finish);
                            add(&mut total, weight);
                            let after = total.as_ref().and_then(Weight::finish);
                            differences.replace_at(key, *time, before, after);
                            // What was restored is saved already.
                            if tap.is_some() && *time != T::minimum() {
                                let total = total.as_ref().filter(|total| !total.is_zero());
                                let state = total.map(|t| (t.records, t.acc.clone()));
                                held.entry(*time).or_default().push((key.clone(), state));
                            }
                        });
                        cursor.step_key(&batch);
                    }
                    through.clone_from(batch.upper());
                }
                drop(differences);
                if let Some(tap) = &mut tap {
                    let mut tap = tap.activate();
                    for (time, mut rows) in held {
                        let capability = capability.delayed(&time, 1);
                        tap.session_with_builder(&capability).give_container(&mut rows);
                    }
                }
            });
            trace.advance_upper(&mut through);
            trace.set_logical_compaction(through.borrow());
            trace.set_physical_compaction(through.borrow());
        }
    });
    (output_stream, tap_stream)
}

fn add<V, A: Aggregate<V>>(total: &mut Option<Weight<V, A>>, weight: &Weight<V, A>) {
    match total {
        None => *total = Some(weight.clone()),
        Some(total) => total.plus_equals(weight),
    }
}

/// The aggregate of each key over rows that may be retracted, by differential's general reduce:
/// what [`Multisets`](super::Multisets) does, with the same output. Rows must have been shipped by
/// key.
pub fn reduce_arranged<'s, T, K, V, A>(
    rows: Stream<'s, T, Chunks<((K, V), Diff)>>,
    name: &str,
    aggregate: A,
) -> Reduced<'s, T, (K, A::Out)>
where
    T: Epoch,
    K: Record,
    V: Record,
    A: Aggregate<V>,
{
    let updates = crate::differences::timed(rows);
    let arranged: Arranged<'s, _> = arrange_core::<
        _,
        _,
        ContainerChunker<Vec<((K, V), T, Diff)>>,
        ValBatcher<K, V, T, Diff>,
        ValBuilder<K, V, T, Diff>,
        ValSpine<K, V, T, Diff>,
    >(updates.inner, Pipeline, &format!("Arrange: {name}"));
    let reports = arranged_reports(&arranged, size_of::<(K, V, T, Diff)>());
    let output = arranged
        .reduce_abelian::<_, ValBuilder<K, A::Out, T, Diff>, ValSpine<K, A::Out, T, Diff>, _, _>(
            &format!("Reduce: {name}"),
            move |_key, values, results| {
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
                if let Some((records, acc)) = whole {
                    results.push((aggregate.finish(records, &acc), 1));
                }
            },
            |updates, key, rows| {
                updates.clear();
                updates
                    .extend(rows.drain(..).map(|(out, at, diff)| ((key.clone(), out), at, diff)));
            },
        )
        .as_collection(|key, out| (key.clone(), out.clone()));
    Reduced { output, reports }
}
