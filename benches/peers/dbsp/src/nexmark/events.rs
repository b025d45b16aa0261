//! The events, and the tables that they go to.

use std::io;

use dbsp::utils::{Tup2, Tup7, Tup8, Tup10};
use dbsp::{OrdZSet, RootCircuit, Stream, ZSetHandle};
use serde::Deserialize;

/// Number, name, e-mail, credit card, city, state, time, extra.
pub type Person = Tup8<u64, String, String, String, String, String, i64, String>;
/// Number, item, description, initial bid, reserve, time, when it expires, seller, category, extra.
pub type Auction = Tup10<u64, String, String, i64, i64, i64, i64, u64, u64, String>;
/// Auction, bidder, price, channel, URL, time, extra.
pub type Bid = Tup7<u64, u64, i64, String, String, i64, String>;

#[derive(Deserialize)]
enum Event {
    Person {
        id: u64,
        name: String,
        email: String,
        credit_card: String,
        city: String,
        state: String,
        time_ms: i64,
        extra: String,
    },
    Auction {
        id: u64,
        item_name: String,
        description: String,
        initial_bid: i64,
        reserve: i64,
        time_ms: i64,
        expires_ms: i64,
        seller: u64,
        category: u64,
        extra: String,
    },
    Bid {
        auction: u64,
        bidder: u64,
        price: i64,
        channel: String,
        url: String,
        time_ms: i64,
        extra: String,
    },
}

/// Events by what they are, each once.
#[derive(Default)]
pub struct Events {
    people: Vec<Tup2<Person, i64>>,
    auctions: Vec<Tup2<Auction, i64>>,
    bids: Vec<Tup2<Bid, i64>>,
}

impl Events {
    pub fn parse(lines: &[String]) -> io::Result<Self> {
        let mut events = Events::default();
        for line in lines {
            events.push(serde_json::from_str(line)?);
        }
        Ok(events)
    }

    fn push(&mut self, event: Event) {
        match event {
            Event::Person { id, name, email, credit_card, city, state, time_ms, extra } => {
                let person = Tup8(id, name, email, credit_card, city, state, time_ms, extra);
                self.people.push(Tup2(person, 1));
            }
            Event::Auction {
                id,
                item_name,
                description,
                initial_bid,
                reserve,
                time_ms,
                expires_ms,
                seller,
                category,
                extra,
            } => {
                let auction = Tup10(
                    id,
                    item_name,
                    description,
                    initial_bid,
                    reserve,
                    time_ms,
                    expires_ms,
                    seller,
                    category,
                    extra,
                );
                self.auctions.push(Tup2(auction, 1));
            }
            Event::Bid { auction, bidder, price, channel, url, time_ms, extra } => {
                let bid = Tup7(auction, bidder, price, channel, url, time_ms, extra);
                self.bids.push(Tup2(bid, 1));
            }
        }
    }
}

type Rows<R> = Stream<RootCircuit, OrdZSet<R>>;

/// The side input of q13: numbers, each with itself as text.
pub const SIDE_ROWS: u64 = 10_000;

pub struct Streams {
    pub people: Rows<Person>,
    pub auctions: Rows<Auction>,
    pub bids: Rows<Bid>,
    pub side: Rows<Tup2<u64, String>>,
}

/// Where events go in.
#[derive(Clone)]
pub struct Tables {
    people: ZSetHandle<Person>,
    auctions: ZSetHandle<Auction>,
    bids: ZSetHandle<Bid>,
    side: ZSetHandle<Tup2<u64, String>>,
}

impl Tables {
    pub fn of(circuit: &mut RootCircuit) -> (Streams, Self) {
        let (people, people_in) = circuit.add_input_zset();
        let (auctions, auctions_in) = circuit.add_input_zset();
        let (bids, bids_in) = circuit.add_input_zset();
        let (side, side_in) = circuit.add_input_zset();
        let tables =
            Tables { people: people_in, auctions: auctions_in, bids: bids_in, side: side_in };
        (Streams { people, auctions, bids, side }, tables)
    }

    /// All of the side input, before the first step.
    pub fn fill(&self) {
        for key in 0..SIDE_ROWS {
            self.side.push(Tup2(key, key.to_string()), 1);
        }
    }

    pub fn append(&self, events: Vec<Events>) {
        for mut events in events {
            self.people.append(&mut events.people);
            self.auctions.append(&mut events.auctions);
            self.bids.append(&mut events.bids);
        }
    }
}
