//! Nexmark: an auction house, as a benchmark of queries over streams.
//!
//! Of 50 events in a row one is a new person, three open an auction, and 46 are bids. Most bids go
//! to a hot auction, most bidders are hot, and most auctions are those of hot sellers; who is hot
//! changes as the stream goes on. Bids go to auctions that are open or about to be, and people who
//! are long gone do nothing.
//!
//! The model is that of P. Tucker, K. Tufte, V. Papadimos and D. Maier, *NEXMark: A Benchmark for
//! Queries over Data Streams* (2002), the generator that of Apache Beam
//! (`org.apache.beam.sdk.nexmark.sources.generator`), with the channels and addresses of bids that
//! Flink's Nexmark has added. Ids, proportions and ratios are theirs; the random numbers are
//! Tidegate's own, so that an event is a function of the seed and of its number alone.

mod event;
mod ids;
mod make;
mod text;

pub use event::{Auction, Bid, NexmarkEvent, Person};
pub use make::BASE_TIME_MS;
