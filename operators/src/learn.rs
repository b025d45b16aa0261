//! Learning: a model that every worker has, and that the rows of each batch make a better one.
//!
//! ```text
//!           ┌──── letters: what each worker's rows say ────┐
//!    rows ──▶ gather, on each worker ──▶ to all workers ──▶ improve, on each worker ──▶ models
//!           └── another round, as long as there is one ────┘
//! ```
//!
//! Why it is correct: all workers begin with the same model. In a round each of them gathers what
//! its rows say about the model, and sends that to all; who has the letters of all workers puts
//! them together, in the order of the workers, and improves its model by them. So all workers have
//! the same model after each round, since they have done the same with the same letters. A batch
//! begins with the model that the batch before ended with; it begins on a worker when the
//! frontier has passed its rows, which says that no worker has others.
//!
//! Where the sums are [exact](crate::ExactSum), what the letters come to is the same number
//! whichever worker has which row, and so the model is the same, to the last bit, on any number of
//! workers.

use std::collections::BTreeMap;
use std::time::Instant;

use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{
    Capability, ConnectLoop, Enter, Feedback, InputCapability, Leave,
};
use timely::order::Product;
use timely::progress::frontier::MutableAntichain;
use timely::progress::operate::FrontierInterest;

use crate::batched::{Attached, Attachment, Load, Report, StateSize};
use crate::iterate::Round;
use crate::{Chunks, Epoch, Peers, Record, heap_bytes, ship};

/// How a model is learned.
///
/// What [`gather`](Learner::gather) gives must not depend on the order of the rows, nor what
/// several of them [come to](Learner::merge) on how the rows were dealt to the workers: then the
/// model does not depend on the number of workers. Integers add up in any order, floats in an
/// [`ExactSum`](crate::ExactSum).
///
/// ```
/// use tidegate_operators::learn::Learner;
///
/// /// The largest value so far.
/// #[derive(Clone)]
/// struct HighWater;
///
/// impl Learner<i64> for HighWater {
///     type Model = i64;
///     type Evidence = Option<i64>;
///
///     fn gather(&self, _model: &i64, _round: u64, rows: &[i64]) -> Option<i64> {
///         rows.iter().copied().max()
///     }
///     fn merge(&self, evidence: &mut Option<i64>, other: Option<i64>) {
///         *evidence = (*evidence).max(other);
///     }
///     fn improve(&self, model: &mut i64, _round: u64, evidence: Option<i64>) -> bool {
///         *model = evidence.map_or(*model, |highest| highest.max(*model));
///         false
///     }
/// }
///
/// let (mut evidence, mut model) = (HighWater.gather(&0, 0, &[3, 7]), 5);
/// HighWater.merge(&mut evidence, HighWater.gather(&0, 0, &[]));
/// assert!(!HighWater.improve(&mut model, 0, evidence) && model == 7);
/// ```
pub trait Learner<D>: 'static {
    /// What is learned. It should be small: every worker has it, and it is kept for each batch in
    /// flight.
    type Model: Record;

    /// What rows say about a model: sums, as a rule. It is sent from every worker to every other
    /// in each round.
    type Evidence: Record;

    /// What the rows of one worker say about the model, in a round of a batch; rounds are counted
    /// from 0.
    fn gather(&self, model: &Self::Model, round: u64, rows: &[D]) -> Self::Evidence;

    /// Puts together what the rows of two workers say.
    fn merge(&self, evidence: &mut Self::Evidence, other: Self::Evidence);

    /// Improves the model by what all rows of the batch say, and tells whether to ask them once
    /// more. Called for batches without rows, too.
    fn improve(&self, model: &mut Self::Model, round: u64, evidence: Self::Evidence) -> bool;
}

/// A letter: to whom, from whom, and what the sender's rows say.
type Letter<E> = (u64, u64, E);

/// A batch that is not over for all workers.
struct Open<T: Epoch, D> {
    /// The right to send the first letters, and to write: the model, the report, the tap.
    capabilities: Vec<Capability<Round<T>>>,
    rows: Vec<D>,
}

/// The letters of one round.
struct Mail<T: Epoch, E> {
    /// The right to send those of the next round.
    capability: Capability<Round<T>>,
    letters: Vec<(u64, E)>,
}

/// The batch that is being learned from.
struct Lesson<T: Epoch, D, M> {
    batch: T,
    round: u64,
    rows: Vec<D>,
    capabilities: Vec<Capability<Round<T>>>,
    before: M,
    load: Load,
}

