//! Nexmark: 23 queries over the events of an auction house
//! ([`generator::nexmark`](crate::source::generator::nexmark)).
//!
//! The queries are those of Flink's Nexmark (`nexmark-flink`, q0 to q22), each a function from
//! events to what it gives: a [`DStream`](crate::DStream) where rows are given once and stay, a
//! [`Table`](crate::Table) where they may change. Prices are in cents and stay whole: what is
//! converted or averaged is cut off, so that a row has the same bytes everywhere.
//!
//! | query | what it computes | gives | kept |
//! |---|---|---|---|
//! | [`q0`] | all bids | stream | nothing |
//! | [`q1`] | bids in euros | stream | nothing |
//! | [`q2`] | bids on some auctions | stream | nothing |
//! | [`q3`] | who sells in some states | table | people and auctions, filtered |
//! | [`q4`] | mean price of a category | table | bids and auctions |
//! | [`q5`] | hot auctions of a sliding window | stream | counts of open windows |
//! | [`q6`] | mean price of a seller's last ten | table | bids and auctions |
//! | [`q7`] | highest bids of a window | stream | highest bids of open windows |
//! | [`q8`] | new people who sell | stream | people and sellers of open windows |
//! | [`q9`] | winning bids | table | bids and auctions |
//! | [`q10`] | bids by day and minute | stream | nothing |
//! | [`q11`] | sessions of bidders | stream | open sessions |
//! | [`q12`] | bids of a bidder in a window of batches | table | counts of the window |
//! | [`q13`] | bids beside rows that stay | stream | those rows |
//! | [`q14`] | bids, calculated and filtered | stream | nothing |
//! | [`q15`] | statistics of a day | table | counts, bidders and auctions of days |
//! | [`q16`] | statistics of a channel | table | the same for each channel |
//! | [`q17`] | prices of an auction by day | table | counts and prices |
//! | [`q18`] | last bid of a bidder on an auction | table | that bid |
//! | [`q19`] | ten highest bids of an auction | table | bids |
//! | [`q20`] | bids beside their auctions | table | bids, and auctions of a category |
//! | [`q21`] | numbers of channels | stream | nothing |
//! | [`q22`] | directories of pages | stream | nothing |
//!
//! Where the SQL leaves something open for streams, this is chosen:
//!
//! - Windows of event time (q5, q7, q8, q11) give their rows once, when the watermark has closed
//!   them. It stays [`WATERMARK_DELAY_MS`] behind the latest event of its own kind in the batches
//!   before; what comes later is dropped. Windows that are open when the input ends give nothing.
//! - What is joined or ranked without a window (q3, q4, q6, q9, q18 to q20) is a table that is right
//!   at the end of every batch, whatever comes in which order, and is kept for ever.
//! - An auction counts from its first bid on (q4, q6, q9): its price rises until it is over.
//! - Of bids of one price the earlier is the higher, and of bids of one millisecond that of the
//!   bidder with the smaller number.
//! - Days and minutes are those of UTC.

mod calendar;
mod highest;
mod kinds;
mod q0;
mod q1;
mod q10;
mod q11;
mod q12;
mod q13;
mod q14;
mod q15;
mod q16;
mod q17;
mod q18;
mod q19;
mod q2;
mod q20;
mod q21;
mod q22;
mod q3;
mod q4;
mod q5;
mod q6;
mod q7;
mod q8;
mod q9;
mod rank;
mod statistics;
mod winning;

pub use calendar::{day_of, hour_of, minute_of};
pub use kinds::WATERMARK_DELAY_MS;
pub use q0::q0;
pub use q1::{in_euros, q1};
pub use q2::q2;
pub use q3::{LocalSale, q3};
pub use q4::q4;
pub use q5::{HotItem, q5};
pub use q6::q6;
pub use q7::q7;
pub use q8::q8;
pub use q9::q9;
pub use q10::q10;
pub use q11::q11;
pub use q12::q12;
pub use q13::{q13, side_input};
pub use q14::{TimeOfDay, q14};
pub use q15::q15;
pub use q16::q16;
pub use q17::{Prices, q17};
pub use q18::q18;
pub use q19::q19;
pub use q20::q20;
pub use q21::{channel_id, q21};
pub use q22::q22;
pub use rank::{ByRank, PriceRank};
pub use statistics::Statistics;
pub use winning::{Lot, Offer};
