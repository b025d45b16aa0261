//! The event of each number.

use super::super::{Generator, Random};
use super::ids::{self, AUCTIONS, AUCTIONS_IN_FLIGHT, EVENTS, PEOPLE};
use super::{Auction, Bid, NexmarkEvent, Person, text};

/// The time of the first event: 15 July 2015, midnight.
pub const BASE_TIME_MS: i64 = 1_436_918_400_000;

const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;

/// How many bytes an event has on average.
const PERSON_BYTES: usize = 200;
const AUCTION_BYTES: usize = 500;
const BID_BYTES: usize = 100;

/// How many bytes a number has.
const NUMBER_BYTES: usize = 8;

/// What all events are made from.
#[derive(Clone, Copy)]
struct House {
    seed: u64,
    events_per_s: u64,
}

impl House {
    fn time_ms(self, event: u64) -> i64 {
        let since = u128::from(event) * 1_000 / u128::from(self.events_per_s);
        BASE_TIME_MS.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    fn event(self, random: &mut Random, event: u64) -> NexmarkEvent {
        match event % EVENTS {
            place if place < PEOPLE => NexmarkEvent::Person(self.person(random, event)),
            place if place < PEOPLE + AUCTIONS => {
                NexmarkEvent::Auction(self.auction(random, event))
            }
            _ => NexmarkEvent::Bid(self.bid(random, event)),
        }
    }

    fn person(self, random: &mut Random, event: u64) -> Person {
        let mut person = Person {
            id: ids::person(event),
            name: text::name(random),
            email: text::email(random),
            credit_card: text::credit_card(random),
            city: text::city(random),
            state: text::state(random),
            time_ms: self.time_ms(event),
            extra: String::new(),
        };
        let texts = [&person.name, &person.email, &person.credit_card, &person.city, &person.state];
        let bytes = NUMBER_BYTES + texts.map(String::len).iter().sum::<usize>();
        person.extra = text::filling(random, bytes, PERSON_BYTES);
        person
    }

    fn auction(self, random: &mut Random, event: u64) -> Auction {
        let (initial_bid, time_ms) = (text::price(random), self.time_ms(event));
        let mut auction = Auction {
            id: ids::auction(event),
            item_name: text::words(random, 20),
            description: text::words(random, 100),
            initial_bid,
            reserve: initial_bid + text::price(random),
            time_ms,
            expires_ms: time_ms.saturating_add(self.open_for_ms(random, event)),
            seller: ids::seller(random, event),
            category: FIRST_CATEGORY + random.below(CATEGORIES),
            extra: String::new(),
        };
        let bytes = 5 * NUMBER_BYTES + auction.item_name.len() + auction.description.len();
        auction.extra = text::filling(random, bytes, AUCTION_BYTES);
        auction
    }

    /// How long an auction is open: on average as long as it takes until as many others have
    /// opened as are to be open at a time.
    fn open_for_ms(self, random: &mut Random, event: u64) -> i64 {
        let events = AUCTIONS_IN_FLIGHT * EVENTS / AUCTIONS;
        let horizon_ms = self.time_ms(event.saturating_add(events)) - self.time_ms(event);
        1 + random.below(2 * horizon_ms as u64) as i64
    }

    fn bid(self, random: &mut Random, event: u64) -> Bid {
        let (auction, bidder) = (ids::bid_on(random, event), ids::bidder(random, event));
        let price = text::price(random);
        let (channel, url) = text::channel(random, self.seed);
        let extra = text::filling(random, 4 * NUMBER_BYTES, BID_BYTES);
        Bid { auction, bidder, price, channel, url, time_ms: self.time_ms(event), extra }
    }
}

impl Generator<NexmarkEvent> {
    /// The events of Nexmark, of which `events_per_s` happen in a second of their own time (at
    /// least one). However many partitions there are, the events are the same: they are dealt out
    /// in turn.
    ///
    /// ```
    /// use tidegate::source::Generator;
    /// use tidegate::source::generator::nexmark::{BASE_TIME_MS, NexmarkEvent};
    ///
    /// let events = Generator::nexmark(100, 7);
    /// let is_bid = |event: &NexmarkEvent| matches!(event, NexmarkEvent::Bid(_));
    /// let of_a_second: Vec<NexmarkEvent> = (0..100).map(|n| events.record(0, n)).collect();
    /// assert_eq!(of_a_second.iter().filter(|event| is_bid(event)).count(), 92);
    /// assert_eq!(of_a_second[99].time_ms(), BASE_TIME_MS + 990);
    ///
    /// let in_three = Generator::nexmark(100, 7).partitions(3);
    /// assert_eq!(in_three.record(2, 33 - 1), of_a_second[98]);
    /// ```
    pub fn nexmark(events_per_s: u64, seed: u64) -> Self {
        let house = House { seed, events_per_s: events_per_s.max(1) };
        Generator::dealt("nexmark", seed, move |random, event| house.event(random, event))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidegate_operators::stable_hash;

    use super::*;

    fn events(count: u64) -> Vec<NexmarkEvent> {
        let events = Generator::nexmark(1_000, 42);
        (0..count).map(|number| events.record(0, number)).collect()
    }

    #[test]
    fn events_are_the_same_on_every_machine() {
        // Written down once; another number means another benchmark.
        assert_eq!(stable_hash(&events(5_000)), 10_445_781_053_392_762_455);
    }

    #[test]
    fn half_of_the_bids_go_to_a_hot_auction_and_none_to_one_that_was_never_there() {
        let mut bids: BTreeMap<u64, u64> = BTreeMap::new();
        let events = events(50_000);
        let auctions = events.iter().cloned().filter_map(NexmarkEvent::into_auction).count() as u64;
        for bid in events.into_iter().filter_map(NexmarkEvent::into_bid) {
            *bids.entry(bid.auction).or_default() += 1;
        }
        assert_eq!((auctions, bids.values().sum::<u64>()), (3_000, 46_000));
        let hot: u64 = bids.iter().filter(|(id, _)| **id % 100 == 0).map(|(_, bids)| bids).sum();
        assert!((22_500..24_500).contains(&hot), "{hot} bids on hot auctions");
        assert!(bids.keys().all(|id| (1_000..4_010).contains(id)));
    }

    #[test]
    fn prices_and_sizes_are_as_they_are_said_to_be() {
        let (mut bytes, mut dearer) = (0, 0);
        let bids: Vec<Bid> =
            events(50_000).into_iter().filter_map(NexmarkEvent::into_bid).collect();
        for bid in &bids {
            assert!((100..=100_000_000).contains(&bid.price), "{bid:?}");
            bytes += 4 * NUMBER_BYTES + bid.extra.len();
            dearer += usize::from(bid.price > 100_000);
        }
        assert!((98..=102).contains(&(bytes / bids.len())), "{bytes} bytes");
        let half = bids.len() / 2;
        assert!((half - 500..half + 500).contains(&dearer), "{dearer} above the middle");
    }
}
