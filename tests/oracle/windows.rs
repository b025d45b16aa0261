//! Windows whose results are streams: rows of the window, totals, groups.

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::{Count, Mean, Min, OrderedFloat, Span, Strategy, Sum};

use super::check::{
    STRATEGIES, WORKERS, config, drive, every_window, expectations, inside, same, slide, stream,
};
use super::input::{Batch, Input, Row};
use super::streams::{by_group, groups, wrapping_sum};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::windows";
        a_window_shows_its_rows_by_partition_and_offset,
        a_window_counts_its_rows_whenever_it_slides,
        a_window_is_reduced_to_one_row_or_none,
        a_window_groups_values_in_the_order_of_the_stream,
        per_batch_operations_work_on_a_windowed_stream,
        a_window_of_a_windowed_stream_slides_by_its_multiple,
        values_in_order_stay_in_order_over_batches,
    ]
}

/// All rows of a window: those of the first partition first, whatever batch they came with.
fn in_order(batches: &[&Batch]) -> Vec<Row> {
    let partitions = batches.first().map_or(0, |batch| batch.partitions.len());
    let of = |partition: usize| batches.iter().map(move |batch| &batch.partitions[partition]);
    (0..partitions).flat_map(|partition| of(partition).flatten().cloned()).collect()
}

fn a_window_shows_its_rows_by_partition_and_offset() {
    every_window(200, |window| window.snapshots(), in_order);
}

fn a_window_counts_its_rows_whenever_it_slides() {
    every_window(210, |window| window.count(), |batches| vec![in_order(batches).len() as i64]);
    stream(
        219,
        |rows| rows.count_by_window(Span::batches(5), Span::batches(2)),
        |batches| {
            let rows = inside(batches, Some((5, 2))).flat_map(Batch::rows).count();
            let now = batches.last().expect("a batch");
            now.has_output(2).then(|| vec![rows as i64])
        },
    );
}

fn a_window_is_reduced_to_one_row_or_none() {
    every_window(
        220,
        |window| window.reduce(|a, b| a.min(b).clone()),
        |batches| in_order(batches).into_iter().min().into_iter().collect(),
    );
    every_window(
        230,
        |window| window.aggregate(Min).map(|(key, value)| (value, key)),
        |batches| {
            let least = in_order(batches).into_iter().min();
            least.map(|(key, value)| (value, key)).into_iter().collect()
        },
    );
}

fn a_window_groups_values_in_the_order_of_the_stream() {
    every_window(
        240,
        |window| window.group_by_key(),
        |batches| groups(in_order(batches)).into_iter().collect(),
    );
}

fn per_batch_operations_work_on_a_windowed_stream() {
    every_window(
        250,
        |window| window.snapshots().aggregate_by_key(Mean),
        |batches| {
            by_group(in_order(batches), |values| {
                let count = values.len() as f64;
                OrderedFloat(wrapping_sum(values) as f64 / count)
            })
        },
    );
}

fn a_window_of_a_windowed_stream_slides_by_its_multiple() {
    // The inner stream has a batch at every second id, with the last 3 batches; the outer window
    // holds what those of the last 4 ids have shown.
    stream(
        260,
        |rows| {
            let inner = rows.window(Span::batches(3), Span::batches(2)).snapshots();
            inner.window(Span::batches(4), Span::batches(2)).aggregate_by_key(Count).snapshots()
        },
        |batches| {
            let now = batches.last().expect("a batch");
            if !now.has_output(2) {
                return None;
            }
            let mut shown = Vec::new();
            for (count, batch) in batches.iter().enumerate() {
                let is_inside = inside(batches, Some((4, 2))).any(|other| other.id == batch.id);
                if is_inside && batch.has_output(2) {
                    let inner = inside(&batches[..=count], Some((3, 2)));
                    shown.extend(inner.flat_map(Batch::rows));
                }
            }
            Some(by_group(shown, |values| values.len() as i64))
        },
    );
    stream(
        261,
        |rows| {
            let inner = rows.window(Span::batches(3), Span::batches(1)).aggregate_by_key(Sum);
            inner.snapshots().map_values(|sum| sum % 10)
        },
        |batches| {
            let rows = inside(batches, Some((3, 1))).flat_map(Batch::rows);
            Some(by_group(rows, |values| wrapping_sum(values) % 10))
        },
    );
}

fn values_in_order_stay_in_order_over_batches() {
    // In one partition: the rows of several come batch by batch where they are kept by batch, and
    // partition by partition where a window's rows are.
    for window in [None, Some((1, 1)), Some((3, 1)), Some((4, 2)), Some((2, 3))] {
        let input = Input::random(270, 16, 1);
        let expected = expectations(&input, |batches| {
            let now = batches.last().expect("a batch");
            let rows = inside(batches, window).flat_map(Batch::rows);
            let joined = by_group(rows, |values| {
                values.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
            });
            now.has_output(slide(window)).then_some(joined)
        });
        for strategy in STRATEGIES {
            if strategy == Strategy::Arrangement && window.is_some() {
                continue;
            }
            for workers in WORKERS {
                let output = Memory::new();
                let sink = output.clone();
                drive(&input, config(workers, strategy), move |rows| {
                    let texts = rows.map_values(|value| value.to_string()).in_order();
                    let window = match window {
                        None => texts.running(),
                        Some((length, slide)) => {
                            texts.window(Span::batches(length), Span::batches(slide))
                        }
                    };
                    let joined = window.reduce_by_key(|a, b| format!("{a} {b}"));
                    joined.snapshots().sink(sink.clone());
                });
                let what = format!("{strategy}, {workers} workers, window {window:?}");
                same(&input, &what, &output.batches(), &expected);
            }
        }
    }
}
