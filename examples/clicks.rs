//! cargo run --example clicks
//!
//! User behaviour: the views of each page and the number of active users over a sliding window, of
//! clicks in a Kafka topic. The broker is one inside this process, which a first job fills.

use tidegate::kafka::EmbeddedKafka;
use tidegate::sink::KafkaSink;
use tidegate::source::generator::Click;
use tidegate::source::{Generator, Kafka};
use tidegate::{Config, DStream, Span, Table, Trigger};

/// How many different users there were in the window.
fn active_users(clicks: DStream<'_, Click>) -> Table<'_, i64> {
    let users = clicks.map(|click| click.user);
    users.window(Span::batches(4), Span::batches(1)).table().distinct().count()
}

/// The three busiest pages of the window.
fn busiest_pages(clicks: DStream<'_, Click>) -> Table<'_, ((), (i64, String))> {
    let pages = clicks.map(|click| click.page);
    let views = pages.window(Span::batches(4), Span::batches(1)).count_by_value();
    views.map(|(page, views)| ((), (views, page))).top_k(3)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = EmbeddedKafka::start()?;
    broker.create_topic("clicks", 4)?;

    let brokers = broker.brokers();
    tidegate::run(Config::new("fill").trigger(Trigger::AvailableNow), move |ctx| {
        let clicks = ctx.source(Generator::clicks(500, 20, 7).records(20_000));
        clicks.sink(KafkaSink::json(&brokers, "clicks"));
    })?;

    let brokers = broker.brokers();
    let config = Config::new("clicks")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(500);
    let summary = tidegate::run(config, move |ctx| {
        let clicks = ctx.source(Kafka::<Click>::json(&brokers, "clicks").group("example"));
        active_users(clicks.clone()).snapshots().foreach_batch(|tick, users| {
            println!("batch {:>2}: {} active users", tick.id, users.first().unwrap_or(&0));
            Ok(())
        });
        busiest_pages(clicks).snapshots().foreach_batch(|tick, pages| {
            let pages: Vec<String> =
                pages.iter().rev().map(|((), (views, page))| format!("{page} {views}")).collect();
            println!("batch {:>2}: {}", tick.id, pages.join(", "));
            Ok(())
        });
    })?;
    println!("{} clicks in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
