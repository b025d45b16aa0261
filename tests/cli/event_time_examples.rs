//! The examples that go by event time, each on its own input: every line that it shows, against a
//! plain recomputation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use tidegate::source::File;
use tidegate::source::generator::StockTick;

use crate::support::trials;

#[allow(dead_code)]
#[path = "../../examples/access_log.rs"]
mod access_log;
#[allow(dead_code)]
#[path = "../../examples/live_trading_report.rs"]
mod live_trading_report;
#[allow(dead_code)]
#[path = "../../examples/sensors.rs"]
mod sensors;
#[allow(dead_code)]
#[path = "../../examples/stock_ticks.rs"]
mod stock_ticks;

pub fn trials() -> Vec<Trial> {
    trials!["cli::event_time_examples";
        the_access_log_shows_each_minute_and_who_scanned,
        the_sensors_show_each_window_and_the_alarm,
        the_stock_ticks_show_the_prices_of_each_second,
        the_trading_report_shows_trades_turnovers_and_the_busiest,
    ]
}

/// Lines shown by an example, and what to give it.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl Shown {
    fn show(&self) -> impl Fn(&str) + Clone + Send + Sync + 'static {
        let Shown(lines) = self.clone();
        move |line| lines.lock().unwrap().push(line.to_owned())
    }

    /// The lines, sorted.
    fn lines(&self) -> Vec<String> {
        let mut lines = self.0.lock().unwrap().clone();
        lines.sort();
        lines
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(data(name)).expect("the input is bundled")
}

/// What lies before the last batch of so many rows: only this moves the last watermark.
fn before_the_last_batch<T>(rows: &[T], batch: usize) -> &[T] {
    &rows[..(rows.len() - 1) / batch * batch]
}

fn the_access_log_shows_each_minute_and_who_scanned() {
    let shown = Shown::default();
    let path = data("access.log");
    let summary = access_log::run(path.to_str().expect("a path is text"), shown.show());
    let text = read("access.log");
    // `CLIENT - - [10/Oct/2024:13:55:36 +0000] "GET PATH HTTP/1.1" STATUS BYTES`, by words.
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let requests: Vec<&[&str]> =
        lines.iter().map(|words| &words[..]).filter(|words| words.len() == 10).collect();
    let summary = summary.expect("the example runs");
    assert_eq!(summary.rows_in, requests.len() as u64);
    assert_eq!(summary.dead_letters, lines.len() as u64 - summary.rows_in);
    assert!(summary.dead_letters > 0, "there are other lines");

    let second_of_day = |words: &[&str]| -> i64 {
        let [hour, minute, second] =
            [13..15, 16..18, 19..21].map(|place| words[3][place].parse::<i64>().unwrap());
        (hour * 60 + minute) * 60 + second
    };
    let moved = before_the_last_batch(&lines, 20).iter().filter(|words| words.len() == 10);
    let watermark = moved.map(|words| second_of_day(words)).max().expect("requests") - 10;
    let mut minutes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut missing: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for words in requests {
        if (second_of_day(words) / 60 + 1) * 60 > watermark {
            continue;
        }
        let (minute, client, status) = (&words[3][13..18], words[0], words[8]);
        let (all, failed) = minutes.entry(minute).or_default();
        *all += 1;
        *failed += usize::from(status.starts_with('5'));
        *missing.entry((minute, client)).or_default() += usize::from(status == "404");
    }
    let overall = minutes.iter().map(|(minute, (all, failed))| {
        let mark = if failed * 5 >= *all { "  ANOMALY" } else { "" };
        format!("{minute} {all:>3} requests, {failed:>2} failed{mark}")
    });
    let scans = missing.iter().filter(|(_, times)| **times >= 5);
    let scans = scans.map(|((minute, client), times)| {
        format!("{minute} {client} asked {times} times for what is not there")
    });
    let mut expected: Vec<String> = overall.chain(scans).collect();
    expected.sort();
    assert_eq!(shown.lines(), expected);
    for word in ["ANOMALY", "asked"] {
        assert_eq!(expected.iter().filter(|line| line.contains(word)).count(), 1, "{word}");
    }
}

