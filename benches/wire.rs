//! Question: which wire format between the processes of a job?
//!
//! `cargo bench --bench wire --features abomonation` (without the feature: serde and columns alone).
//!
//! Expectation: where rows are numbers, columns and abomonation are far ahead of serde; with text, the
//! allocation of each string is most of it, and they are close.
//!
//! Method: two processes of one worker each, on loopback. Rows that are in memory are dealt to both
//! workers in turn, so that half of them go over the wire, and are counted there. The limit is the same
//! job on two workers of one process, where no row is written at all. Of three runs by turns the fastest
//! counts.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tidegate::bench::{BenchRow, Report};
use tidegate::operators::codec::{Codec, Codecs, ColumnarCodec};
use tidegate::source::generator::Click;
use tidegate::source::{Generator, Queue};
use tidegate::{Cluster, Config, Record, RunError, Trigger};

type Counts = (u64, i64, i64);
type Views = ((u64, String), i64);

const ROWS: u64 = 1_000_000;
/// Rows of a partition in a batch.
const BATCH: u64 = 25_000;
const TURNS: usize = 3;

const DATASETS: [&str; 2] = ["three numbers", "number, text, number"];
const CODECS: &[&str] = &[
    "serde",
    "columnar",
    #[cfg(feature = "abomonation")]
    "abomonation",
];

/// Set for the second process: the dataset, the codec and both addresses.
const ROLE: &str = "TIDEGATE_WIRE_ROLE";

/// How rows of one type may be written.
trait Wired: Record {
    fn rows() -> Vec<Self>;
    fn codec(name: &str) -> Option<Arc<dyn Codec<Self>>>;
}

macro_rules! wired {
    ($row:ty, $make:expr) => {
        impl Wired for $row {
            fn rows() -> Vec<Self> {
                let clicks = Generator::clicks(100_000, 1_000, 1);
                (0..ROWS).map(|offset| ($make)(clicks.record(0, offset))).collect()
            }

            fn codec(name: &str) -> Option<Arc<dyn Codec<Self>>> {
                match name {
                    "columnar" => Some(Arc::new(ColumnarCodec)),
                    #[cfg(feature = "abomonation")]
                    "abomonation" => Some(Arc::new(tidegate::abomonation::AbomonationCodec)),
                    _ => None,
                }
            }
        }
    };
}

wired!(Counts, |click: Click| (click.user << 20, 3, click.time_ms));
wired!(Views, |click: Click| ((click.user, click.page), 1));

/// Runs a process of the job, or all of it; gives the seconds from when all workers run.
fn job<D: Wired>(codec: &str, cluster: Option<Cluster>) -> Result<f64, RunError> {
    let rows = Queue::new(2);
    for (number, row) in D::rows().into_iter().enumerate() {
        rows.push_to(number as u32 % 2, [row]);
    }
    rows.close();
    let mut codecs = Codecs::default();
    if let Some(codec) = D::codec(codec) {
        codecs.register::<D>(codec);
    }
    let mut config = Config::new("wire").trigger(Trigger::AvailableNow).codecs(codecs);
    config = config.records_per_partition_max(BATCH);
    let is_first = cluster.as_ref().is_none_or(|cluster| cluster.process == 0);
    config = match cluster {
        None => config.workers(2),
        Some(cluster) => config.cluster(cluster),
    };
    let counted = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&counted);
    let job = tidegate::start(config, move |ctx| {
        let seen = Arc::clone(&seen);
        // A record of partition 0 goes to partition 0, the next one to 1, and so on.
        let dealt = ctx.source(rows.clone()).repartition(2);
        dealt.count().foreach_batch(move |_, counts| {
            seen.fetch_add(counts.iter().sum::<i64>() as u64, Ordering::Relaxed);
            Ok(())
        });
    })?;
    let begun = Instant::now();
    job.join()?;
    let seconds = begun.elapsed().as_secs_f64();
    if is_first {
        assert_eq!(counted.load(Ordering::Relaxed), ROWS, "rows that are counted");
    }
    Ok(seconds)
}

fn of_dataset(dataset: &str, codec: &str, cluster: Option<Cluster>) -> Result<f64, RunError> {
    if dataset == DATASETS[0] {
        job::<Counts>(codec, cluster)
    } else {
        job::<Views>(codec, cluster)
    }
}

fn cluster(process: usize, addresses: &str) -> Cluster {
    let addresses = addresses.split(' ').map(str::to_owned).collect();
    Cluster { process, addresses, ..Cluster::default() }
}

/// The same on two processes, the second of which is this program again.
fn two_processes(dataset: &str, codec: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let ports = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let addresses = [ports[0].local_addr()?.to_string(), ports[1].local_addr()?.to_string()];
    drop(ports);
    let addresses = addresses.join(" ");
    let mut second = Command::new(std::env::current_exe()?);
    second.env(ROLE, [dataset, codec, &addresses].join("\n")).stdout(Stdio::null());
    let mut second = second.spawn()?;
    let seconds = of_dataset(dataset, codec, Some(cluster(0, &addresses)));
    let ended = second.wait()?;
    assert!(ended.success(), "the second process ends with {ended}");
    Ok(seconds?)
}

fn row(dataset: &str, variant: &str, seconds: f64, limit: f64) -> BenchRow {
    BenchRow {
        bench: "wire".into(),
        variant: variant.into(),
        dataset: dataset.into(),
        workers: 2,
        records_per_s: ROWS as f64 / seconds,
        ratio_to_limit: Some(limit / seconds),
        ..BenchRow::default()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Ok(role) = std::env::var(ROLE) {
        let role: Vec<&str> = role.split('\n').collect();
        let [dataset, codec, addresses] = role[..] else { return Err("no such role".into()) };
        of_dataset(dataset, codec, Some(cluster(1, addresses)))?;
        return Ok(());
    }
    let mut report = Report::default();
    for dataset in DATASETS {
        let (mut limit, mut fastest) = (f64::MAX, vec![f64::MAX; CODECS.len()]);
        for _ in 0..TURNS {
            limit = limit.min(of_dataset(dataset, "", None)?);
            for (codec, fastest) in CODECS.iter().zip(&mut fastest) {
                *fastest = fastest.min(two_processes(dataset, codec)?);
            }
        }
        report.rows.push(row(dataset, "one process", limit, limit));
        for (codec, seconds) in CODECS.iter().zip(fastest) {
            report.rows.push(row(dataset, codec, seconds, limit));
        }
    }
    println!("{report}");
    Ok(())
}
