//! Operations on one batch.

use tidegate::DStream;

use super::{Program, ones};
use crate::facts::case::Case;
use crate::facts::datum::Datum;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    let program: Program = match &*case.op {
        "map" => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.map(|number| Datum::Text(number.number().to_string()))
            });
        },
        "flatMap" => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.flat_map(|x| [Datum::from(x.number()), Datum::from(2 * x.number())])
            });
        },
        "filter" => |case, workers| {
            case.holds(workers, |numbers| numbers.filter(|x| x.number() % 2 == 0));
        },
        "mapPartitions" => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.map_partitions(|rows: Vec<Datum>| {
                    [Datum::from(rows.iter().map(Datum::number).sum::<i64>())]
                })
            });
        },
        "groupByKey" => |case, workers| {
            case.holds(workers, |words| {
                words.map(|word| (word, Datum::from(1))).group_by_key().map(Datum::from)
            });
        },
        "reduceByKey" => |case, workers| {
            case.holds(workers, |words| ones(words).reduce_by_key(|a, b| a + b).map(Datum::from));
        },
        "reduce" => |case, workers| {
            case.holds(workers, |numbers| {
                numbers.reduce(|a, b| Datum::from(a.number() + b.number()))
            });
        },
        "count" => |case, workers| {
            case.holds(workers, |rows| rows.count().map(Datum::from));
        },
        "countByValue" => |case, workers| {
            case.holds(workers, |rows| rows.count_by_value().map(Datum::from));
        },
        "mapValues" => |case, workers| {
            case.holds(workers, |words| {
                let counts = ones(words).reduce_by_key(|a, b| a + b);
                counts.map_values(|v| v + 10).map(Datum::from)
            });
        },
        "flatMapValues" => |case, workers| {
            case.holds(workers, |words| {
                let counts = ones(words).reduce_by_key(|a, b| a + b);
                counts.flat_map_values(|v| [v, v + 10]).map(Datum::from)
            });
        },
        "union" => |case, workers| {
            case.holds(workers, |numbers| numbers.clone().union(shifted(numbers, 4)));
        },
        "context.union" => |case, workers| {
            case.holds(workers, |numbers| {
                let others = shifted(numbers.clone(), 4).union(shifted(numbers.clone(), 8));
                numbers.union(others)
            });
        },
        _ => return None,
    };
    Some(Ok(program))
}

fn shifted(numbers: DStream<'_, Datum>, by: i64) -> DStream<'_, Datum> {
    numbers.map(move |number| Datum::from(number.number() + by))
}
