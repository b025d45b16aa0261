//! Against a real Apache Kafka broker: what is read, where it begins, what others see of it, and
//! what happens while the broker is away.
//!
//! Catches a client that works only with librdkafka's mock cluster. Can't catch what takes several
//! brokers: leaders that move, replicas that lag.

mod jobs;
mod lane;
mod outage;
mod reading;

use libtest_mimic::Trial;
use xtask::kafka::Jars;

use crate::support::{skipped, test};

pub use lane::stop;

pub fn trials() -> Vec<Trial> {
    let tests: Vec<(&str, fn())> = [reading::TESTS, jobs::TESTS, outage::TESTS].concat();
    match Jars::from_environment() {
        Ok(_) => tests.into_iter().map(|(name, body)| test("kafka", name, body)).collect(),
        Err(why) => tests.iter().map(|(name, _)| skipped("kafka", name, &why)).collect(),
    }
}
