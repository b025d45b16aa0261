//! cargo run --example user_profiles -- examples/data/visits.jsonl
//!
//! Profiles of a shop's visitors, kept up to date by what they do: how often they click on what
//! they see, how often they buy, and who clicks on the same things. Reads a file of JSON lines, in
//! batches of 100: `{"time_ms": ..., "user": ..., "action": ..., "item": ...}`. The profiles are
//! read from outside the job: while it runs, and when it has ended.

use serde::{Deserialize, Serialize};
use tidegate::source::File;
use tidegate::{Config, DStream, Queryable, Table, Trigger, start};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Action {
    time_ms: i64,
    user: String,
    action: String,
    #[serde(default)]
    item: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Profile {
    views: u32,
    clicks: u32,
    purchases: u32,
    first_ms: i64,
    last_ms: i64,
}

impl Profile {
    fn of(action: &Action) -> Profile {
        let is = |name: &str| u32::from(action.action == name);
        let (first_ms, last_ms) = (action.time_ms, action.time_ms);
        Profile { views: is("view"), clicks: is("click"), purchases: is("buy"), first_ms, last_ms }
    }

    fn and(&self, other: &Profile) -> Profile {
        Profile {
            views: self.views + other.views,
            clicks: self.clicks + other.clicks,
            purchases: self.purchases + other.purchases,
            first_ms: self.first_ms.min(other.first_ms),
            last_ms: self.last_ms.max(other.last_ms),
        }
    }

    fn show(&self) -> String {
        let click_rate = 100 * self.clicks / self.views.max(1);
        let hours = (self.last_ms - self.first_ms) as f64 / 3_600_000.0;
        let a_day = f64::from(self.purchases) / hours.max(1.0) * 24.0;
        format!("clicks on {click_rate} % of what it sees, buys {a_day:.1} times a day")
    }
}

fn profiles(actions: DStream<'_, Action>) -> Table<'_, (String, Profile)> {
    let parts = actions.map(|action| (action.user.clone(), Profile::of(&action)));
    parts.uid("profiles").running().reduce_by_key(Profile::and)
}

/// For each user the two with whom it shares most of what it has clicked on.
fn similar(actions: DStream<'_, Action>) -> Table<'_, (String, (i64, String))> {
    let clicks = actions.filter(|action| action.action == "click");
    let clicks = clicks.map(|action| (action.item, action.user)).running().table().distinct();
    let items = clicks.arranged_by_key();
    let pairs = items.join(items.clone()).filter(|(_, (one, other))| one != other);
    let shared = pairs.map(|(_item, pair)| pair).count_by_value();
    shared.map(|((one, other), items)| (one, (items, other))).top_k(2)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: user_profiles FILE")?;
    let (profiles_read, similar_read) = (Queryable::of_last(100), Queryable::of_last(1));
    let (profiles_of, similar_to) = (profiles_read.clone(), similar_read.clone());
    let config = Config::new("user profiles")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(100);
    let job = start(config, move |ctx| {
        let actions = ctx.source(File::decoded(&path, |line| {
            serde_json::from_slice::<Action>(line).map_err(|error| error.to_string())
        }));
        profiles(actions.clone()).queryable(&profiles_of);
        similar(actions).queryable(&similar_to);
    })?;

    // Who wants to know of changes follows them, batch by batch.
    for batch in profiles_read.changes_after(0).map_while(Result::ok) {
        println!("batch {}: {} changes of profiles", batch.tick.id, batch.changes.len());
    }
    let summary = job.join()?;
    // On several processes it is the first that can read.
    if let Some(batches) = profiles_read.readable() {
        let last = *batches.end();
        for (user, profile) in profiles_read.rows(last)? {
            let similar = similar_read.get(&user, last)?;
            let similar: Vec<&str> = similar.iter().rev().map(|(_, other)| &**other).collect();
            println!("{user:>4} {}, is like {}", profile.show(), similar.join(" and "));
        }
    }
    println!("{} actions in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
