//! Who and what there is by the time of an event, and which of them are hot.
//!
//! All of it follows from the event's number: people and auctions are numbered as they come.

use super::super::Random;

/// Of so many events in a row the first are people, the next auctions, and the others bids.
pub(super) const EVENTS: u64 = 50;
pub(super) const PEOPLE: u64 = 1;
pub(super) const AUCTIONS: u64 = 3;

/// Ids begin here.
const FIRST_PERSON: u64 = 1_000;
const FIRST_AUCTION: u64 = 1_000;

/// So many people at most still do something.
const ACTIVE_PEOPLE: u64 = 1_000;
/// So many auctions are open at a time.
pub(super) const AUCTIONS_IN_FLIGHT: u64 = 100;
/// Events may be about people and auctions that are so many ahead.
const LEAD: u64 = 10;
/// One of so many people and auctions in a row is hot.
const HOT_EVERY: u64 = 100;
/// All but one in so many bids go to the hot auction, come from the hot bidder ...
const HOT_AUCTION_RATIO: u64 = 2;
const HOT_BIDDER_RATIO: u64 = 4;
/// ... and all but one in so many auctions are the hot seller's.
const HOT_SELLER_RATIO: u64 = 4;

/// How many people came before the last one who is there at an event: one comes in each round.
fn last_person(event: u64) -> u64 {
    event / EVENTS
}

/// How many auctions opened before the last one that is open at an event; none at first.
fn last_auction(event: u64) -> u64 {
    let (round, place) = (event / EVENTS, event % EVENTS);
    if place < PEOPLE {
        // The last one of the round before.
        (round * AUCTIONS).saturating_sub(1)
    } else {
        round * AUCTIONS + (place - PEOPLE).min(AUCTIONS - 1)
    }
}

/// The person who comes with an event.
pub(super) fn person(event: u64) -> u64 {
    FIRST_PERSON + last_person(event)
}

/// The auction that opens with an event.
pub(super) fn auction(event: u64) -> u64 {
    FIRST_AUCTION + last_auction(event)
}

/// Somebody who is active, or soon will be.
fn any_person(random: &mut Random, event: u64) -> u64 {
    let people = last_person(event) + 1;
    let active = people.min(ACTIVE_PEOPLE);
    people - active + random.below(active + LEAD)
}

/// An auction that is open, or soon will be.
fn any_auction(random: &mut Random, event: u64) -> u64 {
    let last = last_auction(event);
    let first = last.saturating_sub(AUCTIONS_IN_FLIGHT);
    first + random.below(last - first + 1 + LEAD)
}

/// Who opens an auction.
pub(super) fn seller(random: &mut Random, event: u64) -> u64 {
    FIRST_PERSON
        + if random.below(HOT_SELLER_RATIO) > 0 {
            last_person(event) / HOT_EVERY * HOT_EVERY
        } else {
            any_person(random, event)
        }
}

/// Who makes a bid. The hot bidder comes right behind the hot seller.
pub(super) fn bidder(random: &mut Random, event: u64) -> u64 {
    FIRST_PERSON
        + if random.below(HOT_BIDDER_RATIO) > 0 {
            last_person(event) / HOT_EVERY * HOT_EVERY + 1
        } else {
            any_person(random, event)
        }
}

/// To which auction a bid goes.
pub(super) fn bid_on(random: &mut Random, event: u64) -> u64 {
    FIRST_AUCTION
        + if random.below(HOT_AUCTION_RATIO) > 0 {
            last_auction(event) / HOT_EVERY * HOT_EVERY
        } else {
            any_auction(random, event)
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_auctions_are_numbered_as_they_come() {
        let people: Vec<u64> = [0, 50, 100].map(person).to_vec();
        assert_eq!(people, [1_000, 1_001, 1_002]);
        let auctions: Vec<u64> = [1, 2, 3, 51, 52, 53].map(auction).to_vec();
        assert_eq!(auctions, [1_000, 1_001, 1_002, 1_003, 1_004, 1_005]);
        // A person who comes finds the auctions of the round before.
        assert_eq!((last_auction(0), last_auction(50), last_auction(49)), (0, 2, 2));
    }
}
