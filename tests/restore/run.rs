//! Runs one operator on bare timely: from the beginning with its tap open, or from what was tapped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate::operators::batched::{Attachment, BatchOperator, Restore, attach};
use tidegate::operators::codec::Codecs;
use tidegate::operators::{Chunks, Peers, Tag, Tick};
use timely::dataflow::operators::{Input, Inspect, Probe};
use timely::dataflow::{Stream, StreamVec};

use crate::oracle::input::{Batch, Input as Rows, Row};

/// A row as text, and how often it came or went.
pub type Shown = (String, isize);

/// An operator that can be taken up again.
pub trait Restorable: Copy + Send + Sync + 'static {
    type Operator: BatchOperator<u64>;

    /// Whether what the operator gives adds up to contents.
    const ACCUMULATES: bool;

    fn operator(self, peers: &Peers) -> Self::Operator;

    /// The operator's input, from the rows of a source.
    fn input<'s>(
        self,
        rows: Stream<'s, u64, Chunks<Row>>,
        peers: &Peers,
    ) -> Stream<'s, u64, <Self::Operator as BatchOperator<u64>>::Input>;

    /// The worker to which a row of the tap belongs; `None`, if to all.
    fn owner(self, saved: &Saved<Self>, peers: &Peers) -> Option<usize>;

    /// What is seen of the output, behind operators that are not restored but rebuilt.
    fn shown<'s>(
        self,
        output: Stream<'s, u64, <Self::Operator as BatchOperator<u64>>::Output>,
        ticks: StreamVec<'s, u64, Tick>,
    ) -> StreamVec<'s, u64, Shown>;
}

pub type Saved<C> = <<C as Restorable>::Operator as BatchOperator<u64>>::Saved;

/// What a run gave.
#[derive(Clone)]
pub struct Outcome<S> {
    /// At each time the rows that came and went, added up.
    pub shown: BTreeMap<u64, BTreeMap<String, isize>>,
    /// What was tapped: batch, worker, row.
    pub tapped: Vec<(u64, usize, S)>,
    /// The number of keys in the state after each batch.
    pub keys: BTreeMap<u64, u64>,
}

impl<S: Clone> Outcome<S> {
    /// What was tapped through a batch, oldest first.
    fn saved(&self, through: u64) -> Vec<S> {
        let mut rows: Vec<_> =
            self.tapped.iter().filter(|(batch, _, _)| *batch <= through).collect();
        rows.sort_by_key(|(batch, worker, _)| (*batch, *worker));
        rows.into_iter().map(|(_, _, row)| row.clone()).collect()
    }
}

pub fn tick(batch: &Batch) -> Tick {
    Tick { id: batch.id, previous: batch.previous, time_ms: batch.time_ms(), last: false }
}

/// Each partition's rows of a batch, with their offsets, as a source would tag them.
pub fn chunks(rows: &Rows, number: usize, worker: usize, workers: usize) -> Chunks<Row> {
    let mut chunks = Chunks::new();
    for partition in (worker..rows.partitions()).step_by(workers) {
        let before = rows.batches[..number].iter();
        let offset: usize = before.map(|batch| batch.partitions[partition].len()).sum();
        let tag = Tag { lane: 0, partition: partition as u32, sequence: offset as u64 };
        chunks.push(tag, rows.batches[number].partitions[partition].iter().cloned());
    }
    chunks
}

