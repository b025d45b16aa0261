//! The events that the queries are asked about.

use tidegate::source::Generator;
use tidegate::source::generator::nexmark::{Auction, BASE_TIME_MS, Bid, NexmarkEvent, Person};

/// Forty seconds of an auction house.
pub fn events() -> Generator<NexmarkEvent> {
    Generator::nexmark(100, 7)
}

/// How often a second of the events is as long in [`over_days`].
const SLOWER: i64 = 3_000;

pub const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// The same event at a later time: forty seconds become more than a day.
pub fn over_days(event: NexmarkEvent) -> NexmarkEvent {
    let slower = |time_ms: i64| BASE_TIME_MS + (time_ms - BASE_TIME_MS) * SLOWER;
    match event {
        NexmarkEvent::Bid(bid) => NexmarkEvent::Bid(Bid { time_ms: slower(bid.time_ms), ..bid }),
        other => other,
    }
}

/// Day and minute of a time of [`over_days`], the first of which is midnight.
pub fn day_and_minute(time_ms: i64) -> (String, String) {
    let since = time_ms - BASE_TIME_MS;
    let minutes = since % DAY_MS / MINUTE_MS;
    let day = ["2015-07-15", "2015-07-16"][(since / DAY_MS) as usize].to_owned();
    (day, format!("{:0>2}:{:0>2}", minutes / 60, minutes % 60))
}

pub fn people<'a>(events: impl IntoIterator<Item = &'a NexmarkEvent>) -> Vec<&'a Person> {
    let person = |event: &'a NexmarkEvent| match event {
        NexmarkEvent::Person(person) => Some(person),
        _ => None,
    };
    events.into_iter().filter_map(person).collect()
}

pub fn auctions<'a>(events: impl IntoIterator<Item = &'a NexmarkEvent>) -> Vec<&'a Auction> {
    let auction = |event: &'a NexmarkEvent| match event {
        NexmarkEvent::Auction(auction) => Some(auction),
        _ => None,
    };
    events.into_iter().filter_map(auction).collect()
}

pub fn bids<'a>(events: impl IntoIterator<Item = &'a NexmarkEvent>) -> Vec<&'a Bid> {
    let bid = |event: &'a NexmarkEvent| match event {
        NexmarkEvent::Bid(bid) => Some(bid),
        _ => None,
    };
    events.into_iter().filter_map(bid).collect()
}
