//! Against a real Apache Kafka broker: what is read, where it begins, what others see of it, what
//! happens while the broker is away, and whether what is written is there exactly once.
//!
//! Catches a client that works only with librdkafka's mock cluster, whose transactions are none. Can't
//! catch what takes several brokers: leaders that move, replicas that lag, a coordinator that is
//! another one after a failure.

mod exactly_once;
mod jobs;
pub mod lane;
mod liar;
mod outage;
mod reading;
mod recording;
mod upsert;

use libtest_mimic::Trial;
use xtask::kafka::Jars;

use crate::support::{skipped, test};

pub fn trials() -> Vec<Trial> {
    let tests: Vec<(&str, fn())> = [
        reading::TESTS,
        jobs::TESTS,
        outage::TESTS,
        exactly_once::TESTS,
        upsert::TESTS,
        recording::TESTS,
    ]
    .concat();
    match Jars::from_environment() {
        Ok(_) => tests.into_iter().map(|(name, body)| test("kafka", name, body)).collect(),
        Err(why) => tests.iter().map(|(name, _)| skipped("kafka", name, &why)).collect(),
    }
}
