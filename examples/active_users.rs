//! cargo run --example active_users -- examples/data/clicks
//!
//! A click-stream in a directory of files, a click as JSON on each line (`tidegate generate clicks
//! --sink text:DIRECTORY/part` makes more): how many users were active in the last 200 clicks, and
//! who clicked most, every 100 clicks.

use tidegate::source::Directory;
use tidegate::source::generator::Click;
use tidegate::{Config, DStream, Span, Table, Trigger};

fn click(line: &[u8]) -> Result<Click, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

/// How often each user has clicked in the window.
fn clicks_of_users(clicks: DStream<'_, Click>) -> Table<'_, (u64, i64)> {
    clicks.map(|click| click.user).window(Span::batches(2), Span::batches(1)).count_by_value()
}

fn main() -> Result<(), tidegate::RunError> {
    let path = std::env::args().nth(1).unwrap_or("examples/data/clicks".into());
    let config = Config::new("users").spread_from_env(2)?.trigger(Trigger::AvailableNow);
    tidegate::run(config.records_per_partition_max(100), move |ctx| {
        let clicks = clicks_of_users(ctx.source(Directory::decoded(&path, click)));
        clicks.clone().count().snapshots().foreach_batch(|tick, active| {
            println!("batch {:>2}: {} active users", tick.id, active.first().unwrap_or(&0));
            Ok(())
        });
        let ranked = clicks.map(|(user, clicks)| ((), (clicks, std::cmp::Reverse(user))));
        ranked.top_k(3).snapshots().foreach_batch(|tick, top| {
            let top = top.iter().rev().map(|((), (clicks, user))| format!("{} {clicks}", user.0));
            println!("batch {:>2}: {}", tick.id, top.collect::<Vec<_>>().join(", "));
            Ok(())
        });
    })?;
    Ok(())
}
