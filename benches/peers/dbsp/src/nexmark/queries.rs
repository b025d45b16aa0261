//! The queries: a row has the columns of Tidegate's, in their order.

use std::io::{self, Write};
use std::sync::Arc;

use chrono::DateTime;
use dbsp::operator::{Max, Min};
use dbsp::typed_batch::IndexedZSetReader;
use dbsp::utils::{Tup2, Tup3, Tup4, Tup5};
use dbsp::{DBData, OrdIndexedZSet, OrdZSet, RootCircuit, Stream};

use super::columns::Columns;
use super::events::{Auction, Bid, SIDE_ROWS, Streams};

type Rows<R> = Stream<RootCircuit, OrdZSet<R>>;
type Index<K, V> = Stream<RootCircuit, OrdIndexedZSet<K, V>>;

/// How many in all, and by the rank of the price.
type ByRank = Tup4<i64, i64, i64, i64>;

/// Takes what a step has changed.
pub type Changes = Arc<dyn Fn() -> Taken + Send + Sync>;

/// What a step has changed, to be written.
pub type Taken = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

const DAY_MS: i64 = 86_400_000;

pub fn changes(query: &str, tables: &Streams) -> anyhow::Result<Changes> {
    let bids = &tables.bids;
    Ok(match query {
        "q0" => output(bids),
        "q1" => output(&q1(bids)),
        "q2" => output(&q2(bids)),
        "q3" => output(&q3(tables)),
        "q4" => output(&q4(tables)),
        "q5" => output(&q5(bids)),
        "q7" => output(&q7(bids)),
        "q8" => output(&q8(tables)),
        "q9" => output(&q9(tables)),
        "q13" => output(&q13(tables)),
        "q14" => output(&q14(bids)),
        "q15" => output(&q15(bids)),
        "q16" => output(&q16(bids)),
        "q17" => output(&q17(bids)),
        "q18" => output(&q18(bids)),
        "q19" => output(&q19(bids)),
        "q20" => output(&q20(tables)),
        "q21" => output(&q21(bids)),
        "q22" => output(&q22(bids)),
        _ => anyhow::bail!("no query `{query}`"),
    })
}

fn output<R: DBData + Columns>(rows: &Rows<R>) -> Changes {
    let handle = rows.accumulate_output();
    Arc::new(move || {
        let changes = handle.concat();
        Box::new(move |out| {
            for (row, (), times) in changes.consolidate().iter() {
                let sign = if times > 0 { "+" } else { "-" };
                for _ in 0..times.abs() {
                    write!(out, "{sign}")?;
                    row.write(out)?;
                    writeln!(out)?;
                }
            }
            Ok(())
        })
    })
}

fn in_euros(bid: &Bid) -> Bid {
    let mut bid = bid.clone();
    bid.2 = bid.2 * 908 / 1_000;
    bid
}

fn q1(bids: &Rows<Bid>) -> Rows<Bid> {
    bids.map(in_euros)
}

fn q2(bids: &Rows<Bid>) -> Rows<Tup2<u64, i64>> {
    bids.flat_map(|bid| (bid.0 % 123 == 0).then_some(Tup2(bid.0, bid.2)))
}

fn q3(tables: &Streams) -> Rows<Tup4<String, String, String, u64>> {
    let sales = tables.auctions.flat_map_index(|it| (it.8 == 10).then_some((it.7, it.0)));
    let people = tables.people.flat_map_index(|it| {
        let local = ["OR", "ID", "CA"].contains(&it.5.as_str());
        local.then(|| (it.0, Tup3(it.1.clone(), it.4.clone(), it.5.clone())))
    });
    sales.join(&people, |_, &auction, Tup3(name, city, state)| {
        Tup4(name.clone(), city.clone(), state.clone(), auction)
    })
}

fn q4(tables: &Streams) -> Rows<Tup2<u64, i64>> {
    let lots = tables.auctions.map_index(|it| (it.0, Tup3(it.8, it.5, it.6)));
    let offers = tables.bids.map_index(|bid| (bid.0, Tup2(bid.2, bid.5)));
    let in_time = lots.join_index(
        &offers,
        |&auction, &Tup3(category, opens, expires), &Tup2(price, time)| {
            (opens..=expires).contains(&time).then_some((Tup2(auction, category), price))
        },
    );
    let prices = in_time.aggregate(Max).map_index(|(&Tup2(_, category), &price)| (category, price));
    prices.average(|&price| price).map(|(&category, &mean)| Tup2(category, mean))
}

/// A bid goes into each of the windows that it is in, as `HOP` is compiled.
fn q5(bids: &Rows<Bid>) -> Rows<Tup4<i64, i64, u64, i64>> {
    let windows = bids.flat_map(|bid| {
        let (auction, last) = (bid.0, bid.5 - bid.5 % 2_000);
        (0..5).map(move |before| Tup2(last - before * 2_000, auction))
    });
    let counts = windows.weighted_count();
    let most = counts.map_index(|(&Tup2(start, _), &count)| (start, count)).aggregate(Max);
    let most = most.map_index(|(&start, &count)| (Tup2(start, count), ()));
    let hot = counts.map_index(|(&Tup2(start, auction), &count)| (Tup2(start, count), auction));
    most.join(&hot, |&Tup2(start, count), (), &auction| Tup4(start, start + 10_000, auction, count))
}

