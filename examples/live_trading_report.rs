//! cargo run --example live_trading_report
//!
//! A report on trades that come through a socket as JSON lines, for every two seconds of trading:
//! the number of trades of each stock with the mean, the lowest and the highest price; the turnover
//! of all together; and the busiest stock, found in the windows that the turnovers have closed. This
//! program's own server sends the trades, and closes the connection.

use std::io::{BufWriter, Write};
use std::net::TcpListener;

use tidegate::source::generator::StockTick;
use tidegate::source::{Generator, Socket};
use tidegate::{
    Config, Count, DStream, Max, Mean, Min, Sum, Summary, TimeWindow, TimeWindows, Trigger,
    WatermarkRule,
};

fn report(trades: DStream<'_, StockTick>) -> DStream<'_, String> {
    let windows = TimeWindows::tumbling(2_000);
    let events = trades.with_watermark(|trade| trade.time_ms, WatermarkRule::new(50).by_row());
    let from = |window: TimeWindow| format!("{:>2} s", window.start_ms / 1000);
    let dollars = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);

    let prices = events.clone().map(|trade| (trade.symbol, trade.price_cents)).window(windows);
    let prices = prices.aggregate_by_key((Count, Mean, Min, Max)).finals();
    let prices = prices.map(move |((window, symbol), (trades, mean, low, high))| {
        let mean = dollars(mean.round() as i64);
        let (low, high) = (dollars(low), dollars(high));
        format!("{} {symbol} {trades} trades at {mean} ({low} to {high})", from(window))
    });

    let turnovers = events.map(|trade| (trade.symbol, trade.price_cents * trade.shares));
    let total = turnovers.clone().map(|(_, cents)| cents).window(windows).aggregate(Sum);
    let total = total
        .finals()
        .map(move |(window, cents)| format!("{} turnover of {}", from(window), dollars(cents)));

    let by_symbol = turnovers.window(windows).aggregate_by_key(Sum).closed();
    let ranked = by_symbol.map(|((_, symbol), cents)| (cents, symbol)).window(windows);
    let busiest = ranked.aggregate(Max).finals().map(move |(window, (cents, symbol))| {
        format!("{} busiest: {symbol}, {}", from(window), dollars(cents))
    });
    prices.union(total).union(busiest)
}

/// The trades, the same in each run.
pub fn trades() -> impl Iterator<Item = StockTick> {
    let stocks = Generator::stocks(4, 11);
    (0..12_000).map(move |offset| stocks.record(0, offset))
}

/// Runs the job, and shows each line of the report.
pub fn run(
    show: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> Result<Summary, Box<dyn std::error::Error>> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?.to_string();
    let sending = std::thread::spawn(move || -> std::io::Result<()> {
        let mut connection = BufWriter::new(server.accept()?.0);
        for trade in trades() {
            writeln!(connection, "{}", serde_json::to_string(&trade)?)?;
        }
        connection.flush()
    });

    // With `fail_fast` a connection that is closed is the end, and not tried again.
    let config = Config::new("live trading report")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(500)
        .fail_fast(true);
    let summary = tidegate::run(config, move |ctx| {
        let trades = Socket::decoded(&address, |line| {
            serde_json::from_slice(line).map_err(|error| error.to_string())
        });
        let show = show.clone();
        report(ctx.source(trades)).foreach_batch(move |_tick, lines| {
            lines.iter().for_each(|line| show(line));
            Ok(())
        });
    })?;
    sending.join().expect("the sender does not panic")?;
    Ok(summary)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let summary = run(|line| println!("{line}"))?;
    println!("{} trades in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