/// Runs `case` over the batches behind the first `skip`, which `saved` stands for.
fn run<C: Restorable>(
    case: C,
    rows: &Rows,
    workers: usize,
    skip: usize,
    saved: Option<Vec<Saved<C>>>,
) -> Outcome<Saved<C>> {
    let outcome: Arc<Mutex<Outcome<Saved<C>>>> = Arc::new(Mutex::new(Outcome {
        shown: BTreeMap::new(),
        tapped: Vec::new(),
        keys: BTreeMap::new(),
    }));
    let (collected, rows, saved) = (Arc::clone(&outcome), rows.clone(), Mutex::new(saved));
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, workers) = (worker.index(), worker.peers());
        let saved = saved.lock().unwrap().clone();
        let peers = Peers::new(index, workers, workers, Codecs::default());
        let desk = Arc::clone(&collected);
        let (mut input, mut ticks, mut restore, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (input, stream) = scope.new_input::<Chunks<Row>>();
            let (tick_input, ticks) = scope.new_input::<Vec<Tick>>();
            let (restore_input, restore) = scope.new_input::<Vec<Saved<C>>>();
            let mut attachment = Attachment::named("tested").on_ticks(ticks.clone());
            attachment.tapped = true;
            if saved.is_some() {
                let as_of = skip.checked_sub(1).map(|last| tick(&rows.batches[last]));
                let as_of = as_of.unwrap_or_default();
                attachment.restore = Some(Restore { rows: restore, as_of });
            }
            let stream = case.input(stream, &peers);
            let attached = attach(stream, case.operator(&peers), attachment);
            let (tap_desk, size_desk) = (Arc::clone(&desk), Arc::clone(&desk));
            if let Some(tap) = attached.tap {
                tap.inspect_time(move |time, row| {
                    tap_desk.lock().unwrap().tapped.push((*time, index, row.clone()));
                });
            }
            attached.reports.inspect_time(move |time, report| {
                *size_desk.lock().unwrap().keys.entry(*time).or_default() += report.size.keys;
            });
            let shown = case.shown(attached.output, ticks);
            let shown = shown.inspect_time(move |time, (row, diff)| {
                let mut desk = desk.lock().unwrap();
                let rows = desk.shown.entry(*time).or_default();
                *rows.entry(row.clone()).or_default() += diff;
            });
            let (probe, _) = shown.probe();
            (input, tick_input, restore_input, probe)
        });
        for row in saved.into_iter().flatten() {
            if case.owner(&row, &peers).is_none_or(|owner| owner == index) {
                restore.send(row);
            }
        }
        restore.close();
        for (number, batch) in rows.batches.iter().enumerate().skip(skip) {
            input.advance_to(batch.id);
            ticks.advance_to(batch.id);
            input.send_batch(&mut chunks(&rows, number, index, workers));
            ticks.send(tick(batch));
            input.advance_to(batch.id + 1);
            ticks.advance_to(batch.id + 1);
            while probe.less_than(&(batch.id + 1)) {
                worker.step_or_park(Some(Duration::from_millis(1)));
            }
        }
    })
    .expect("the workers start");
    guards.join().into_iter().for_each(|ended| ended.expect("the worker ends well"));
    let mut outcome = outcome.lock().unwrap().clone();
    for rows in outcome.shown.values_mut() {
        rows.retain(|_, diff| *diff != 0);
    }
    outcome.shown.retain(|_, rows| !rows.is_empty());
    outcome
}

/// From the beginning, and taken up again at several batches on several numbers of workers.
pub fn goes_on<C: Restorable>(seed: u64, case: C) {
    let rows = Rows::random(seed, 14, 3);
    for workers in [1, 2, 4] {
        let whole = run(case, &rows, workers, 0, None);
        for (skip, others) in [(0usize, 2), (1, 1), (5, 2), (6, 3), (9, 4), (13, workers)] {
            let through = skip.checked_sub(1).map_or(0, |last| rows.batches[last].id);
            let what =
                format!("through batch {through}, from {workers} to {others} workers, seed {seed}");
            let mut rest = run(case, &rows, others, skip, Some(whole.saved(through)));
            let contents = rest.shown.remove(&0).unwrap_or_default();
            if C::ACCUMULATES {
                let mut expected: BTreeMap<String, isize> = BTreeMap::new();
                for (row, diff) in whole.shown.range(..=through).flat_map(|(_, rows)| rows) {
                    *expected.entry(row.clone()).or_default() += diff;
                }
                expected.retain(|_, diff| *diff != 0);
                assert_eq!(contents, expected, "restored contents, {what}");
            } else {
                assert!(contents.is_empty(), "{contents:?} are no contents, {what}");
            }
            let expected: BTreeMap<_, _> =
                whole.shown.range(through + 1..).map(|(id, rows)| (*id, rows.clone())).collect();
            assert_eq!(rest.shown, expected, "what follows, {what}");
            if workers == others {
                let expected: Vec<_> = whole.keys.range(through + 1..).collect();
                assert_eq!(rest.keys.iter().collect::<Vec<_>>(), expected, "keys, {what}");
            }
            if skip != 5 {
                continue;
            }
            // Taken up once more from both taps: what was restored is tapped no second time.
            let mut twice = whole.saved(through);
            twice.extend(rest.saved(u64::MAX));
            let last = rows.batches.len();
            let (again, direct) = (
                run(case, &rows, 2, last, Some(twice)),
                run(case, &rows, 2, last, Some(whole.saved(u64::MAX))),
            );
            assert_eq!(again.shown, direct.shown, "restored twice, {what}");
        }
    }
}
