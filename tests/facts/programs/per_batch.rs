//! Operations on one batch.

use tidegate::DStream;
use tidegate::sink::Memory;
use tidegate::source::Queue;

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
                let ctx = numbers.context();
                ctx.union([0, 4, 8].map(|by| shifted(numbers.clone(), by))).expect("three")
            });
        },
        "slice" => slice,
        "glom" => |case, workers| {
            case.holds(workers, |numbers| numbers.glom().map(Datum::List));
        },
        "repartition" => |case, workers| {
            let partitions = case.number("to_partitions").expect("partitions") as u32;
            case.holds(workers, move |numbers| numbers.repartition(partitions));
            let sizes = case.run(workers, move |numbers| {
                numbers.repartition(partitions).glom().count().map(Datum::from)
            });
            let expected = case.params["also_expect"]["partitions_per_batch"].as_array();
            let expected: Vec<Vec<Datum>> =
                expected.expect("sizes").iter().map(|count| vec![Datum::of(count)]).collect();
            assert_eq!(sizes, expected, "partitions of each batch");
        },
        "context.transform" => |case, workers| {
            case.holds(workers, |numbers| {
                let ctx = numbers.context();
                let streams = [0, 4, 8].map(|by| shifted(numbers.clone(), by));
                ctx.transform(streams.into(), |streams| ctx.union(streams).expect("three"))
            });
        },
        "transformWith" => |case, workers| {
            case.holds_of_two(workers, |left, right| {
                let (left, right) = (ones(left), crosses(right));
                left.transform_with(right, |left, right| left.join(right)).map(Datum::from)
            });
        },
        "cogroup" => |case, workers| {
            case.holds_of_two(workers, |left, right| {
                ones(left).cogroup(crosses(right)).map(Datum::from)
            });
        },
        "join" => |case, workers| {
            case.holds_of_two(workers, |left, right| {
                ones(left).join(crosses(right)).map(Datum::from)
            });
        },
        "leftOuterJoin" => |case, workers| {
            case.holds_of_two(workers, |left, right| {
                ones(left).left_outer_join(crosses(right)).map(Datum::from)
            });
        },
        "rightOuterJoin" => |case, workers| {
            case.holds_of_two(workers, |left, right| {
                ones(left).right_outer_join(crosses(right)).map(Datum::from)
            });
        },
        "fullOuterJoin" => |case, workers| {
            case.holds_of_two(workers, |left, right| {
                ones(left).full_outer_join(crosses(right)).map(Datum::from)
            });
        },
        _ => return None,
    };
    Some(Ok(program))
}

fn slice(case: &Case, workers: usize) {
    let (input, output) = (Queue::<Datum>::new(1), Memory::<Datum>::new());
    let (source, sink) = (input.clone(), output.clone());
    let mut local = case
        .start(case.config(workers), move |ctx| {
            ctx.source(source.clone()).sink(sink.clone());
        })
        .expect("the program can run");
    let bound = |param: &str| case.number(param).expect("a bound") as i64;
    let (from, to) = (bound("from_ms"), bound("to_ms"));
    if let Some(error) = case.text("expect_error") {
        let found = output.slice(from, to).expect_err("it is too early").to_string();
        assert!(found.contains(error), "{found}");
    }
    for batch in case.batches() {
        input.push(batch);
        local.tick();
    }
    local.stop().expect("the job ends well");
    if !case.has("expect_error") {
        case.compare(&[output.slice(from, to).expect("there are batches")]);
    }
}

fn crosses(words: DStream<'_, Datum>) -> DStream<'_, (Datum, String)> {
    words.map(|word| (word, "x".to_owned()))
}

fn shifted(numbers: DStream<'_, Datum>, by: i64) -> DStream<'_, Datum> {
    numbers.map(move |number| Datum::from(number.number() + by))
}
