//! cargo run --example shopping_carts -- examples/data/visits.jsonl
//!
//! The shopping carts of a shop: what is in each, kept up to date by what visitors do, and gone when
//! it is bought or empty. Reads a file of JSON lines, in batches of 50: `{"user": ..., "action":
//! ..., "item": ...}`, where the action is `add`, `remove`, `buy`, or one that carts have nothing to
//! do with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate::source::File;
use tidegate::{Config, DStream, State, StateSpec, StateStream, Trigger, Visit};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Action {
    user: String,
    action: String,
    #[serde(default)]
    item: String,
}

/// Items, and how many of each.
type Cart = BTreeMap<String, u32>;

/// What a visitor has ordered.
type Order = (String, Cart);

fn visit(visit: Visit<'_, String, Action>, cart: &mut State<Cart>) -> Option<Order> {
    let action = visit.value?;
    let mut items = cart.get().cloned().unwrap_or_default();
    match &*action.action {
        "add" => *items.entry(action.item).or_default() += 1,
        "remove" => {
            if let Some(count) = items.get_mut(&action.item) {
                *count -= 1;
            }
            items.retain(|_, count| *count > 0);
        }
        "buy" if cart.exists() => {
            cart.remove();
            return Some((visit.key.clone(), items));
        }
        _ => return None,
    }
    match items.is_empty() {
        true => cart.remove(),
        false => cart.update(items),
    }
    None
}

fn carts(actions: DStream<'_, Action>) -> StateStream<'_, String, Cart, Order> {
    let by_user = actions.map(|action| (action.user.clone(), action));
    by_user.uid("carts").map_with_state(StateSpec::new(), visit)
}

fn list(cart: &Cart) -> String {
    let items: Vec<String> = cart.iter().map(|(item, count)| format!("{count} {item}")).collect();
    items.join(", ")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: shopping_carts FILE")?;
    let config = Config::new("shopping carts")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(50);
    let summary = tidegate::run(config, move |ctx| {
        let actions = File::decoded(&path, |line| {
            serde_json::from_slice::<Action>(line).map_err(|error| error.to_string())
        });
        let carts = carts(ctx.source(actions));
        carts.emitted().foreach_batch(|tick, orders| {
            for (user, cart) in orders {
                println!("batch {}: {user} orders {}", tick.id, list(cart));
            }
            Ok(())
        });
        carts.states().snapshots().foreach_batch(|tick, carts| {
            let filled: u32 = carts.iter().flat_map(|(_, cart)| cart.values()).sum();
            println!("batch {}: {} carts with {filled} items", tick.id, carts.len());
            Ok(())
        });
    })?;
    println!("{} actions in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
