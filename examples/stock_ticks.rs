//! cargo run --example stock_ticks
//!
//! Trades from a Kafka topic of two partitions: the highest, the lowest and the last price of each
//! stock in every second of trading. The broker is one inside this process, which a first job fills
//! with the trades of a seeded generator.

use tidegate::kafka::EmbeddedKafka;
use tidegate::sink::KafkaSink;
use tidegate::source::generator::StockTick;
use tidegate::source::{Generator, Kafka};
use tidegate::{
    Aggregate, Config, DStream, RunError, Summary, TimeWindows, Trigger, WatermarkRule,
};

/// The highest, the lowest and the last of some prices, in cents.
#[derive(Clone)]
struct HighLowClose;

impl Aggregate<StockTick> for HighLowClose {
    /// The highest, the lowest, and the last with its time.
    type Acc = (i64, i64, (i64, i64));
    type Out = (i64, i64, i64);

    fn lift(&self, tick: StockTick) -> Self::Acc {
        (tick.price_cents, tick.price_cents, (tick.time_ms, tick.price_cents))
    }

    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc) {
        *acc = (acc.0.max(other.0), acc.1.min(other.1), acc.2.max(other.2));
    }

    fn finish(&self, _records: i64, (high, low, (_, close)): &Self::Acc) -> Self::Out {
        (*high, *low, *close)
    }
}

const SECOND_MS: i64 = 1_000;

fn report(ticks: DStream<'_, StockTick>) -> DStream<'_, String> {
    // A partition that has nothing to say for three seconds does not hold the others up.
    let rule = WatermarkRule::new(100).by_row().idle_after_ms(3_000);
    let by_symbol = ticks.with_watermark(|tick| tick.time_ms, rule);
    let windows =
        by_symbol.key_by(|tick| tick.symbol.clone()).window(TimeWindows::tumbling(SECOND_MS));
    let prices = windows.aggregate_by_key(HighLowClose).finals();
    prices.map(|((window, symbol), (high, low, close))| {
        let cents = |price: i64| format!("{:>4}.{:02}", price / 100, price % 100);
        let second = window.start_ms / SECOND_MS;
        format!(
            "{second:>2} s {symbol} high {} low {} close {}",
            cents(high),
            cents(low),
            cents(close)
        )
    })
}

/// The trades, the same in each run.
pub fn trades() -> Generator<StockTick> {
    Generator::stocks(4, 7).records(8_000)
}

/// Runs the job, and shows each line of the report.
pub fn run(
    show: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> Result<Summary, Box<dyn std::error::Error>> {
    let broker = EmbeddedKafka::start()?;
    broker.create_topic("trades", 2)?;
    let brokers = broker.brokers();
    tidegate::run(Config::new("fill").trigger(Trigger::AvailableNow), move |ctx| {
        ctx.source(trades()).sink(KafkaSink::json(&brokers, "trades"));
    })?;

    let brokers = broker.brokers();
    let config = Config::new("stock ticks")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(400);
    let summary: Result<Summary, RunError> = tidegate::run(config, move |ctx| {
        let ticks = ctx.source(Kafka::<StockTick>::json(&brokers, "trades"));
        let show = show.clone();
        report(ticks).foreach_batch(move |_tick, lines| {
            lines.iter().for_each(|line| show(line));
            Ok(())
        });
    });
    Ok(summary?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let summary = run(|line| println!("{line}"))?;
    println!("{} trades in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
