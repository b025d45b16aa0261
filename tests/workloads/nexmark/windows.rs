//! Queries with windows of time: in which batch which window is over.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::Trial;
use tidegate::TimeWindow;
use tidegate::source::generator::nexmark::{Bid, NexmarkEvent};
use tidegate::workloads::nexmark::{HotItem, q5, q7, q8, q11, q12};

use super::events::{auctions, bids, events, people};
use crate::support::trials;
use crate::workloads::gate::{assert_stream, assert_table, batches};

pub fn trials() -> Vec<Trial> {
    trials!["workloads::nexmark";
        q5_gives_the_hot_auctions_of_windows_that_are_over,
        q7_gives_the_highest_bids_of_windows_that_are_over,
        q8_gives_new_people_who_sell,
        q11_gives_sessions_that_are_over,
        q12_counts_bids_by_windows_of_batches,
    ]
}

/// The time that the watermark has gone past in each batch, as the times of bids have it.
fn passed(batches: &[Vec<NexmarkEvent>]) -> Vec<std::ops::Range<i64>> {
    let mut watermark = 0;
    let mut before = 0;
    let passed = batches.iter().map(|batch| {
        let range = before + 1..watermark + 1;
        before = watermark;
        let latest = bids(batch).iter().map(|bid| bid.time_ms).max().expect("a bid");
        watermark = watermark.max(latest - 4_000);
        range
    });
    passed.collect()
}

/// For each batch, the windows that end in it, with all bids in them. Windows without bids are left
/// out.
fn over(
    batches: &[Vec<NexmarkEvent>],
    length_ms: i64,
    slide_ms: i64,
) -> Vec<Vec<(TimeWindow, Vec<&Bid>)>> {
    let bids = bids(batches.iter().flatten());
    let first = bids[0].time_ms / slide_ms * slide_ms;
    let in_batch = |passed: std::ops::Range<i64>| {
        let ends = (0..100).map(|slide| first + slide * slide_ms);
        let windows = ends.filter(|end_ms| passed.contains(end_ms)).map(|end_ms| {
            let window = TimeWindow { start_ms: end_ms - length_ms, end_ms };
            let is_in = |bid: &&Bid| window.start_ms <= bid.time_ms && bid.time_ms < end_ms;
            (window, bids.iter().copied().filter(is_in).collect::<Vec<_>>())
        });
        windows.filter(|(_, bids)| !bids.is_empty()).collect()
    };
    passed(batches).into_iter().map(in_batch).collect()
}

fn q5_gives_the_hot_auctions_of_windows_that_are_over() {
    assert_stream(events, q5, |batches| {
        let hot = |(window, bids): (TimeWindow, Vec<&Bid>)| {
            let mut counts: BTreeMap<u64, i64> = BTreeMap::new();
            for bid in bids {
                *counts.entry(bid.auction).or_default() += 1;
            }
            let most = counts.values().copied().max().expect("a bid");
            counts.retain(|_, bids| *bids == most);
            counts.into_iter().map(move |(auction, bids)| HotItem { window, auction, bids })
        };
        let batches = over(batches, 10_000, 2_000).into_iter();
        batches.map(|windows| windows.into_iter().flat_map(hot).collect()).collect()
    });
}

fn q7_gives_the_highest_bids_of_windows_that_are_over() {
    assert_stream(events, q7, |batches| {
        let highest = |(window, mut bids): (TimeWindow, Vec<&Bid>)| {
            let most = bids.iter().map(|bid| bid.price).max().expect("a bid");
            bids.retain(|bid| bid.price == most);
            bids.into_iter().cloned().map(move |bid| (window, bid)).collect::<Vec<_>>()
        };
        let batches = over(batches, 10_000, 10_000).into_iter();
        batches.map(|windows| windows.into_iter().flat_map(highest).collect()).collect()
    });
}

fn q8_gives_new_people_who_sell() {
    assert_stream(events, q8, |batches| {
        let start_of = |time_ms: i64| time_ms / 10_000 * 10_000;
        // In which batch somebody was first seen as a person, and as a seller.
        let mut come: BTreeMap<(i64, u64), (usize, String)> = BTreeMap::new();
        let mut sold: BTreeMap<(i64, u64), usize> = BTreeMap::new();
        for (number, batch) in batches.iter().enumerate() {
            for person in people(batch) {
                let key = (start_of(person.time_ms), person.id);
                come.insert(key, (number, person.name.clone()));
            }
            for auction in auctions(batch) {
                sold.entry((start_of(auction.time_ms), auction.seller)).or_insert(number);
            }
        }
        let mut rows = vec![Vec::new(); batches.len()];
        for ((start_ms, id), (came, name)) in come {
            if let Some(sold) = sold.get(&(start_ms, id)) {
                let window = TimeWindow { start_ms, end_ms: start_ms + 10_000 };
                rows[came.max(*sold)].push((window, id, name));
            }
        }
        rows
    });
}

fn q11_gives_sessions_that_are_over() {
    assert_stream(events, q11, |batches| {
        let bids = bids(batches.iter().flatten());
        let bidders: BTreeSet<u64> = bids.iter().map(|bid| bid.bidder).collect();
        let mut sessions = Vec::new();
        for bidder in bidders {
            let own = bids.iter().filter(|bid| bid.bidder == bidder);
            let mut times: Vec<i64> = own.map(|bid| bid.time_ms).collect();
            times.sort();
            for times in times.chunk_by(|one, next| next - one <= 10_000) {
                let (start_ms, end_ms) = (times[0], times[times.len() - 1] + 10_000);
                sessions.push((bidder, TimeWindow { start_ms, end_ms }, times.len() as i64));
            }
        }
        let in_batch = |passed: std::ops::Range<i64>| {
            let over = sessions.iter().filter(|(_, window, _)| passed.contains(&window.end_ms));
            over.copied().collect()
        };
        passed(batches).into_iter().map(in_batch).collect()
    });
}

fn q12_counts_bids_by_windows_of_batches() {
    assert_table(
        events,
        |events| q12(events, batches(2)),
        |batches| {
            let through = batches.len() / 2 * 2;
            let window = &batches[through.saturating_sub(2)..through];
            let mut counts: BTreeMap<u64, i64> = BTreeMap::new();
            for bid in bids(window.iter().flatten()) {
                *counts.entry(bid.bidder).or_default() += 1;
            }
            counts.into_iter().collect()
        },
    );
}
