//! Queries that look at one bid at a time.

use libtest_mimic::Trial;
use tidegate::source::generator::nexmark::{Bid, NexmarkEvent};
use tidegate::workloads::nexmark::{TimeOfDay, q0, q1, q2, q10, q13, q14, q21, q22, side_input};
use tidegate::{DStream, Record};

use super::events::{bids, day_and_minute, events, over_days};
use crate::support::trials;
use crate::workloads::gate::assert_stream;

pub fn trials() -> Vec<Trial> {
    trials!["workloads::nexmark";
        q0_gives_all_bids,
        q1_converts_prices,
        q2_selects_auctions,
        q10_gives_day_and_minute,
        q13_gives_the_row_of_the_side_input,
        q14_calculates_and_filters,
        q21_gives_numbers_of_channels,
        q22_gives_directories,
    ]
}

/// Checks what becomes of each bid of a day and more.
fn assert_each<E: Record>(
    query: impl for<'s> Fn(DStream<'s, NexmarkEvent>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
    reference: impl Fn(Bid) -> Option<E>,
) {
    assert_stream(
        events,
        move |events| query(events.map(over_days)),
        |batches| {
            let rows = batches.iter().map(|batch| {
                let events: Vec<NexmarkEvent> = batch.iter().cloned().map(over_days).collect();
                bids(&events).into_iter().cloned().filter_map(&reference).collect()
            });
            rows.collect()
        },
    );
}

/// 0.908 euros for a dollar.
fn euros(bid: Bid) -> Bid {
    let price = bid.price * 908 / 1_000;
    Bid { price, ..bid }
}

fn q0_gives_all_bids() {
    assert_each(q0, Some);
}

fn q1_converts_prices() {
    assert_each(q1, |bid| Some(euros(bid)));
}

fn q2_selects_auctions() {
    assert_each(q2, |bid| (bid.auction % 123 == 0).then_some((bid.auction, bid.price)));
}

fn q10_gives_day_and_minute() {
    assert_each(q10, |bid| Some((day_and_minute(bid.time_ms), bid)));
}

fn q13_gives_the_row_of_the_side_input() {
    // Of every second row nothing is known.
    assert_each(
        |events| q13(events, side_input().filter(|(key, _)| key % 2 == 0)),
        |bid| {
            let value = bid.auction.to_string();
            (bid.auction % 2 == 0).then_some((bid, value))
        },
    );
}

fn q14_calculates_and_filters() {
    assert_each(q14, |bid| {
        let bid = euros(bid);
        let (_, minute) = day_and_minute(bid.time_ms);
        let time_of_day = match &minute[..2] {
            "08" | "09" | "10" | "11" | "12" | "13" | "14" | "15" | "16" | "17" | "18" => {
                TimeOfDay::Day
            }
            "07" | "19" => TimeOfDay::Other,
            _ => TimeOfDay::Night,
        };
        let letters = bid.extra.matches('c').count() as i64;
        let fits = bid.price > 1_000_000 && bid.price < 50_000_000;
        fits.then_some((bid, time_of_day, letters))
    });
}

fn q21_gives_numbers_of_channels() {
    assert_each(q21, |bid| {
        let id = match &*bid.channel {
            "Apple" => "0".to_owned(),
            "Google" => "1".to_owned(),
            "Facebook" => "2".to_owned(),
            "Baidu" => "3".to_owned(),
            _ => bid.url.rsplit_once("&channel_id=")?.1.to_owned(),
        };
        Some((bid, id))
    });
}

fn q22_gives_directories() {
    assert_each(q22, |bid| {
        let path = bid.url.strip_prefix("https://www.nexmark.com/").expect("all have this host");
        let parts: Vec<&str> = path.split('/').collect();
        let [one, two, three, _page] = parts[..] else { panic!("{path}") };
        let directories = [one, two, three].map(str::to_owned);
        Some((bid, directories))
    });
}
