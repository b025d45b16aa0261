//! Duplicates dropped, alone and before and behind other operations.

use tidegate::sink::Null;
use tidegate::{EventStream, Sum, TimeWindows};

use super::Program;
use super::event_time::{
    Timed, counted, refusal, steps, steps_of, with_watermark, with_watermark_at,
};
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    Some(match &*case.op {
        "dedup" => dedup(case),
        "dedup_chain" => Ok(|case, workers| {
            let found = steps(case, workers, untimed(), |rows| {
                rows.into_stream().drop_duplicates().drop_duplicates_by(|row| item(row, 0))
            });
            found.hold(case);
            found.hold_sizes(case, &["drop_duplicates-2", "drop_duplicates"]);
        }),
        "dedup_within_watermark" => dedup_within_watermark(case),
        "dedup_then_window_count" => Ok(dedup_then_window_count),
        "dedup_then_sum" => dedup_then_sum(case),
        "window_count_then_dedup" => window_count_then_dedup(case),
        "union_dedup" => Ok(|case, workers| {
            let batches = ["plain", "dedup"].map(|input| case.batches_of(input)).to_vec();
            let found = steps_of(case, workers, batches, 1, |mut rows| {
                let firsts = rows.pop().expect("two inputs").drop_duplicates();
                rows.pop().expect("two inputs").union(firsts)
            });
            found.hold(case);
        }),
        _ => return None,
    })
}

fn item(row: &Datum, place: usize) -> Datum {
    match row {
        Datum::List(items) => items[place].clone(),
        other => panic!("{other:?} is no list"),
    }
}

/// Records of which no time is wanted.
fn untimed() -> Timed {
    Box::new(|rows| rows.event_time(|_| 0))
}

/// Compares how many rows came too late, where the fact says so.
fn hold_late(case: &Case, workers: usize, timed: Timed) {
    let Some(expected) = case.params["also_expect"]["dropped_by_watermark"].as_array() else {
        return;
    };
    let late = counted(&steps(case, workers, timed, |events| events.split_late().1.count()));
    for (step, expected) in expected.iter().enumerate() {
        // Of a window and of the dropping of duplicates before it, the latter is the last.
        let expected = expected.as_array().and_then(|both| both.last()).unwrap_or(expected);
        if !expected.is_null() {
            assert_eq!(late[step], *expected, "late in step {}", step + 1);
        }
    }
}

fn dedup(case: &Case) -> Result<Program, String> {
    Ok(match (case.text("key"), case.text("input")) {
        (Some("row"), None) => |case, workers| {
            let found =
                steps(case, workers, untimed(), |rows| rows.into_stream().drop_duplicates());
            found.hold(case);
            found.hold_sizes(case, &["drop_duplicates"]);
        },
        (Some("first"), None) => |case, workers| {
            let found = steps(case, workers, untimed(), |rows| {
                rows.into_stream().drop_duplicates_by(|row| item(row, 0))
            });
            found.hold(case);
            let dropped = &case.params["also_expect"]["duplicates_dropped"];
            for (step, batch) in case.batches().iter().enumerate() {
                assert_eq!(batch.len() - found.rows[step].len(), dropped[step]);
            }
        },
        (Some("row incl. event time"), None) => |case, workers| {
            let found = steps(case, workers, with_watermark(case), |events| {
                events.drop_duplicates().into_stream()
            });
            found.hold(case);
            found.hold_sizes(case, &["drop_duplicates"]);
            hold_late(case, workers, with_watermark(case));
        },
        (Some("id, time"), Some("(time s, id)")) => |case, workers| {
            let found = steps(case, workers, with_watermark_at(case, Some(0)), |events| {
                let firsts = events.drop_duplicates_at_time(|row| item(row, 1));
                firsts.into_stream().map(|row| item(&row, 1))
            });
            found.hold(case);
        },
        (Some("id"), Some("(id, time s)")) => |case, workers| {
            let found = steps(case, workers, with_watermark_at(case, Some(1)), |events| {
                events.drop_duplicates_by(|row| item(row, 0)).into_stream()
            });
            found.hold(case);
        },
        (key, input) => return Err(format!("dedup {key:?} {input:?}")),
    })
}