fn the_sensors_show_each_window_and_the_alarm() {
    let shown = Shown::default();
    let source = || File::decoded(data("sensors.csv"), sensors::parse);
    sensors::run(source, shown.show()).expect("the example runs");
    let text = read("sensors.csv");
    let readings: Vec<(&str, i64, f64)> = text
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0], fields[1].parse().unwrap(), fields[2].parse().unwrap())
        })
        .collect();
    let newest = before_the_last_batch(&readings, 25).iter().map(|reading| reading.1).max();
    let watermark = newest.expect("there are readings") - 2_000;
    let mut windows: BTreeMap<(i64, &str), Vec<f64>> = BTreeMap::new();
    for (sensor, at, celsius) in &readings {
        windows.entry((at / 10_000, sensor)).or_default().push(*celsius);
    }
    windows.retain(|(window, _), _| (window + 1) * 10_000 <= watermark);
    let line = |((window, sensor), celsius): (&(i64, &str), &Vec<f64>)| {
        let mean = celsius.iter().sum::<f64>() / celsius.len() as f64;
        let high = celsius.iter().copied().fold(f64::MIN, f64::max);
        let low = celsius.iter().copied().fold(f64::MAX, f64::min);
        let alarm = if high > 80.0 { "  ALARM" } else { "" };
        format!("{:02} s {sensor:<7} {mean:5.1} ({low:.1} to {high:.1}){alarm}", window * 10 % 60)
    };
    let mut expected: Vec<String> = windows.iter().map(line).collect();
    expected.sort();
    assert_eq!(shown.lines(), expected);
    let alarms = expected.iter().filter(|line| line.contains("ALARM")).count();
    assert!((1..5).contains(&alarms) && expected.len() > 20, "{alarms} alarms");
}

fn the_stock_ticks_show_the_prices_of_each_second() {
    let shown = Shown::default();
    stock_ticks::run(shown.show()).expect("the example runs");
    let mut windows: BTreeMap<(i64, String), Vec<StockTick>> = BTreeMap::new();
    let trades = stock_ticks::trades();
    for trade in (0..8_000).map(|offset| trades.record(0, offset)) {
        windows.entry((trade.time_ms / 1000, trade.symbol.clone())).or_default().push(trade);
    }
    let line = |((second, symbol), trades): (&(i64, String), &Vec<StockTick>)| {
        let prices = || trades.iter().map(|trade| trade.price_cents);
        let (high, low) = (prices().max().unwrap(), prices().min().unwrap());
        let close = trades.last().unwrap().price_cents;
        let [high, low, close] =
            [high, low, close].map(|price| format!("{:>4}.{:02}", price / 100, price % 100));
        (*second, format!("{second:>2} s {symbol} high {high} low {low} close {close}"))
    };
    let all: Vec<(i64, String)> = windows.iter().map(line).collect();
    let found = shown.lines();
    // The last second is never closed; the one before may not be, where a partition ends early.
    for (second, line) in &all {
        let times = found.iter().filter(|shown| *shown == line).count();
        assert!(times == 1 || *second >= 6 && times == 0, "{line}: {times} times in {found:#?}");
        assert!(*second < 7 || times == 0, "{line} before its second is over");
    }
    assert!(found.iter().all(|shown| all.iter().any(|(_, line)| line == shown)), "{found:#?}");
}

fn the_trading_report_shows_trades_turnovers_and_the_busiest() {
    let shown = Shown::default();
    let summary = live_trading_report::run(shown.show()).expect("the example runs");
    let trades: Vec<StockTick> = live_trading_report::trades().collect();
    assert_eq!(summary.rows_in, trades.len() as u64);
    let newest = before_the_last_batch(&trades, 500).iter().map(|trade| trade.time_ms).max();
    let watermark = newest.expect("there are trades") - 50;
    let dollars = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
    let mut expected = Vec::new();
    for window in 0..=watermark / 2_000 - 1 {
        let from = format!("{:>2} s", window * 2);
        let mut by_symbol: BTreeMap<&str, Vec<&StockTick>> = BTreeMap::new();
        for trade in trades.iter().filter(|trade| trade.time_ms / 2_000 == window) {
            by_symbol.entry(&trade.symbol).or_default().push(trade);
        }
        let turnover = |trades: &[&StockTick]| -> i64 {
            trades.iter().map(|trade| trade.price_cents * trade.shares).sum()
        };
        for (symbol, trades) in &by_symbol {
            let prices: Vec<i64> = trades.iter().map(|trade| trade.price_cents).collect();
            let mean = prices.iter().sum::<i64>() as f64 / prices.len() as f64;
            expected.push(format!(
                "{from} {symbol} {} trades at {} ({} to {})",
                prices.len(),
                dollars(mean.round() as i64),
                dollars(*prices.iter().min().unwrap()),
                dollars(*prices.iter().max().unwrap()),
            ));
        }
        let turnovers: Vec<(i64, &str)> =
            by_symbol.iter().map(|(symbol, trades)| (turnover(trades), *symbol)).collect();
        let total = turnovers.iter().map(|(cents, _)| cents).sum();
        expected.push(format!("{from} turnover of {}", dollars(total)));
        if let Some((cents, symbol)) = turnovers.iter().max() {
            expected.push(format!("{from} busiest: {symbol}, {}", dollars(*cents)));
        }
    }
    expected.sort();
    assert_eq!(shown.lines(), expected);
    assert!(expected.len() > 20);
}
