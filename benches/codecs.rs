//! Question: what does it cost to write rows for another process and to read them there?
//!
//! `cargo bench --bench codecs --features abomonation` (without the feature: serde alone).
//!
//! Expectation: rows of numbers cost ten to twenty nanoseconds each way with serde, and two at most
//! with abomonation; with text the allocation of each string is most of reading with either.
//!
//! Method: the same 10,000 rows again and again, as one message. The limit is copying the rows in
//! memory (`clone`), which is what a worker of the same process would not even do. Each codec is
//! checked to give the rows back before it is timed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tidegate::Record;
use tidegate::bench::{BenchRow, Report};
use tidegate::operators::codec::{Codec, ColumnarCodec, SerdeCodec};
use tidegate::source::Generator;

const ROWS: usize = 10_000;
const FOR: Duration = Duration::from_millis(400);

/// The times of one round each, sorted.
fn times(mut round: impl FnMut()) -> Vec<Duration> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < FOR {
        let start = Instant::now();
        round();
        times.push(start.elapsed());
    }
    // The first tenth finds cold caches.
    times.drain(..times.len() / 10);
    times.sort_unstable();
    times
}

fn row(dataset: &str, variant: String, times: &[Duration], limit: Option<f64>) -> BenchRow {
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64();
    let records_per_s = ROWS as f64 / at(0.5);
    BenchRow {
        bench: "codecs".into(),
        variant,
        dataset: dataset.into(),
        records_per_s,
        ratio_to_limit: Some(limit.map_or(1.0, |limit| records_per_s / limit)),
        batch_ms_p50: at(0.5) * 1e3,
        batch_ms_p99: at(0.99) * 1e3,
        batch_ms_p999: at(0.999) * 1e3,
        ..BenchRow::default()
    }
}

fn measure<D: Record>(report: &mut Report, dataset: &str, rows: &[D], codecs: &[&dyn Codec<D>]) {
    let copied = row(dataset, "clone".into(), &times(|| drop(black_box(rows.to_vec()))), None);
    let limit = Some(copied.records_per_s);
    report.rows.push(copied);
    for codec in codecs {
        let mut bytes = Vec::new();
        codec.encode(rows, &mut bytes);
        let decoded = codec.decode(&bytes).expect("the codec reads what it wrote");
        assert!(decoded == rows, "{} changes rows of {dataset}", codec.name());
        let size = bytes.len() / ROWS;

        let write = times(|| {
            bytes.clear();
            codec.encode(black_box(rows), &mut bytes);
        });
        let variant = format!("{} write, {size} bytes a row", codec.name());
        report.rows.push(row(dataset, variant, &write, limit));
        let read = times(|| drop(black_box(codec.decode(black_box(&bytes)))));
        report.rows.push(row(dataset, format!("{} read", codec.name()), &read, limit));
    }
}

fn main() {
    let mut report = Report::default();
    let clicks = Generator::clicks(100_000, 1_000, 1);
    let clicks: Vec<_> = (0..ROWS as u64).map(|offset| clicks.record(0, offset)).collect();

    let counts: Vec<(u64, i64, i64)> =
        clicks.iter().map(|click| (click.user << 20, 3, click.time_ms)).collect();
    let views: Vec<((u64, String), i64)> =
        clicks.into_iter().map(|click| ((click.user, click.page), 1)).collect();

    #[cfg(feature = "abomonation")]
    {
        use tidegate::abomonation::AbomonationCodec;
        measure(
            &mut report,
            "three numbers",
            &counts,
            &[&SerdeCodec, &ColumnarCodec, &AbomonationCodec],
        );
        measure(
            &mut report,
            "number, text, number",
            &views,
            &[&SerdeCodec, &ColumnarCodec, &AbomonationCodec],
        );
    }
    #[cfg(not(feature = "abomonation"))]
    {
        measure(&mut report, "three numbers", &counts, &[&SerdeCodec, &ColumnarCodec]);
        measure(&mut report, "number, text, number", &views, &[&SerdeCodec, &ColumnarCodec]);
    }
    println!("{report}");
}
