//! What happens at the auction house.

use serde::{Deserialize, Serialize};

/// Something happened: somebody came, opened an auction or made a bid.
///
/// ```
/// use tidegate::source::generator::nexmark::{Bid, NexmarkEvent};
///
/// let json = r#"{"Bid": {"auction": 1000, "bidder": 1001, "price": 250, "channel": "Google",
///     "url": "https://www.nexmark.com/a/b/c/item.htm?query=1", "time_ms": 7, "extra": ""}}"#;
/// let event: NexmarkEvent = serde_json::from_str(json)?;
/// assert_eq!(event.time_ms(), 7);
/// assert_eq!(event.into_bid().map(|bid| bid.price), Some(250));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NexmarkEvent {
    /// Somebody came.
    Person(Person),
    /// Something is for sale.
    Auction(Auction),
    /// Somebody would pay a price.
    Bid(Bid),
}

impl NexmarkEvent {
    /// When it happened: milliseconds since 1970.
    pub fn time_ms(&self) -> i64 {
        match self {
            NexmarkEvent::Person(person) => person.time_ms,
            NexmarkEvent::Auction(auction) => auction.time_ms,
            NexmarkEvent::Bid(bid) => bid.time_ms,
        }
    }

    /// The person, if somebody came.
    pub fn into_person(self) -> Option<Person> {
        if let NexmarkEvent::Person(person) = self { Some(person) } else { None }
    }

    /// The auction, if something is for sale.
    pub fn into_auction(self) -> Option<Auction> {
        if let NexmarkEvent::Auction(auction) = self { Some(auction) } else { None }
    }

    /// The bid, if it is one.
    pub fn into_bid(self) -> Option<Bid> {
        if let NexmarkEvent::Bid(bid) = self { Some(bid) } else { None }
    }
}

/// Somebody who sells or bids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Person {
    /// The number of the person.
    pub id: u64,
    /// First and last name.
    pub name: String,
    /// An address for messages.
    pub email: String,
    /// Four groups of four digits.
    pub credit_card: String,
    /// Where the person lives.
    pub city: String,
    /// The state of the city, by its two letters.
    pub state: String,
    /// When the person came: milliseconds since 1970.
    pub time_ms: i64,
    /// Nothing in particular: it brings the event to its usual size.
    pub extra: String,
}

/// Something that is for sale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Auction {
    /// The number of the auction.
    pub id: u64,
    /// What is for sale.
    pub item_name: String,
    /// What it is like.
    pub description: String,
    /// The price to begin with, in cents.
    pub initial_bid: i64,
    /// The price below which it is not sold, in cents.
    pub reserve: i64,
    /// When the auction opens: milliseconds since 1970.
    pub time_ms: i64,
    /// When it closes.
    pub expires_ms: i64,
    /// Who sells it.
    pub seller: u64,
    /// What kind of thing it is.
    pub category: u64,
    /// Nothing in particular: it brings the event to its usual size.
    pub extra: String,
}

/// A price that somebody would pay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bid {
    /// In which auction.
    pub auction: u64,
    /// Who.
    pub bidder: u64,
    /// How much, in cents.
    pub price: i64,
    /// Through whom the bidder came.
    pub channel: String,
    /// From which page.
    pub url: String,
    /// When: milliseconds since 1970.
    pub time_ms: i64,
    /// Nothing in particular: it brings the event to its usual size.
    pub extra: String,
}
