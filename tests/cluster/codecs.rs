//! Wire formats of one's own: rows cross in them, and both processes must have the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::operators::codec::{Codec, Codecs, ColumnarCodec, DecodeError};
use tidegate::sink::Memory;
use tidegate::source::Generator;
use tidegate::{Cluster, Config, RunError, Trigger};

use crate::support::{free_addresses, trials};

pub fn trials() -> Vec<Trial> {
    trials!["cluster";
        rows_cross_column_by_column_and_are_the_same,
        processes_with_other_wire_formats_do_not_begin,
    ]
}

type Row = (u64, String, i64);

/// Columns, and how many messages were read.
struct Counted(Arc<AtomicU64>);

impl Codec<Row> for Counted {
    fn name(&self) -> &'static str {
        "columnar"
    }

    fn encode(&self, rows: &[Row], out: &mut Vec<u8>) {
        ColumnarCodec.encode(rows, out);
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<Row>, DecodeError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        ColumnarCodec.decode(bytes)
    }
}

/// A job that deals rows to two partitions in turn, as a process of two or alone.
fn run(
    codecs: Codecs,
    cluster: Option<Cluster>,
    rows: &Memory<Row>,
) -> JoinHandle<Result<(), RunError>> {
    let mut config = Config::new("dealt").trigger(Trigger::AvailableNow).codecs(codecs);
    config = config.records_per_partition_max(100).batch_time_origin_ms(0);
    if let Some(cluster) = cluster {
        config = config.cluster(cluster);
    }
    let sink = rows.clone();
    std::thread::spawn(move || {
        let run = tidegate::run(config, move |ctx| {
            let clicks = ctx.source(Generator::clicks(500, 20, 7).partitions(2).records(1_000));
            let rows = clicks.map(|click| (click.user, click.page, -click.time_ms));
            rows.repartition(2).sink(sink.clone());
        });
        run.map(|_| ())
    })
}

/// The same on two processes, which wait so long for each other.
fn run_two(
    codecs: [Codecs; 2],
    join_timeout: Duration,
) -> ([Result<(), RunError>; 2], Vec<Vec<Row>>) {
    let (addresses, rows) = (free_addresses(2), Memory::new());
    let mut process = 0;
    let runs = codecs.map(|codecs| {
        let (addresses, join_timeout) = (addresses.clone(), Some(join_timeout));
        let cluster = Cluster { process, addresses, join_timeout, ..Cluster::default() };
        process += 1;
        run(codecs, Some(cluster), &rows)
    });
    (runs.map(|run| run.join().expect("an outcome, no panic")), rows.rows())
}

fn columns(read: &Arc<AtomicU64>) -> Codecs {
    let mut codecs = Codecs::default();
    codecs.register::<Row>(Arc::new(Counted(Arc::clone(read))));
    codecs
}

fn rows_cross_column_by_column_and_are_the_same() {
    let alone = Memory::new();
    run(Codecs::default(), None, &alone).join().expect("no panic").expect("it ends well");
    let read = Arc::new(AtomicU64::new(0));
    let (outcomes, rows) = run_two([columns(&read), columns(&read)], Duration::from_secs(20));
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert!(read.load(Ordering::Relaxed) > 0, "no row has crossed in columns");
    assert_eq!(rows.concat().len(), 1_000);
    assert_eq!(rows, alone.rows());
}

fn processes_with_other_wire_formats_do_not_begin() {
    let (outcomes, rows) =
        run_two([Codecs::default(), columns(&Arc::default())], Duration::from_secs(2));
    for outcome in outcomes {
        let error = outcome.expect_err("they can't read each other");
        assert!(error.is_before_start(), "{error}");
    }
    assert!(rows.is_empty(), "nothing is written");
}
