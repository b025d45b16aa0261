//! Queries that count and measure bids by day.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::Trial;
use tidegate::source::generator::nexmark::{Bid, NexmarkEvent};
use tidegate::workloads::nexmark::{ByRank, Prices, Statistics, q15, q16, q17};
use tidegate::{DStream, Record, Table};

use super::events::{bids, day_and_minute, events, over_days};
use crate::support::trials;
use crate::workloads::gate::assert_table;

pub fn trials() -> Vec<Trial> {
    trials!["workloads::nexmark";
        q15_counts_bids_bidders_and_auctions_of_a_day,
        q16_counts_bids_bidders_and_auctions_of_a_channel,
        q17_measures_the_prices_of_an_auction,
    ]
}

/// Checks what is said of each group of bids, of a day and more.
fn assert_groups<K: Record, V: Record>(
    query: impl for<'s> Fn(DStream<'s, NexmarkEvent>) -> Table<'s, (K, V)>
    + Clone
    + Send
    + Sync
    + 'static,
    group: impl Fn(&Bid) -> K,
    reference: impl Fn(&[&Bid]) -> V,
) {
    assert_table(
        events,
        move |events| query(events.map(over_days)),
        |batches| {
            let events = batches.iter().flatten().cloned().map(over_days);
            let events: Vec<NexmarkEvent> = events.collect();
            let mut groups: BTreeMap<K, Vec<&Bid>> = BTreeMap::new();
            for bid in bids(&events) {
                groups.entry(group(bid)).or_default().push(bid);
            }
            groups.into_iter().map(|(key, bids)| (key, reference(&bids))).collect()
        },
    );
}

/// Something counted over all bids, and over those of each rank.
fn by_rank(bids: &[&Bid], count: impl Fn(&[&Bid]) -> usize) -> ByRank {
    let of = |prices: std::ops::Range<i64>| {
        let own = bids.iter().copied().filter(|bid| prices.contains(&bid.price));
        count(&own.collect::<Vec<_>>()) as i64
    };
    let (all, low) = (of(0..i64::MAX), of(0..10_000));
    ByRank { all, low, middle: of(10_000..1_000_000), high: of(1_000_000..i64::MAX) }
}

fn different(bids: &[&Bid], what: fn(&Bid) -> u64) -> usize {
    bids.iter().map(|bid| what(bid)).collect::<BTreeSet<u64>>().len()
}

fn statistics(bids: &[&Bid]) -> Statistics {
    let minutes = bids.iter().map(|bid| day_and_minute(bid.time_ms).1);
    Statistics {
        minute: minutes.max().expect("a bid"),
        bids: by_rank(bids, |bids| bids.len()),
        bidders: by_rank(bids, |bids| different(bids, |bid| bid.bidder)),
        auctions: by_rank(bids, |bids| different(bids, |bid| bid.auction)),
    }
}

fn q15_counts_bids_bidders_and_auctions_of_a_day() {
    assert_groups(q15, |bid| day_and_minute(bid.time_ms).0, statistics);
}

fn q16_counts_bids_bidders_and_auctions_of_a_channel() {
    let group = |bid: &Bid| (bid.channel.clone(), day_and_minute(bid.time_ms).0);
    assert_groups(q16, group, statistics);
}

fn q17_measures_the_prices_of_an_auction() {
    let group = |bid: &Bid| (bid.auction, day_and_minute(bid.time_ms).0);
    assert_groups(q17, group, |bids| {
        let prices: Vec<i64> = bids.iter().map(|bid| bid.price).collect();
        let sum: i64 = prices.iter().sum();
        Prices {
            bids: by_rank(bids, |bids| bids.len()),
            min: *prices.iter().min().expect("a bid"),
            max: *prices.iter().max().expect("a bid"),
            mean: sum / prices.len() as i64,
            sum,
        }
    });
}
