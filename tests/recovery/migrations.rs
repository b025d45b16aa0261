//! Programs whose types have changed: saved rows are taken over as the program says, and only so.

use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate::recovery::{Archive, Checkpoints};
use tidegate::sink::Memory;
use tidegate::source::Queue;
use tidegate::{Config, DStream, Local, Record, RunError};

use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["recovery::migrations";
        fields_are_added_removed_and_made_wider,
        what_rows_become_is_said_by_a_function,
        keys_find_their_workers_when_their_hashes_change,
        a_row_that_does_not_fit_stops_the_start,
    ]
}

/// A cart as it was, and as it is: a field is wider, one is new, and one is gone.
mod before {
    use super::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    pub struct Cart {
        pub items: u32,
        pub colour: String,
    }
}

mod after {
    use super::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    pub struct Cart {
        pub items: u64,
        #[serde(default)]
        pub coupon: Option<String>,
    }
}

fn checkpoints(place: &Path) -> Checkpoints {
    Checkpoints::at(place.join("state")).every(Duration::ZERO)
}

/// Runs batches through a program on some workers; what came out of the last one.
fn run<D: Record, E: Record>(
    (workers, checkpoints): (usize, Checkpoints),
    (queue, batches): (&Queue<D>, &[Vec<D>]),
    program: impl for<'s> Fn(DStream<'s, D>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
) -> Result<Vec<E>, RunError> {
    let (source, output) = (queue.clone(), Memory::new());
    let sink = output.clone();
    let config = Config::new("carts").workers(workers).checkpoints(checkpoints);
    let mut local =
        Local::start(config, move |ctx| program(ctx.source(source.clone())).sink(sink.clone()))?;
    for batch in batches {
        queue.push_to(0, batch.iter().cloned());
        local.tick();
    }
    local.stop()?;
    Ok(output.batches().pop().map_or_else(Vec::new, |(_, rows)| rows))
}

