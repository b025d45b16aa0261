//! cargo run --example ad_attribution
//!
//! Which views of an advertisement were clicked at within a minute? Views and clicks are two
//! streams of made-up records; clicks come out of order, and a fifth of them too late to count. A
//! view is settled when it is clicked at, or when the watermark says that no click will come in time;
//! the settled views are counted by campaign and minute.

use serde::{Deserialize, Serialize};
use tidegate::source::Generator;
use tidegate::{Config, EventStream, TimeWindows, Trigger};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct View {
    id: u64,
    campaign: u64,
    time_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Click {
    view: u64,
    time_ms: i64,
}

const MINUTE_MS: i64 = 60_000;
/// Clicks follow their views by up to so much.
const SLOWEST_CLICK_MS: i64 = 75_000;

/// A view is shown every 20 ms.
fn shown_at_ms(view: u64) -> i64 {
    view as i64 * 20
}

fn views() -> Generator<View> {
    Generator::new("views", 7, |random, id| View {
        id,
        campaign: random.below(3),
        time_ms: shown_at_ms(id),
    })
}

/// One click for every five views.
fn clicks() -> Generator<Click> {
    Generator::new("clicks", 11, |random, click| {
        let view = click * 5 + random.below(5);
        let after_ms = random.below(SLOWEST_CLICK_MS as u64) as i64;
        Click { view, time_ms: shown_at_ms(view) + after_ms }
    })
}

/// The campaign of each view, with whether it was clicked at within a minute.
fn settled<'s>(
    views: EventStream<'s, View>,
    clicks: EventStream<'s, Click>,
) -> EventStream<'s, (u64, bool)> {
    let (views, clicks) = (views.key_by(|view| view.id), clicks.key_by(|click| click.view));
    let joined = views.pair_with(clicks).within(0..MINUTE_MS).left_outer_join();
    joined.events().map(|(_id, (view, click))| (view.campaign, click.is_some()))
}

fn main() -> Result<(), tidegate::RunError> {
    let config = Config::new("ad attribution").spread_from_env(2)?.trigger(Trigger::Continuous);
    let summary = tidegate::run(config, |ctx| {
        let views = ctx.source(views().rows_per_batch(500).records(40_000));
        let clicks = ctx.source(clicks().rows_per_batch(100).records(8_000));
        let views = views.with_watermark(|view| view.time_ms, 0);
        let clicks = clicks.with_watermark(|click| click.time_ms, SLOWEST_CLICK_MS);

        let counts = settled(views, clicks).map(|(ad, clicked)| (ad, (i64::from(clicked), 1i64)));
        let minutes = counts.window(TimeWindows::tumbling(MINUTE_MS));
        let totals = minutes.reduce_by_key(|one, other| (one.0 + other.0, one.1 + other.1));
        totals.finals().foreach_batch(|tick, totals| {
            for ((minute, campaign), (clicked, shown)) in totals {
                let minute = minute.start_ms / MINUTE_MS;
                let share = 100.0 * *clicked as f64 / *shown as f64;
                println!(
                    "batch {:>3}: minute {minute:>2}, campaign {campaign}: {clicked:>3} of {shown} \
                     views clicked at, {share:.1} %",
                    tick.id
                );
            }
            Ok(())
        });
    })?;
    println!("{} views and clicks in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
