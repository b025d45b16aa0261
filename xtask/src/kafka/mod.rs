//! A real Apache Kafka broker, from its published jars: one node, KRaft, on loopback.

mod broker;
mod jars;
mod topic;

pub use broker::Broker;
pub use jars::{JARS_VARIABLE, Jars, VERSION};
pub use topic::Topic;