fn old_carts(users: DStream<'_, u32>) -> DStream<'_, (u32, before::Cart)> {
    let carts = users.map(|user| (user, ())).update_state_by_key([], |update, cart| {
        let (items, colour) =
            cart.map_or((0, "red".to_owned()), |cart: before::Cart| (cart.items, cart.colour));
        Some(before::Cart { items: items + update.values.len() as u32, colour })
    });
    carts.snapshots()
}

fn new_carts(users: DStream<'_, u32>) -> DStream<'_, (u32, after::Cart)> {
    let carts = users.map(|user| (user, ())).update_state_by_key([], |update, cart| {
        let (items, coupon) = cart.map_or((0, None), |cart: after::Cart| (cart.items, cart.coupon));
        Some(after::Cart { items: items + update.values.len() as u64, coupon })
    });
    carts.snapshots()
}

const UID: &str = "update_state_by_key";

/// Twenty users, some of them twice.
fn users() -> Vec<Vec<u32>> {
    vec![(0..20).collect(), (5..15).collect()]
}

/// What is saved, as it is shown, and in which type.
fn shown(place: &Path) -> (Vec<Value>, String) {
    let archive = Archive::open(&place.join("state")).expect("there");
    let newest = archive.checkpoint(None).expect("a checkpoint");
    let state = newest.operators.iter().find(|state| state.uid == UID).expect("there");
    let rows = archive.contents(&newest, state).expect("read").expect("a known type");
    (rows, state.schema.name.clone())
}

fn fields_are_added_removed_and_made_wider() {
    let place = tempfile::tempdir().expect("a directory");
    let queue = Queue::keeping(1);
    let saved = checkpoints(place.path());
    run((2, saved.clone()), (&queue, &users()), old_carts).expect("it runs");
    assert!(shown(place.path()).1.contains("before::Cart"));

    let changed = run((2, saved.clone()), (&queue, &[]), new_carts).expect_err("not by itself");
    let RunError::Recovery(error) = changed else { panic!("{changed:?}") };
    assert!(error.to_string().contains("Checkpoints::migrate"), "{error}");

    // On other workers; and twice, the second time without anything to do.
    let migrating = saved.clone().migrate(UID, |row| row);
    for (workers, round) in [(3, 1), (1, 2)] {
        let batch = vec![vec![0, 0, 7]];
        let found =
            run((workers, migrating.clone()), (&queue, &batch), new_carts).expect("it runs");
        let expected: Vec<(u32, after::Cart)> = (0..20)
            .map(|user| {
                let more = match user {
                    0 => 2 * round,
                    7 => round,
                    _ => 0,
                };
                let items = 1 + u64::from((5..15).contains(&user)) + more;
                (user, after::Cart { items, coupon: None })
            })
            .collect();
        assert_eq!(found, expected, "{workers} workers, round {round}");
    }
    let (rows, name) = shown(place.path());
    assert_eq!((rows.len(), name.contains("after::Cart")), (20, true), "{name}");
    assert!(rows.contains(&json!([7, {"items": 4, "coupon": null}])), "{rows:?}");
    // What was taken over needs no function any more.
    run((2, saved), (&queue, &[vec![1]]), new_carts).expect("it runs");
}

fn what_rows_become_is_said_by_a_function() {
    let place = tempfile::tempdir().expect("a directory");
    let queue = Queue::keeping(1);
    let saved = checkpoints(place.path());
    run((1, saved.clone()), (&queue, &users()), old_carts).expect("it runs");
    let migrating = saved.migrate(UID, |row| {
        json!([row[0], {"items": row[1]["items"], "coupon": format!("was {}", row[1]["colour"])}])
    });
    let found = run((2, migrating), (&queue, &[vec![3]]), new_carts).expect("it runs");
    let coupons = found.iter().filter(|(_, cart)| cart.coupon.as_deref() == Some("was \"red\""));
    assert_eq!(coupons.count(), 20);
}

fn keys_find_their_workers_when_their_hashes_change() {
    let place = tempfile::tempdir().expect("a directory");
    let narrow = Queue::keeping(1);
    let saved = checkpoints(place.path());
    run((3, saved.clone()), (&narrow, &users()), |users: DStream<'_, u32>| {
        users.uid("counts").running().count_by_value().snapshots()
    })
    .expect("it runs");
    // Keys are text now, and are hashed as such.
    let texts = Queue::keeping(1);
    let migrating = saved.migrate("counts", |row| json!([row[0].to_string(), row[1]]));
    let batch = [vec!["7".to_owned(), "new".to_owned()]];
    let found = run((4, migrating), (&texts, &batch), |users: DStream<'_, String>| {
        users.uid("counts").running().count_by_value().snapshots()
    })
    .expect("it runs");
    let mut expected: Vec<(String, i64)> =
        (0..20).map(|n| (n.to_string(), if (5..15).contains(&n) { 2 } else { 1 })).collect();
    expected.iter_mut().filter(|(user, _)| user == "7").for_each(|(_, count)| *count += 1);
    expected.push(("new".to_owned(), 1));
    expected.sort();
    assert_eq!(found, expected);
}

fn a_row_that_does_not_fit_stops_the_start() {
    let place = tempfile::tempdir().expect("a directory");
    let queue = Queue::keeping(1);
    let saved = checkpoints(place.path());
    run((1, saved.clone()), (&queue, &users()), old_carts).expect("it runs");
    let broken = saved.clone().migrate(UID, |row| json!([row[0], {"items": "many"}]));
    let error = run((1, broken), (&queue, &[]), new_carts).expect_err("it does not fit");
    let RunError::Recovery(error) = error else { panic!("{error:?}") };
    let text = error.to_string();
    for part in ["{\"items\":\"many\"}", UID, "expected u64", "nothing has been changed"] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    // And nothing has.
    run((1, saved), (&queue, &[vec![2]]), old_carts).expect("it goes on");
}
