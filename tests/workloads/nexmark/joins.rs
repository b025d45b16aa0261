//! Queries that bring bids, auctions and people together, and rank them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use libtest_mimic::Trial;
use tidegate::source::generator::nexmark::{Auction, Bid, NexmarkEvent};
use tidegate::workloads::nexmark::{LocalSale, Lot, Offer, q3, q4, q6, q9, q18, q19, q20};

use super::events::{auctions, bids, events, people};
use crate::support::trials;
use crate::workloads::gate::assert_table;

pub fn trials() -> Vec<Trial> {
    trials!["workloads::nexmark";
        q3_joins_sellers_and_what_they_sell,
        q4_means_winning_prices_by_category,
        q6_means_the_last_ten_prices_of_a_seller,
        q9_gives_winning_bids,
        q18_gives_the_last_bid_on_an_auction,
        q19_gives_the_ten_highest_bids,
        q20_joins_bids_and_auctions,
    ]
}

fn q3_joins_sellers_and_what_they_sell() {
    assert_table(events, q3, |batches| {
        let mut sales = Vec::new();
        for auction in auctions(batches.iter().flatten()) {
            for person in people(batches.iter().flatten()) {
                let is_near = matches!(&*person.state, "OR" | "ID" | "CA");
                if auction.category == 10 && auction.seller == person.id && is_near {
                    let (name, city) = (person.name.clone(), person.city.clone());
                    let state = person.state.clone();
                    sales.push(LocalSale { name, city, state, auction: auction.id });
                }
            }
        }
        sales
    });
}

/// The winning bid of each auction that has one.
fn won(batches: &[Vec<NexmarkEvent>]) -> Vec<(&Auction, &Bid)> {
    let mut by_auction: BTreeMap<u64, Vec<&Bid>> = BTreeMap::new();
    for bid in bids(batches.iter().flatten()) {
        by_auction.entry(bid.auction).or_default().push(bid);
    }
    let winner = |auction: &Auction| {
        let mut bids = by_auction.get(&auction.id).cloned().unwrap_or_default();
        bids.retain(|bid| auction.time_ms <= bid.time_ms && bid.time_ms <= auction.expires_ms);
        bids.sort_by_key(|bid| (-bid.price, bid.time_ms, bid.bidder));
        bids.first().copied()
    };
    let auctions = auctions(batches.iter().flatten()).into_iter();
    auctions.filter_map(|auction| Some((auction, winner(auction)?))).collect()
}

/// The mean of some prices by key, cut off.
fn means(prices: impl IntoIterator<Item = (u64, i64)>) -> Vec<(u64, i64)> {
    let mut by_key: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for (key, price) in prices {
        by_key.entry(key).or_default().push(price);
    }
    let mean = |prices: Vec<i64>| prices.iter().sum::<i64>() / prices.len() as i64;
    by_key.into_iter().map(|(key, prices)| (key, mean(prices))).collect()
}

fn q4_means_winning_prices_by_category() {
    assert_table(events, q4, |batches| {
        means(won(batches).into_iter().map(|(auction, bid)| (auction.category, bid.price)))
    });
}

fn q6_means_the_last_ten_prices_of_a_seller() {
    assert_table(events, q6, |batches| {
        let mut won = won(batches);
        won.sort_by_key(|(auction, bid)| Reverse((bid.time_ms, auction.id)));
        let mut of_seller: BTreeMap<u64, usize> = BTreeMap::new();
        won.retain(|(auction, _)| {
            let before = of_seller.entry(auction.seller).or_default();
            *before += 1;
            *before <= 10
        });
        means(won.into_iter().map(|(auction, bid)| (auction.seller, bid.price)))
    });
}

fn q9_gives_winning_bids() {
    assert_table(events, q9, |batches| {
        let rows = won(batches).into_iter().map(|(auction, bid)| {
            let lot = Lot {
                auction: auction.id,
                item_name: auction.item_name.clone(),
                seller: auction.seller,
                category: auction.category,
                expires_ms: auction.expires_ms,
            };
            (lot, Offer::new(bid.price, bid.time_ms, bid.bidder))
        });
        rows.collect()
    });
}

fn q18_gives_the_last_bid_on_an_auction() {
    assert_table(events, q18, |batches| {
        let mut last: BTreeMap<(u64, u64), &Bid> = BTreeMap::new();
        for bid in bids(batches.iter().flatten()) {
            let place = last.entry((bid.bidder, bid.auction)).or_insert(bid);
            if (bid.time_ms, bid.price) > (place.time_ms, place.price) {
                *place = bid;
            }
        }
        last.into_iter().map(|(key, bid)| (key, bid.clone())).collect()
    });
}

fn q19_gives_the_ten_highest_bids() {
    assert_table(events, q19, |batches| {
        let mut by_auction: BTreeMap<u64, Vec<&Bid>> = BTreeMap::new();
        for bid in bids(batches.iter().flatten()) {
            by_auction.entry(bid.auction).or_default().push(bid);
        }
        let mut rows = Vec::new();
        for (auction, mut bids) in by_auction {
            bids.sort_by_key(|bid| (-bid.price, bid.time_ms, bid.bidder));
            let highest = bids.into_iter().take(10);
            rows.extend(
                highest.map(|bid| (auction, Offer::new(bid.price, bid.time_ms, bid.bidder))),
            );
        }
        rows
    });
}

fn q20_joins_bids_and_auctions() {
    assert_table(events, q20, |batches| {
        let auctions: BTreeMap<u64, &Auction> = auctions(batches.iter().flatten())
            .into_iter()
            .filter(|auction| auction.category == 10)
            .map(|auction| (auction.id, auction))
            .collect();
        let bids = bids(batches.iter().flatten()).into_iter();
        let pair = |bid: &Bid| Some((bid.clone(), (*auctions.get(&bid.auction)?).clone()));
        bids.filter_map(pair).collect()
    });
}
