//! Runs a program over an input, and holds each batch of its output against the model's.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use tidegate::metrics::BatchRecord;
use tidegate::sink::Memory;
use tidegate::source::Queue;
use tidegate::{Change, Config, DStream, Local, Record, Span, Strategy, Table, Tick, Windowed};

use super::input::{Batch, Input, Row};

pub const STRATEGIES: [Strategy; 4] = Strategy::ALL;

pub const WORKERS: [usize; 3] = [1, 2, 4];

/// A window of batches: length and slide; `None` for one that nothing leaves.
pub type Window = Option<(u64, u64)>;

/// Sliding by one and by more, as long as the slide, shorter and longer than it.
pub const WINDOWS: [Window; 6] =
    [None, Some((1, 1)), Some((5, 1)), Some((2, 2)), Some((5, 3)), Some((2, 3))];

pub fn windowed(rows: DStream<'_, Row>, window: Window) -> Windowed<'_, Row> {
    match window {
        None => rows.running(),
        Some((length, slide)) => rows.window(Span::batches(length), Span::batches(slide)),
    }
}

pub fn slide(window: Window) -> u64 {
    window.map_or(1, |(_, slide)| slide)
}

/// The batches whose rows are in the window at the end of `batches`: those up to the last multiple
/// of the slide, and no further back than the length.
pub fn inside(batches: &[Batch], window: Window) -> impl Iterator<Item = &Batch> {
    let now = batches.last().map_or(0, |batch| batch.id);
    let (oldest, newest) = match window {
        None => (0, now),
        Some((length, slide)) => {
            let end = now / slide * slide;
            ((end + 1).saturating_sub(length), end)
        }
    };
    batches.iter().filter(move |batch| (oldest..=newest).contains(&batch.id))
}

/// Feeds the input to a program, batch by batch, and gives the records of the batches.
pub fn drive(
    input: &Input,
    config: Config,
    program: impl Fn(DStream<'_, Row>) + Send + Sync + 'static,
) -> Vec<BatchRecord> {
    let rows = Queue::<Row>::new(input.partitions() as u32);
    let source = rows.clone();
    let mut local = Local::start(config, move |ctx| program(ctx.source(source.clone())))
        .expect("the program can run");
    let records = input.batches.iter().map(|batch| {
        for (partition, part) in batch.partitions.iter().enumerate() {
            rows.push_to(partition as u32, part.iter().cloned());
        }
        let record = local.tick_skipping(batch.id - batch.previous - 1);
        assert_eq!((record.batch, record.previous), (batch.id, batch.previous));
        assert_eq!(record.rows_in(), batch.rows().len() as u64);
        record
    });
    let records = records.collect();
    local.stop().expect("the job ends well");
    records
}

pub fn config(workers: usize, strategy: Strategy) -> Config {
    Config::new("oracle").workers(workers).strategy(strategy)
}

/// A program from a stream to a stream, and what it must give in the last of some batches: `None`
/// if it has no output there. With every strategy, on 1, 2 and 4 workers.
pub fn stream<E: Record>(
    seed: u64,
    program: impl for<'s> Fn(DStream<'s, Row>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
    model: impl Fn(&[Batch]) -> Option<Vec<E>>,
) {
    for partitions in [1, 3] {
        let input = Input::random(seed, 14, partitions);
        let expected = expectations(&input, &model);
        for (workers, strategy) in ways() {
            stream_in(&input, &expected, workers, strategy, program.clone());
        }
    }
}

/// Every strategy on every number of workers.
fn ways() -> impl Iterator<Item = (usize, Strategy)> {
    WORKERS.into_iter().flat_map(|workers| STRATEGIES.map(|strategy| (workers, strategy)))
}

fn stream_in<E: Record>(
    input: &Input,
    expected: &Expected<E>,
    workers: usize,
    strategy: Strategy,
    program: impl for<'s> Fn(DStream<'s, Row>) -> DStream<'s, E> + Send + Sync + 'static,
) {
    let output = Memory::new();
    let sink = output.clone();
    drive(input, config(workers, strategy), move |rows| program(rows).sink(sink.clone()));
    let partitions = input.partitions();
    let what = format!("{strategy}, {workers} workers, {partitions} partitions");
    same(input, &what, &output.batches(), expected);
}

/// A program from a window to a stream, in the same way, on every window: each with every strategy,
/// on 1, 2 and 4 workers in turn. The model is given the batches in the window.
pub fn every_window<E: Record>(
    seed: u64,
    program: impl for<'s> Fn(Windowed<'s, Row>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
    model: impl Fn(&[&Batch]) -> Vec<E>,
) {
    for (number, window) in WINDOWS.into_iter().enumerate() {
        let input = Input::random(seed + number as u64, 16, 1 + number % 3);
        let expected = expectations(&input, |batches| {
            let now = batches.last().expect("a batch");
            let inside: Vec<&Batch> = inside(batches, window).collect();
            now.has_output(slide(window)).then(|| model(&inside))
        });
        for (turn, strategy) in STRATEGIES.into_iter().enumerate() {
            let program = program.clone();
            let workers = WORKERS[(turn + number) % WORKERS.len()];
            stream_in(&input, &expected, workers, strategy, move |rows| {
                program(windowed(rows, window))
            });
        }
    }
}

/// A program from a window to a table, and the rows that it must have for the rows of the window;
/// `by_key` compares the keys by which its changes are ordered.
///
/// Each window is tried with every strategy, and on 1, 2 and 4 workers in turn.
pub fn table<T: Record>(
    seed: u64,
    by_key: fn(&T, &T) -> Ordering,
    program: impl for<'s> Fn(Windowed<'s, Row>) -> Table<'s, T> + Clone + Send + Sync + 'static,
    model: impl Fn(&[Row]) -> Vec<T>,
) {
    for (number, window) in WINDOWS.into_iter().enumerate() {
        let input = Input::random(seed + number as u64, 16, 1 + number % 3);
        let contents = |batches: &[Batch]| {
            let rows: Vec<Row> = inside(batches, window).flat_map(Batch::rows).collect();
            let mut rows = model(&rows);
            rows.sort();
            rows
        };
        let snapshots = expectations(&input, |batches| {
            let now = batches.last().expect("a batch");
            now.has_output(slide(window)).then(|| contents(batches))
        });
        let changes = changes(&snapshots, by_key);
        for (turn, strategy) in STRATEGIES.into_iter().enumerate() {
            // All strategies on each number of workers where nothing leaves, one in turn elsewhere.
            let turns = if window.is_none() { 0..3 } else { turn + number..turn + number + 1 };
            for workers in turns.map(|turn| WORKERS[turn % WORKERS.len()]) {
                let program = program.clone();
                let (shown, changed) = (Memory::new(), Memory::new());
                let sinks = (shown.clone(), changed.clone());
                drive(&input, config(workers, strategy), move |rows| {
                    let table = program(windowed(rows, window));
                    table.clone().snapshots().sink(sinks.0.clone());
                    table.changes().sink(sinks.1.clone());
                });
                let what = format!("{strategy}, {workers} workers, window {window:?}");
                same(&input, &format!("snapshots, {what}"), &shown.batches(), &snapshots);
                same(&input, &format!("changes, {what}"), &changed.batches(), &changes);
                accumulate(&shown.rows(), &changed.rows());
            }
        }
    }
}