fn start_of(time_ms: i64) -> i64 {
    time_ms - time_ms % 10_000
}

fn q7(bids: &Rows<Bid>) -> Rows<Tup3<i64, i64, Bid>> {
    let highest = bids.map_index(|bid| (start_of(bid.5), bid.2)).aggregate(Max);
    let highest = highest.map_index(|(&start, &price)| (Tup2(start, price), ()));
    let bids = bids.map_index(|bid| (Tup2(start_of(bid.5), bid.2), bid.clone()));
    highest.join(&bids, |&Tup2(start, _), (), bid| Tup3(start, start + 10_000, bid.clone()))
}

fn q8(tables: &Streams) -> Rows<Tup4<i64, i64, u64, String>> {
    let people = tables.people.map_index(|it| (Tup2(start_of(it.6), it.0), it.1.clone()));
    let sellers = tables.auctions.map(|it| Tup2(start_of(it.5), it.7)).distinct();
    let sellers = sellers.map_index(|&seller| (seller, ()));
    people.join(&sellers, |&Tup2(start, id), name, ()| {
        Tup4(start, start + 10_000, id, name.clone())
    })
}

/// Auction, item, seller, category, when it expires; price, time, bidder.
type Won = Tup2<Tup5<u64, String, u64, u64, i64>, Tup3<i64, i64, u64>>;

fn q9(tables: &Streams) -> Rows<Won> {
    let lots = tables.auctions.map_index(|it| {
        let lot = Tup5(it.0, it.1.clone(), it.7, it.8, it.6);
        (it.0, Tup2(it.5, lot))
    });
    let offers = tables.bids.map_index(|bid| (bid.0, offer(bid)));
    let in_time = lots.join_index(&offers, |_, Tup2(opens, lot), &offer| {
        (*opens..=lot.4).contains(&-offer.1).then(|| (lot.clone(), offer))
    });
    in_time.aggregate(Max).map(|(lot, &offer)| Tup2(lot.clone(), shown(offer)))
}

/// Price, time and bidder, so that of two with one price the earlier is the larger.
fn offer(bid: &Bid) -> Tup3<i64, i64, u64> {
    Tup3(bid.2, -bid.5, bid.1)
}

fn shown(Tup3(price, minus_time, bidder): Tup3<i64, i64, u64>) -> Tup3<i64, i64, u64> {
    Tup3(price, -minus_time, bidder)
}

fn q13(tables: &Streams) -> Rows<Tup2<Bid, String>> {
    let bids = tables.bids.map_index(|bid| (bid.0 % SIDE_ROWS, bid.clone()));
    let side = tables.side.map_index(|Tup2(key, value)| (*key, value.clone()));
    bids.join(&side, |_, bid, value| Tup2(bid.clone(), value.clone()))
}

fn q14(bids: &Rows<Bid>) -> Rows<Tup3<Bid, String, i64>> {
    bids.map(in_euros).flat_map(|bid| {
        (1_000_000 < bid.2 && bid.2 < 50_000_000).then(|| {
            let kind = match bid.5 % DAY_MS / 3_600_000 {
                8..=18 => "Day",
                ..=6 | 20.. => "Night",
                _ => "Other",
            };
            let letters = bid.6.matches('c').count() as i64;
            Tup3(bid.clone(), kind.to_owned(), letters)
        })
    })
}

fn rank_of(price: i64) -> u64 {
    match price {
        ..10_000 => 1,
        10_000..1_000_000 => 2,
        _ => 3,
    }
}

/// One of a rank; 0 is all of them.
fn one_of(rank: u64) -> ByRank {
    let one = |this| i64::from(rank == this);
    Tup4(one(0), one(1), one(2), one(3))
}

/// The last minute; bids, bidders and auctions.
type Statistics = Tup2<i64, Tup3<ByRank, ByRank, ByRank>>;