/// Learns from every batch; gives the model after each of them, on every worker.
///
/// A batch begins with its tick: the attachment must have the ticks, the same on all workers. The
/// tap gives the model when it has changed, on the worker that owns the empty key; restored rows
/// must be given to all workers, and the last one counts.
///
/// Kept: the model. A batch costs, in each round, what the learner asks of its rows, and a letter
/// from each worker to each.
///
/// ```
/// # use tidegate_operators::learn::Learner;
/// # #[derive(Clone)]
/// # struct HighWater;
/// # impl Learner<i64> for HighWater {
/// #     type Model = i64;
/// #     type Evidence = Option<i64>;
/// #     fn gather(&self, _model: &i64, _round: u64, rows: &[i64]) -> Option<i64> {
/// #         rows.iter().copied().max()
/// #     }
/// #     fn merge(&self, evidence: &mut Option<i64>, other: Option<i64>) {
/// #         *evidence = (*evidence).max(other);
/// #     }
/// #     fn improve(&self, model: &mut i64, _round: u64, evidence: Option<i64>) -> bool {
/// #         *model = evidence.map_or(*model, |highest| highest.max(*model));
/// #         false
/// #     }
/// # }
/// use tidegate_operators::batched::Attachment;
/// use tidegate_operators::{Peers, Tick, codec::Codecs, interop, learn::learn};
/// use timely::dataflow::operators::{Input, Inspect};
///
/// timely::execute_directly(|worker| {
///     let (mut rows, mut ticks) = worker.dataflow::<u64, _, _>(|scope| {
///         let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
///         let (rows, stream) = scope.new_input();
///         let (ticks, ticking) = scope.new_input();
///         let attachment = Attachment::named("high water").on_ticks(ticking);
///         let learned = learn(interop::chunked(stream), &peers, HighWater, 0, attachment);
///         interop::rows(learned.output).inspect(|model| assert_eq!(*model, 7));
///         (rows, ticks)
///     });
///     for (batch, values) in [(1u64, vec![3i64, 7]), (2, vec![5])] {
///         rows.advance_to(batch);
///         ticks.advance_to(batch);
///         ticks.send(Tick { id: batch, ..Tick::default() });
///         values.into_iter().for_each(|value| rows.send(value));
///     }
/// });
/// ```
///
/// # Panics
///
/// If the attachment has no ticks.
pub fn learn<'s, T, D, L>(
    rows: Stream<'s, T, Chunks<D>>,
    peers: &Peers,
    learner: L,
    model: L::Model,
    attachment: Attachment<'s, T, L::Model>,
) -> Attached<'s, T, Chunks<L::Model>, L::Model>
where
    T: Epoch,
    D: Record,
    L: Learner<D>,
{
    let scope = rows.scope();
    let ticks = attachment.ticks.expect("a batch begins with its tick: attach the ticks");
    let (restored, tapped, name) = (attachment.restore, attachment.tapped, attachment.name);
    scope.scoped::<Round<T>, _, _>(&name, |inner| {
        let (handle, fed_back) = inner.feedback(Product::new(Default::default(), 1));
        let mut builder = OperatorBuilder::new(name.clone(), inner);
        let mut rows = builder.new_input(rows.enter(inner), Pipeline);
        let mut ticks = builder.new_input(ticks.enter(inner), Pipeline);
        let mut fed_back = builder.new_input(fed_back, Pipeline);
        // Letters are counted: nobody waits for their frontier.
        builder.set_notify_for(2, FrontierInterest::Never);
        let mut restored =
            restored.map(|restored| builder.new_input(restored.rows.enter(inner), Pipeline));

        let (letters, letter_stream) = builder.new_output();
        let mut letters =
            OutputBuilder::<_, NoopBuilder<Chunks<Letter<L::Evidence>>>>::from(letters);
        let (models, model_stream) = builder.new_output();
        let mut models = OutputBuilder::<_, NoopBuilder<Chunks<L::Model>>>::from(models);
        let (reports, report_stream) = builder.new_output();
        let mut reports = OutputBuilder::<_, NoopBuilder<Vec<Report>>>::from(reports);
        let (mut tap, tap_stream) = if tapped {
            let (tap, stream) = builder.new_output();
            (Some(OutputBuilder::<_, NoopBuilder<Vec<L::Model>>>::from(tap)), Some(stream))
        } else {
            (None, None)
        };
        let ports = 3 + usize::from(tapped);
        let is_restored = restored.is_some();

        let (index, count) = (peers.index() as u64, peers.count() as u64);
        let is_owner = peers.owner_of_key(&()) == peers.index();
        builder.build(move |_| {
            let mut model = model;
            let mut open: BTreeMap<T, Open<T, D>> = BTreeMap::new();
            let mut mail: BTreeMap<(T, u64), Mail<T, L::Evidence>> = BTreeMap::new();
            let mut lesson: Option<Lesson<T, D, L::Model>> = None;

            move |frontiers: &[MutableAntichain<Round<T>>]| {
                let begin = |time: &InputCapability<Round<T>>| Open {
                    capabilities: (0..ports).map(|port| time.retain(port)).collect(),
                    rows: Vec::new(),
                };
                rows.for_each(|time, chunks| {
                    // The model has seen what was restored before it.
                    if is_restored && time.time().outer == T::minimum() {
                        return;
                    }
                    let open = open.entry(time.time().outer).or_insert_with(|| begin(&time));
                    open.rows.extend(std::mem::take(chunks).into_rows());
                });
                ticks.for_each(|time, _ticks| {
                    open.entry(time.time().outer).or_insert_with(|| begin(&time));
                });
                fed_back.for_each(|time, chunks: &mut Chunks<Letter<L::Evidence>>| {
                    let at = (time.time().outer, time.time().inner);
                    let mail = mail.entry(at).or_insert_with(|| Mail {
                        capability: time.retain(0),
                        letters: Vec::new(),
                    });
                    let letters = std::mem::take(chunks).into_rows();
                    mail.letters.extend(letters.into_iter().map(|(_, from, said)| (from, said)));
                });
                if let Some(restored) = &mut restored {
                    restored.for_each(|_, models| model = models.pop().unwrap_or(model.clone()));
                }
                let mut letters = letters.activate();
                let mut send = |capability: &Capability<_>, said: L::Evidence| {
                    let copies = (0..count).map(|to| (to, index, said.clone())).collect();
                    let mut letter = Chunks::loose(copies);
                    letters.session_with_builder(capability).give_container(&mut letter);
                };
                loop {
                    let Some(now) = &mut lesson else {
                        let Some(first) = open.first_entry() else { break };
                        let begun = Round::new(*first.key(), 0);
                        let (sources, restored) = (&frontiers[..2], &frontiers[3..]);
                        if sources.iter().chain(restored).any(|f| f.less_equal(&begun)) {
                            break;
                        }
                        let (batch, Open { mut capabilities, rows }) = first.remove_entry();
                        let begun = Instant::now();
                        let said = learner.gather(&model, 0, &rows);
                        let load = Load { rows: rows.len() as u64, busy: begun.elapsed() };
                        send(&capabilities.remove(0), said);
                        let before = model.clone();
                        lesson = Some(Lesson { batch, round: 0, rows, capabilities, before, load });
                        continue;
                    };
                    let answers = (now.batch, now.round + 1);
                    if mail.get(&answers).is_none_or(|mail| mail.letters.len() < count as usize) {
                        break;
                    }
                    let Some(Mail { capability, letters: mut said }) = mail.remove(&answers) else {
                        break;
                    };
                    let begun = Instant::now();
                    said.sort_by_key(|(from, _)| *from);
                    let together = said.into_iter().map(|(_, said)| said).reduce(|mut all, one| {
                        learner.merge(&mut all, one);
                        all
                    });
                    let more =
                        together.is_some_and(|all| learner.improve(&mut model, now.round, all));
                    if more {
                        now.round += 1;
                        let said = learner.gather(&model, now.round, &now.rows);
                        now.load.busy += begun.elapsed();
                        send(&capability, said);
                        continue;
                    }
                    now.load.busy += begun.elapsed();
                    let updated = now.before != model;
                    models
                        .activate()
                        .session_with_builder(&now.capabilities[0])
                        .give_container(&mut Chunks::loose(vec![model.clone()]));
                    let bytes = (size_of::<L::Model>() + heap_bytes(&model)) as u64;
                    // One worker speaks for all: they have the same.
                    let size = match is_owner {
                        true => StateSize { keys: 1, bytes, updated: u64::from(updated) },
                        false => StateSize::default(),
                    };
                    reports
                        .activate()
                        .session_with_builder(&now.capabilities[1])
                        .give_container(&mut vec![Report { size, load: now.load }]);
                    if let (Some(tap), true, true) = (&mut tap, is_owner, updated) {
                        tap.activate()
                            .session_with_builder(&now.capabilities[2])
                            .give_container(&mut vec![model.clone()]);
                    }
                    lesson = None;
                }
            }
        });
        let delivered =
            ship::ship(letter_stream, peers, "letters", |(to, _, _): &Letter<_>| *to as usize);
        delivered.connect_loop(handle);
        Attached {
            output: model_stream.leave(scope),
            tap: tap_stream.map(|tap| tap.leave(scope)),
            reports: report_stream.leave(scope),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use timely::dataflow::operators::{Input, Inspect};

    use super::*;
    use crate::batched::Restore;
    use crate::codec::Codecs;
    use crate::{Tick, interop};

    /// Steps from the model towards the batch's sum by halves, in at most three rounds; notes how
    /// many there were.
    struct Halving;

    impl Learner<i64> for Halving {
        type Model = (i64, u64);
        type Evidence = i64;

        fn gather(&self, _model: &(i64, u64), _round: u64, rows: &[i64]) -> i64 {
            rows.iter().sum()
        }

        fn merge(&self, evidence: &mut i64, other: i64) {
            *evidence += other;
        }

        fn improve(&self, model: &mut (i64, u64), round: u64, sum: i64) -> bool {
            *model = (model.0 + (sum - model.0) / 2, model.1 + 1);
            round < 2 && model.0 != sum
        }
    }

    /// What each batch's model is for `Halving`, without any dataflow.
    fn expected(batches: &[Vec<i64>], mut model: (i64, u64)) -> Vec<(i64, u64)> {
        let after = batches.iter().map(|batch| {
            let sum: i64 = batch.iter().sum();
            for round in 0.. {
                model = (model.0 + (sum - model.0) / 2, model.1 + 1);
                if round == 2 || model.0 == sum {
                    break;
                }
            }
            model
        });
        after.collect()
    }

    type Told = Vec<(u64, usize, (i64, u64))>;

    /// The models of all workers after each batch, and what was tapped; all batches are in flight
    /// at once.
    fn run(
        workers: usize,
        batches: &[Vec<i64>],
        restored: Option<Vec<(i64, u64)>>,
    ) -> (Told, Told) {
        let told: Arc<Mutex<(Told, Told)>> = Arc::default();
        let (desk, batches) = (Arc::clone(&told), batches.to_vec());
        let guards = timely::execute(timely::Config::process(workers), move |worker| {
            let (index, count) = (worker.index(), worker.peers());
            let (desk, restored) = (Arc::clone(&desk), restored.clone());
            let (mut rows, mut ticks, mut again) = worker.dataflow::<u64, _, _>(|scope| {
                let peers = Peers::new(index, count, count, Codecs::default());
                let (rows, stream) = scope.new_input();
                let (ticks, ticking) = scope.new_input();
                let (again, restore) = scope.new_input();
                let mut attachment = Attachment::named("halving").on_ticks(ticking);
                attachment.tapped = true;
                if restored.is_some() {
                    attachment.restore = Some(Restore { rows: restore, as_of: Tick::default() });
                }
                let learned = learn(interop::chunked(stream), &peers, Halving, (0, 0), attachment);
                let tapped = Arc::clone(&desk);
                interop::rows(learned.output).inspect_time(move |time, model| {
                    desk.lock().unwrap().0.push((*time, index, *model));
                });
                learned.tap.unwrap().inspect_time(move |time, model| {
                    tapped.lock().unwrap().1.push((*time, index, *model));
                });
                (rows, ticks, again)
            });
            for (number, batch) in batches.iter().enumerate() {
                let id = number as u64 + 1;
                rows.advance_to(id);
                ticks.advance_to(id);
                ticks.send(Tick { id, ..Tick::default() });
                batch.iter().skip(index).step_by(count).for_each(|row| rows.send(*row));
            }
            drop((rows, ticks));
            (0..9).for_each(|_| {
                worker.step();
            });
            restored.into_iter().flatten().for_each(|model| again.send(model));
        })
        .unwrap();
        guards.join().into_iter().for_each(|ended| ended.unwrap());
        let mut told = told.lock().unwrap().clone();
        told.0.sort();
        told.1.sort();
        told
    }

    #[test]
    fn all_workers_learn_the_same_and_batch_by_batch() {
        let batches = [vec![10, 6], vec![], vec![1, 2, 3, 4, 5], vec![-7; 9], vec![3]];
        let models = expected(&batches, (0, 0));
        for workers in [1, 2, 4] {
            let (told, tapped) = run(workers, &batches, None);
            for (number, model) in models.iter().enumerate() {
                let id = number as u64 + 1;
                let of_all: Vec<_> = (0..workers).map(|worker| (id, worker, *model)).collect();
                let found: Vec<_> = told.iter().filter(|told| told.0 == id).copied().collect();
                assert_eq!(found, of_all, "batch {id}, {workers} workers");
            }
            let tapped: Vec<_> = tapped.iter().map(|(_, _, model)| *model).collect();
            assert_eq!(tapped, models, "one worker taps, {workers} workers");
        }
    }

    #[test]
    fn a_model_is_taken_up_again() {
        let batches = [vec![10, 6], vec![4], vec![1, 2, 3, 4, 5]];
        let models = expected(&batches, (0, 0));
        for workers in [1, 2, 3] {
            let (_, tapped) = run(2, &batches[..2], None);
            let saved = tapped.into_iter().map(|(_, _, model)| model).collect();
            // The rows come before what is restored does: the batch has to wait for it.
            let (told, _) = run(workers, &batches[2..], Some(saved));
            let found: Vec<_> = told.iter().map(|(_, _, model)| *model).collect();
            assert_eq!(found, vec![models[2]; workers]);
        }
    }
}