/// The order of pairs by their keys.
pub fn by_key<K: Ord, V>(left: &(K, V), right: &(K, V)) -> Ordering {
    left.0.cmp(&right.0)
}

/// What is expected of each batch with an output, by the batch's id.
pub type Expected<E> = Vec<(u64, Vec<E>)>;

pub fn expectations<E>(input: &Input, model: impl Fn(&[Batch]) -> Option<Vec<E>>) -> Expected<E> {
    let through = (1..=input.batches.len()).map(|count| &input.batches[..count]);
    through.filter_map(|batches| Some((batches.last()?.id, model(batches)?))).collect()
}

/// The changes between one snapshot and the next: by key, what went before what came.
pub fn changes<T: Record>(
    snapshots: &Expected<T>,
    by_key: fn(&T, &T) -> Ordering,
) -> Expected<Change<T>> {
    let mut before: BTreeMap<&T, isize> = BTreeMap::new();
    let mut expected = Vec::new();
    for (id, rows) in snapshots {
        let mut now: BTreeMap<&T, isize> = BTreeMap::new();
        rows.iter().for_each(|row| *now.entry(row).or_default() += 1);
        let mut differences = now.clone();
        before.iter().for_each(|(row, times)| *differences.entry(row).or_default() -= times);
        let mut changes: Vec<Change<T>> = differences
            .into_iter()
            .filter(|(_, diff)| *diff != 0)
            .map(|(row, diff)| Change { diff, row: row.clone() })
            .collect();
        changes.sort_by(|left, right| {
            by_key(&left.row, &right.row)
                .then((left.diff > 0).cmp(&(right.diff > 0)))
                .then(left.row.cmp(&right.row))
        });
        expected.push((*id, changes));
        before = now;
    }
    expected
}

/// Changes added up are the snapshots.
fn accumulate<T: Record>(snapshots: &[Vec<T>], changes: &[Vec<Change<T>>]) {
    let mut held: BTreeMap<T, isize> = BTreeMap::new();
    for (snapshot, changes) in snapshots.iter().zip(changes) {
        for change in changes {
            let times = held.entry(change.row.clone()).or_default();
            *times += change.diff;
            assert!(*times >= 0, "{:?} went more often than it came", change.row);
        }
        held.retain(|_, times| *times != 0);
        let rows: Vec<T> =
            held.iter().flat_map(|(row, times)| vec![row.clone(); *times as usize]).collect();
        assert_eq!(rows, *snapshot);
    }
}

/// The batches that came out are those expected, no more, no fewer, and in order.
pub fn same<E: Record>(
    input: &Input,
    what: &str,
    batches: &[(Tick, Vec<E>)],
    expected: &Expected<E>,
) {
    let seed = input.seed;
    let ids = |of: &mut dyn Iterator<Item = u64>| of.collect::<Vec<u64>>();
    assert_eq!(
        ids(&mut batches.iter().map(|(tick, _)| tick.id)),
        ids(&mut expected.iter().map(|(id, _)| *id)),
        "batches with an output: {what}, seed {seed}"
    );
    for ((tick, rows), (id, expected)) in batches.iter().zip(expected) {
        assert_eq!(rows, expected, "batch {id}: {what}, seed {seed}");
        let given =
            input.batches.iter().find(|batch| batch.id == *id).expect("a batch of the input");
        assert_eq!(tick.previous, given.previous, "the batch before {id}: {what}, seed {seed}");
        assert_eq!(tick.time_ms, given.time_ms(), "the time of batch {id}: {what}, seed {seed}");
    }
}
