//! Bids, bidders and auctions, counted by how much is offered: what q15 and q16 are made of.

use serde::{Deserialize, Serialize};
use tidegate_operators::Record;

use super::calendar::midnight_before;
use super::kinds::bids;
use super::{ByRank, PriceRank, minute_of};
use crate::source::generator::nexmark::{Bid, NexmarkEvent};
use crate::{DStream, Table};

/// How many bids there were, how many different people made them, and in how many different
/// auctions.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Statistics {
    /// The last minute of the day with a bid: `23:59`.
    pub minute: String,
    /// Bids.
    pub bids: ByRank,
    /// Different bidders; who bids at several ranks counts at each of them.
    pub bidders: ByRank,
    /// Different auctions; one with bids of several ranks counts at each of them.
    pub auctions: ByRank,
}

/// The same, in numbers only, so that adding up makes no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Counts {
    /// Milliseconds of the day until the last bid.
    last_ms: i64,
    bids: ByRank,
    bidders: ByRank,
    auctions: ByRank,
}

impl Counts {
    fn plus(&self, other: &Counts) -> Counts {
        Counts {
            last_ms: self.last_ms.max(other.last_ms),
            bids: self.bids.plus(other.bids),
            bidders: self.bidders.plus(other.bidders),
            auctions: self.auctions.plus(other.auctions),
        }
    }

    fn shown(self) -> Statistics {
        let Counts { last_ms, bids, bidders, auctions } = self;
        Statistics { minute: minute_of(last_ms), bids, bidders, auctions }
    }
}

/// What is counted once, however often it bids or is bid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Subject {
    Bidder(u64),
    Auction(u64),
}

/// The statistics of each group of bids; all bids of a group are of one day.
pub(super) fn statistics_by<'s, K: Record>(
    events: DStream<'s, NexmarkEvent>,
    group: impl Fn(&Bid) -> K + 'static,
) -> Table<'s, (K, Statistics)> {
    let bids = bids(events).key_by(group);
    let counts = bids.clone().map_values(|bid| Counts {
        last_ms: bid.time_ms - midnight_before(bid.time_ms),
        bids: ByRank::of_price(bid.price),
        ..Counts::default()
    });
    // In all and at each rank something is new once.
    let subjects = bids.flat_map(|(group, bid)| {
        let ranks = [None, Some(PriceRank::of(bid.price))];
        let subjects = [Subject::Bidder(bid.bidder), Subject::Auction(bid.auction)];
        let of_rank = move |rank| subjects.map(|subject| (subject, rank));
        ranks.into_iter().flat_map(of_rank).map(move |what| (group.clone(), what))
    });
    let firsts = subjects.uid("subjects").drop_duplicates().map_values(|(subject, rank)| {
        let one = rank.map_or(ByRank { all: 1, ..ByRank::default() }, ByRank::one_of);
        match subject {
            Subject::Bidder(_) => Counts { bidders: one, ..Counts::default() },
            Subject::Auction(_) => Counts { auctions: one, ..Counts::default() },
        }
    });
    let counts = counts.union(firsts).uid("statistics").running().reduce_by_key(Counts::plus);
    counts.map(|(group, counts)| (group, counts.shown()))
}
