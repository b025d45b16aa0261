//! What the Kafka source and sink have in common: the client's settings, and an embedded broker.

mod client;
mod embedded;
mod topics;

#[doc(hidden)]
pub use client::is_address;
pub use embedded::EmbeddedKafka;

pub(crate) use client::{Client, Connection, brokers_of, explain, is_passing};
pub(crate) use topics::{Topic, find_topics};