fn dedup_within_watermark(case: &Case) -> Result<Program, String> {
    if case.has("expect_error") {
        return Ok(|case, workers| {
            let text = refusal(case, workers, |rows| {
                let events = rows.event_time(|row| row.number());
                let firsts = events.drop_duplicates_within_watermark(Datum::clone);
                firsts.into_stream().sink(Null::default());
            });
            let expected = case.text("expect_error").expect("an error");
            let (_, expected) = expected.split_once(" ... ").expect("two parts");
            assert!(text.contains("is not supported") && text.contains(expected), "{text}");
        });
    }
    Ok(match case.text("key") {
        Some("row incl. event time") => |case, workers| {
            let found = steps(case, workers, with_watermark(case), |events| {
                events.drop_duplicates_within_watermark(Datum::clone).into_stream()
            });
            found.hold(case);
            found.hold_sizes(case, &["drop_duplicates_within_watermark"]);
            hold_late(case, workers, with_watermark(case));
        },
        Some("first") => |case, workers| {
            let found = steps(case, workers, with_watermark_at(case, Some(1)), |events| {
                events.drop_duplicates_within_watermark(|row| item(row, 0)).into_stream()
            });
            found.hold(case);
            found.hold_sizes(case, &["drop_duplicates_within_watermark"]);
            hold_late(case, workers, with_watermark_at(case, Some(1)));
        },
        key => return Err(format!("dedup_within_watermark {key:?}")),
    })
}

fn dedup_then_window_count(case: &Case, workers: usize) {
    let length = case.params["window_s"].as_i64().expect("a window") * 1000;
    let found = steps(case, workers, with_watermark(case), move |events| {
        let counts = events.drop_duplicates().window(TimeWindows::tumbling(length)).count();
        counts.finals().map(|(window, count)| Datum::from((window.start_ms / 1000, count)))
    });
    found.hold(case);
    found.hold_sizes(case, &["window_count", "drop_duplicates"]);
    hold_late(case, workers, with_watermark(case));
}

fn dedup_then_sum(case: &Case) -> Result<Program, String> {
    fn sums(rows: EventStream<'_, Datum>) -> tidegate::Table<'_, (Datum, i64)> {
        let pairs = rows.into_stream().drop_duplicates().map(Datum::pair);
        pairs.map(|(key, value)| (key, value.number())).running().aggregate_by_key(Sum)
    }
    Ok(match case.text("mode") {
        Some("update") => |case, workers| {
            let found = steps(case, workers, untimed(), |rows| {
                let came = sums(rows).changes().filter(|change| change.diff > 0);
                came.map(|change| Datum::from(change.row))
            });
            found.hold(case);
            found.hold_sizes(case, &["aggregate_by_key", "drop_duplicates"]);
        },
        Some("complete") => |case, workers| {
            let found =
                steps(case, workers, untimed(), |rows| sums(rows).snapshots().map(Datum::from));
            found.hold(case);
            found.hold_sizes(case, &["aggregate_by_key", "drop_duplicates"]);
        },
        mode => return Err(format!("dedup_then_sum {mode:?}")),
    })
}

fn window_count_then_dedup(case: &Case) -> Result<Program, String> {
    fn counts(events: EventStream<'_, Datum>, length: i64) -> EventStream<'_, (i64, i64)> {
        let counts = events.window(TimeWindows::tumbling(length)).count().closed();
        counts.map(|(window, count)| (window.end_ms / 1000, count))
    }
    Ok(match case.text("output") {
        Some("(window end, count)") => |case, workers| {
            let length = case.params["window_s"].as_i64().expect("a window") * 1000;
            let found = steps(case, workers, with_watermark(case), move |events| {
                let firsts = counts(events, length).drop_duplicates_by(|row| *row);
                firsts.into_stream().map(Datum::from)
            });
            found.hold(case);
            found.hold_sizes(case, &["drop_duplicates", "window_count"]);
        },
        Some("(window end s, window time in microseconds, count)") => |case, workers| {
            let length = case.params["window_s"].as_i64().expect("a window") * 1000;
            let found = steps(case, workers, with_watermark(case), move |events| {
                let firsts = counts(events, length).drop_duplicates().with_times();
                firsts.map(|(at_us, (end, count))| {
                    Datum::List([end, at_us, count].map(Datum::from).to_vec())
                })
            });
            found.hold(case);
            found.hold_sizes(case, &["drop_duplicates", "window_count"]);
        },
        output => return Err(format!("window_count_then_dedup {output:?}")),
    })
}