fn statistics<G: DBData>(
    bids: &Rows<Bid>,
    group: impl Fn(&Bid) -> G + Clone + 'static,
) -> Index<G, Statistics> {
    const BID: u64 = 0;
    const BIDDER: u64 = 1;
    const AUCTION: u64 = 2;
    let (of_bid, of_subject, of_minute) = (group.clone(), group.clone(), group);
    let counts = bids.flat_map_index(move |bid| {
        let group = of_bid(bid);
        [0, rank_of(bid.2)].map(|rank| (group.clone(), Tup2(BID, rank)))
    });
    let subjects = bids.flat_map(move |bid| {
        let group = of_subject(bid);
        let of_rank = |rank| {
            [(BIDDER, bid.1), (AUCTION, bid.0)]
                .map(|(kind, number)| Tup3(group.clone(), Tup2(kind, rank), number))
        };
        [of_rank(0), of_rank(rank_of(bid.2))].concat()
    });
    let firsts = subjects.distinct().map_index(|Tup3(group, what, _)| (group.clone(), *what));
    let counts = counts.plus(&firsts).aggregate_linear(|&Tup2(kind, rank)| {
        let of = |this| one_of(if kind == this { rank } else { u64::MAX });
        Tup3(of(BID), of(BIDDER), of(AUCTION))
    });
    let minutes = bids.map_index(move |bid| (of_minute(bid), bid.5 / 60_000)).aggregate(Max);
    minutes.join_index(&counts, |group, &minute, &counts| Some((group.clone(), Tup2(minute, counts))))
}

fn text(time_ms: i64, form: &str) -> String {
    let time = DateTime::from_timestamp_millis(time_ms).expect("a time of this age");
    time.format(form).to_string()
}

fn day_of(days: i64) -> String {
    text(days * DAY_MS, "%Y-%m-%d")
}

/// With the minute as text.
type Shown = Tup2<String, Tup3<ByRank, ByRank, ByRank>>;

fn with_minute(&Tup2(minute, counts): &Statistics) -> Shown {
    Tup2(text(minute * 60_000, "%H:%M"), counts)
}

fn q15(bids: &Rows<Bid>) -> Rows<Tup2<String, Shown>> {
    let days = statistics(bids, |bid| bid.5 / DAY_MS);
    days.map(|(&day, of_day)| Tup2(day_of(day), with_minute(of_day)))
}

fn q16(bids: &Rows<Bid>) -> Rows<Tup3<String, String, Shown>> {
    let channels = statistics(bids, |bid| Tup2(bid.3.clone(), bid.5 / DAY_MS));
    channels.map(|(Tup2(channel, day), of_channel)| {
        Tup3(channel.clone(), day_of(*day), with_minute(of_channel))
    })
}

/// Auction, day; bids; lowest and highest price, mean and sum.
type Prices = Tup4<u64, String, ByRank, Tup4<i64, i64, i64, i64>>;

fn q17(bids: &Rows<Bid>) -> Rows<Prices> {
    let prices = bids.map_index(|bid| (Tup2(bid.0, bid.5 / DAY_MS), bid.2));
    let sums = prices.aggregate_linear(|&price| {
        let Tup4(_, low, middle, high) = one_of(rank_of(price));
        Tup2(Tup4(1, low, middle, high), price)
    });
    let bounds = prices
        .aggregate(Min)
        .join_index(&prices.aggregate(Max), |&key, &min, &max| Some((key, Tup2(min, max))));
    sums.join(&bounds, |&Tup2(auction, day), &Tup2(bids, sum), &Tup2(min, max)| {
        Tup4(auction, day_of(day), bids, Tup4(min, max, sum / bids.0, sum))
    })
}

fn q18(bids: &Rows<Bid>) -> Rows<Tup3<u64, u64, Bid>> {
    let timed = bids.map_index(|bid| (Tup2(bid.1, bid.0), Tup2(bid.5, bid.clone())));
    timed
        .aggregate(Max)
        .map(|(&Tup2(bidder, auction), Tup2(_, bid))| Tup3(bidder, auction, bid.clone()))
}

fn q19(bids: &Rows<Bid>) -> Rows<Tup2<u64, Tup3<i64, i64, u64>>> {
    let highest = bids.map_index(|bid| (bid.0, offer(bid))).topk_desc(10);
    highest.map(|(&auction, &offer)| Tup2(auction, shown(offer)))
}

fn q20(tables: &Streams) -> Rows<Tup2<Bid, Auction>> {
    let bids = tables.bids.map_index(|bid| (bid.0, bid.clone()));
    let auctions = tables.auctions.flat_map_index(|it| (it.8 == 10).then(|| (it.0, it.clone())));
    bids.join(&auctions, |_, bid, auction| Tup2(bid.clone(), auction.clone()))
}

fn q21(bids: &Rows<Bid>) -> Rows<Tup2<Bid, String>> {
    bids.flat_map(|bid| {
        let number = match bid.3.to_lowercase().as_str() {
            "apple" => "0",
            "google" => "1",
            "facebook" => "2",
            "baidu" => "3",
            _ => bid.4.split('&').find_map(|parameter| parameter.strip_prefix("channel_id="))?,
        };
        Some(Tup2(bid.clone(), number.to_owned()))
    })
}

fn q22(bids: &Rows<Bid>) -> Rows<Tup4<Bid, String, String, String>> {
    bids.map(|bid| {
        let mut parts = bid.4.split('/').skip(3);
        let mut next = || parts.next().unwrap_or_default().to_owned();
        Tup4(bid.clone(), next(), next(), next())
    })
}
