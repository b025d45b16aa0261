//! Windows of batches.

use tidegate::{DStream, Departed, Reduce, Span, Table, Windowed};

use super::Program;
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    let program: Program = match &*case.op {
        "window" => |case, workers| {
            let window = case.window();
            case.holds(workers, move |rows| sliding(rows, window).snapshots());
        },
        "reduceByKeyAndWindow" => reduce_by_key_and_window,
        "groupByKeyAndWindow" => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |pairs| {
                let groups = pairs
                    .map(Datum::pair)
                    .group_by_key_and_window(Span::batches(length), Span::batches(slide));
                groups.map_values(distinct).map(Datum::from)
            });
        },
        "countByWindow" => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |rows| {
                let (length, slide) = (Span::batches(length), Span::batches(slide));
                rows.count_by_window(length, slide).map(Datum::from)
            });
        },
        "countByValueAndWindow" => |case, workers| {
            let (length, slide) = case.window();
            case.holds(workers, move |rows| {
                let (length, slide) = (Span::batches(length), Span::batches(slide));
                rows.count_by_value_and_window(length, slide).snapshots().map(Datum::from)
            });
        },
        _ => return None,
    };
    Some(Ok(program))
}

fn sliding(rows: DStream<'_, Datum>, (length, slide): (u64, u64)) -> Windowed<'_, Datum> {
    rows.window(Span::batches(length), Span::batches(slide))
}

/// The facts compare the values of a group as a set.
fn distinct(mut values: Vec<Datum>) -> Vec<Datum> {
    values.sort();
    values.dedup();
    values
}

fn reduce_by_key_and_window(case: &Case, workers: usize) {
    let (length, slide) = case.window();
    let (inverse, filter) = (case.has("inverse"), case.has("filter"));
    case.holds(workers, move |pairs| {
        let pairs = pairs.map(Datum::pair).map_values(|value| value.number());
        let (length, slide) = (Span::batches(length), Span::batches(slide));
        let table: Table<'_, (Datum, i64)> = if inverse {
            // Spark's: what has left the window stays at what the inverse function leaves.
            let window = pairs.window(length, slide).departed(Departed::Keep);
            window.aggregate_by_key(Reduce::new(|a, b| a + b).with_inverse(|a, b| a - b))
        } else {
            pairs.reduce_by_key_and_window(|a, b| a + b, length, slide)
        };
        let table = if filter { table.filter(|(_, value)| *value != 0) } else { table };
        table.snapshots().map(Datum::from)
    });
}
