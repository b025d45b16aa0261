//! How fast sources are read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate::kafka::EmbeddedKafka;
use tidegate::rate::{Backlog, BatchTiming, Pid, PidEstimator, RateControl, RateEstimator};
use tidegate::sink::{KafkaSink, Null};
use tidegate::source::{Generator, Kafka};
use tidegate::{Config, Trigger};

use super::Program;
use crate::facts::case::Case;
use crate::support::Rng;

pub fn find(case: &Case) -> Option<Result<Program, String>> {
    let program: Program = match &*case.op {
        "pid_rate" => pid_rate,
        "pid_rate.validate" => pid_rate_validate,
        "pid_rate.property" => pid_rate_property,
        "kafka_rate_limit" => kafka_rate_limit,
        "kafka_rate_limit.batch_size" => kafka_batch_size,
        _ => return None,
    };
    Some(Ok(program))
}

fn numbers(row: &Value) -> Vec<f64> {
    let items = row.as_array().expect("a row of numbers").iter();
    items.map(|number| number.as_f64().expect("a number")).collect()
}

fn estimator(case: &Case) -> PidEstimator {
    let number = |param: &str| case.params[param].as_f64().expect("a parameter");
    let pid = Pid {
        proportional: number("proportional"),
        integral: number("integral"),
        derivative: number("derivative"),
        rate_min: number("min_rate"),
    };
    PidEstimator::new(number("batch_ms"), pid).expect("valid parameters")
}

fn pid_rate(case: &Case, _workers: usize) {
    let mut estimator = estimator(case);
    let batches = case.input.as_array().expect("batches");
    assert_eq!(batches.len(), case.expected.len());
    for (number, (batch, expected)) in batches.iter().zip(&case.expected).enumerate() {
        let [time_ms, records, processing_ms, scheduling_ms] = numbers(batch)[..] else {
            panic!("{batch} is no batch")
        };
        let records = records as i64;
        let batch = BatchTiming { time_ms, records, processing_ms, scheduling_ms };
        match (estimator.estimate(batch), expected[0].as_f64()) {
            (Some(rate), Some(expected)) => {
                assert!((rate - expected).abs() < 1e-6, "{number}: {rate}, not {expected}");
            }
            (rate, expected) => assert_eq!(rate, expected, "{number}"),
        }
    }
}

fn pid_rate_validate(case: &Case, _workers: usize) {
    let rows = case.input.as_array().expect("parameters");
    for (row, expected) in rows.iter().zip(&case.expected) {
        let [batch_ms, proportional, integral, derivative, rate_min] = numbers(row)[..] else {
            panic!("{row} are not five parameters")
        };
        let pid = Pid { proportional, integral, derivative, rate_min };
        assert_eq!(expected[0], "error");
        let error = PidEstimator::new(batch_ms, pid).expect_err("out of range");
        assert!(error.to_string().contains("use "), "{error} has a remedy");
    }
}

fn pid_rate_property(case: &Case, _workers: usize) {
    for seed in 0..100 {
        let (mut estimator, mut random) = (estimator(case), Rng::new(seed));
        for call in 0..50 {
            let records = random.below(1000) as i64;
            let scheduling_ms = random.below(19) as f64;
            let time_ms = f64::from(call * 20);
            let batch = BatchTiming { time_ms, records, processing_ms: 20.0, scheduling_ms };
            let Some(rate) = estimator.estimate(batch) else { continue };
            let speed = records as f64 / 20.0 * 1000.0;
            // The estimate is never below the minimum, whatever the speed is.
            let is_free = rate > case.params["min_rate"].as_f64().expect("a rate");
            if scheduling_ms > 0.0 && is_free {
                assert!(rate < speed, "seed {seed}, call {call}: {rate} at {speed} a second");
            }
        }
    }
}

fn kafka_rate_limit(case: &Case, _workers: usize) {
    let rate = |param: &str| case.params[param].as_f64();
    let mut control = RateControl::new();
    control.max_rate_per_partition = rate("max_rate_per_partition");
    if let Some(rates) = case.params["max_rate_by_partition"].as_object() {
        for (partition, rate) in rates {
            control = control.max_rate_of(partition, rate.as_f64().expect("a rate"));
        }
    }
    let is_adaptive = case.params["backpressure"].as_bool() != Some(false);
    let estimate = rate("estimated_rate").or(rate("initial_rate")).filter(|_| is_adaptive);
    let length = Duration::from_millis(case.number("batch_ms").expect("a batch length"));
    let batches = case.input.as_array().expect("batches");
    for (batch, expected) in batches.iter().zip(&case.expected) {
        let lags = batch.as_object().expect("lags by partition");
        let backlogs: Vec<Backlog<'_>> = lags
            .iter()
            .map(|(partition, lag)| Backlog { partition, records: lag.as_u64().expect("a lag") })
            .collect();
        let records = control.records(&backlogs, estimate, length);
        let found = records.map(|records| {
            let partitions = backlogs.iter().map(|backlog| backlog.partition.to_owned());
            partitions.zip(records).collect::<BTreeMap<String, u64>>()
        });
        assert_eq!(serde_json::json!(found), *expected, "{backlogs:?}");
    }
    // What the facts say in words: without a lag there is no limit, and a record is always allowed.
    let idle = [Backlog { partition: "0", records: 0 }, Backlog { partition: "1", records: 0 }];
    assert_eq!(control.records(&idle, Some(500.0), length), None);
    let one = [Backlog { partition: "0", records: 0 }, Backlog { partition: "1", records: 9 }];
    let records = control.records(&one, Some(500.0), length).expect("a limit");
    assert_eq!(records[0], control.min_records_per_partition);
}

/// Says what it is told to.
struct Told(Arc<Mutex<f64>>);

impl RateEstimator for Told {
    fn estimate(&mut self, _batch: BatchTiming) -> Option<f64> {
        Some(*self.0.lock().unwrap())
    }
}

/// Batches of a topic follow the estimate.
fn kafka_batch_size(case: &Case, workers: usize) {
    let number = |param| case.number(param).expect("a number");
    let broker = EmbeddedKafka::start().expect("a broker");
    broker.create_topic("lines", 1).expect("a topic");
    let (brokers, messages) = (broker.brokers(), number("messages_in_topic"));
    tidegate::run(Config::new("write").trigger(Trigger::AvailableNow), move |ctx| {
        let lines = ctx.source(Generator::lines(1).records(messages));
        lines.sink(KafkaSink::text(&brokers, "lines"));
    })
    .expect("the topic is filled");

    let rate = Arc::new(Mutex::new(0.0));
    let told = Arc::clone(&rate);
    let control = RateControl::new()
        .max_rate_per_partition(number("max_rate_per_partition") as f64)
        .estimator(move || Told(Arc::clone(&told)));
    let brokers = broker.brokers();
    let config = case.config(workers).rate_control(control);
    let mut local = case
        .start(config, move |ctx| {
            ctx.source(Kafka::text(&brokers, "lines")).sink(Null::default());
        })
        .expect("the program can run");
    for (told, expected) in case.input.as_array().expect("rates").iter().zip(&case.expected) {
        *rate.lock().unwrap() = told[0].as_f64().expect("a rate");
        // The batch after this one is the first that knows of it.
        local.tick();
        let expected = expected[0].as_u64().expect("a size");
        let begun = Instant::now();
        loop {
            let size = local.tick().rows_in();
            assert!(size <= expected, "{size} records at {told} a second");
            if size == expected {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "never {expected} records");
        }
    }
    local.stop().expect("the job ends well");
}
