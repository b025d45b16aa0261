//! Down to timely and differential in the middle of a program, and up again.

use libtest_mimic::Trial;
use tidegate::operators::{Chunks, interop};
use tidegate::sink::Memory;
use tidegate::{DStream, Sum};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;

use super::check::{
    STRATEGIES, WORKERS, config, drive, expectations, inside, same, stream, windowed,
};
use super::input::{Batch, Input, Row};
use super::streams::{by_group, wrapping_sum};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::interop";
        a_table_goes_through_differential_and_back,
        a_stream_goes_through_timely_with_its_order,
        rows_without_their_order_are_still_all_there,
        a_join_by_differential_is_a_table,
    ]
}

fn a_table_goes_through_differential_and_back() {
    for window in [None, Some((1, 1)), Some((3, 1))] {
        let input = Input::random(700, 16, 2);
        let expected = expectations(&input, |batches| {
            let rows = inside(batches, window).flat_map(Batch::rows);
            let halves = by_group(rows, |values| wrapping_sum(values) / 2).into_iter();
            let halves = halves.filter(|(_, half)| *half != 0);
            Some(halves.map(|(key, half)| (key, half.wrapping_mul(2))).collect())
        });
        for strategy in STRATEGIES {
            for workers in WORKERS {
                let output = Memory::new();
                let sink = output.clone();
                drive(&input, config(workers, strategy), move |rows| {
                    let ctx = rows.context();
                    let sums = windowed(rows, window).aggregate_by_key(Sum).into_collection();
                    let halves = sums.map(|(key, sum)| (key, sum / 2));
                    let halves = halves.filter(|(_, half)| *half != 0);
                    let twice = ctx.table(halves.clone().concat(halves));
                    twice.aggregate_by_key(Sum).snapshots().sink(sink.clone());
                });
                let what = format!("{strategy}, {workers} workers, window {window:?}");
                same(&input, &what, &output.batches(), &expected);
            }
        }
    }
}

/// An operator of timely's own, which leaves the tags as they are.
fn negated(rows: DStream<'_, Row>) -> DStream<'_, Row> {
    let ctx = rows.context();
    let chunks = rows.into_chunks().unary::<NoopBuilder<Chunks<Row>>, _, _, _>(
        Pipeline,
        "Negate",
        |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let chunks = std::mem::take(chunks);
                    let mut negated = chunks.map(|(key, value): Row| (key, value.wrapping_neg()));
                    output.session_with_builder(&time).give_container(&mut negated);
                });
            }
        },
    );
    ctx.dstream(chunks)
}

fn a_stream_goes_through_timely_with_its_order() {
    stream(
        710,
        |rows| negated(rows).filter(|(key, _)| !key.is_empty()),
        |batches| {
            let rows = batches.last().expect("a batch").rows().into_iter();
            let rows = rows.filter(|(key, _)| !key.is_empty());
            Some(rows.map(|(key, value)| (key, value.wrapping_neg())).collect())
        },
    );
}

fn rows_without_their_order_are_still_all_there() {
    stream(
        720,
        |rows| {
            let ctx = rows.context();
            ctx.dstream(interop::chunked(rows.into_rows())).aggregate_by_key(Sum)
        },
        |batches| Some(by_group(batches.last().expect("a batch").rows(), wrapping_sum)),
    );
}

fn a_join_by_differential_is_a_table() {
    // Each row of the last two batches with the sum of its key over all batches.
    let input = Input::random(730, 14, 2);
    let expected = expectations(&input, |batches| {
        let all = by_group(batches.iter().flat_map(Batch::rows), wrapping_sum);
        let sum = |key: &str| all.iter().find(|(other, _)| other == key).map(|(_, sum)| *sum);
        let recent = inside(batches, Some((2, 1))).flat_map(Batch::rows);
        let mut joined: Vec<(String, (i64, i64))> =
            recent.filter_map(|(key, value)| Some((key.clone(), (value, sum(&key)?)))).collect();
        joined.sort();
        Some(joined)
    });
    for strategy in STRATEGIES {
        for workers in WORKERS {
            let output = Memory::new();
            let sink = output.clone();
            drive(&input, config(workers, strategy), move |rows| {
                let ctx = rows.context();
                let span = tidegate::Span::batches;
                let recent = rows.clone().window(span(2), span(1)).table().into_collection();
                let sums = rows.running().aggregate_by_key(Sum).into_collection();
                let joined = recent.join_map(sums, |key, value, sum| (key.clone(), (*value, *sum)));
                ctx.table(joined).snapshots().sink(sink.clone());
            });
            let what = format!("{strategy}, {workers} workers");
            same(&input, &what, &output.batches(), &expected);
        }
    }
}
