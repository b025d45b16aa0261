//! A workload on made-up input: what it gives, held against a plain computation, byte by byte
//! against itself on other numbers of workers, and, if it is a table, against itself with its state
//! kept in other ways.

use std::collections::BTreeMap;

use tidegate::compare::{Input, Mode, check};
use tidegate::sink::{JsonLines, Memory};
use tidegate::source::Generator;
use tidegate::{BatchId, Config, DStream, Record, Span, Table, Trigger};

const PARTITIONS: u32 = 3;
const RECORDS: u64 = 4_000;
/// Records of a partition in a batch: the last batch is not full.
const PER_PARTITION: u64 = 50;

/// Windows of some batches.
pub fn batches(batches: u64) -> Span {
    Span::batches(batches)
}

/// The records of each batch, in the order of the stream.
fn input<D: Record>(make: fn() -> Generator<D>) -> Vec<Vec<D>> {
    let generator = make().partitions(PARTITIONS);
    let partitions = u64::from(PARTITIONS);
    let batches = (0..).map(|batch| {
        let of_partition = |partition: u32| {
            let all = (RECORDS + partitions - 1 - u64::from(partition)) / partitions;
            let offsets = batch * PER_PARTITION..all.min((batch + 1) * PER_PARTITION);
            offsets.map(|offset| generator.record(partition, offset)).collect::<Vec<D>>()
        };
        (0..PARTITIONS).flat_map(of_partition).collect::<Vec<D>>()
    });
    batches.take_while(|batch| !batch.is_empty()).collect()
}

/// What a program gives in each batch in which it gives something, the same bytes on any number of
/// workers.
fn run<D: Record, E: Record>(
    make: fn() -> Generator<D>,
    program: impl for<'s> Fn(DStream<'s, D>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
) -> BTreeMap<BatchId, Vec<E>> {
    let mut first: Option<(Vec<u8>, Memory<E>)> = None;
    for workers in [1, 2, 4] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("rows.jsonl");
        let rows = Memory::new();
        let (sink, file, program) = (rows.clone(), path.clone(), program.clone());
        let config = Config::new("workload").workers(workers).trigger(Trigger::AvailableNow);
        tidegate::run(config.records_per_partition_max(PER_PARTITION), move |ctx| {
            let records = ctx.source(make().partitions(PARTITIONS).records(RECORDS));
            let rows = program(records);
            rows.clone().sink(sink.clone());
            rows.sink(JsonLines::new(&file));
        })
        .expect("the job ends well");
        let bytes = std::fs::read(&path).expect("the rows are written");
        match &first {
            None => first = Some((bytes, rows)),
            Some((expected, _)) => {
                assert!(bytes == *expected, "{workers} workers differ from one");
            }
        }
    }
    let (bytes, rows) = first.expect("it has run");
    assert!(bytes.len() > 100, "there is something to compare");
    rows.batches().into_iter().map(|(tick, rows)| (tick.id, rows)).collect()
}

/// Holds a stream against the rows that each batch should give, in any order.
pub fn assert_stream<D: Record, E: Record>(
    make: fn() -> Generator<D>,
    program: impl for<'s> Fn(DStream<'s, D>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
    reference: impl FnOnce(&[Vec<D>]) -> Vec<Vec<E>>,
) {
    let input = input(make);
    let mut found = run(make, program);
    let expected = reference(&input);
    assert_eq!((found.len(), expected.len()), (input.len(), input.len()), "as many batches");
    for (id, mut expected) in (1..).zip(expected) {
        let rows = found.get_mut(&id).expect("a batch");
        rows.sort();
        expected.sort();
        assert_eq!(*rows, expected, "batch {id}");
    }
}

/// Holds a table against the rows that it should have once these batches have come. It is
/// followed by its changes.
pub fn assert_table<D: Record, E: Record>(
    make: fn() -> Generator<D>,
    program: impl for<'s> Fn(DStream<'s, D>) -> Table<'s, E> + Clone + Send + Sync + 'static,
    reference: impl Fn(&[Vec<D>]) -> Vec<E>,
) {
    let input = input(make);
    let every = Mode::every(program.clone());
    check(&Input::of(input.clone(), PARTITIONS), &every, 2).expect("every way is the same");
    let found = run(make, move |records| program(records).changes());
    let mut contents: BTreeMap<E, isize> = BTreeMap::new();
    for id in 1..=input.len() {
        for change in found.get(&(id as u64)).into_iter().flatten() {
            let times = contents.entry(change.row.clone()).or_default();
            *times += change.diff;
            if *times == 0 {
                contents.remove(&change.row);
            }
        }
        let mut expected: BTreeMap<E, isize> = BTreeMap::new();
        for row in reference(&input[..id]) {
            *expected.entry(row).or_default() += 1;
        }
        assert_eq!(contents, expected, "batch {id}");
    }
}

/// The last batches, up to a number of them: what is in a window that slides by one.
pub fn last<D>(batches: &[Vec<D>], count: usize) -> impl Iterator<Item = &D> {
    batches[batches.len().saturating_sub(count)..].iter().flatten()
}
