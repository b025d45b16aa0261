//! Aggregates and joins on differential's arrangements: what goes into them through some batch is their
//! state, and is put in again at once, before the first batch that follows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::operators::batched::Attachment;
use tidegate::operators::codec::Codecs;
use tidegate::operators::combine::{Pairs, combine};
use tidegate::operators::differences::{arriving, by_batch, timed};
use tidegate::operators::join;
use tidegate::operators::keyed::{accumulate_arranged, reduce_arranged};
use tidegate::operators::{Chunks, Max, Peers, Sum, ship};
use timely::dataflow::operators::{Input, Inspect, Probe};

use super::operators::show;
use super::run::chunks;
use crate::oracle::input::{Input as Rows, Row};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["restore::arranged";
        arranged_sums_go_on,
        arranged_maxima_go_on,
        arranged_joins_go_on,
    ]
}

type Shown = BTreeMap<u64, BTreeMap<String, isize>>;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sums,
    Maxima,
    /// Even values with the odd ones of their key, or alone if it has none.
    Joins,
}

/// Feeds the first `together` batches at time 0, the others at their own times.
fn run(rows: &Rows, workers: usize, together: usize, kind: Kind) -> Shown {
    let shown: Arc<Mutex<Shown>> = Arc::default();
    let (desk, rows) = (Arc::clone(&shown), rows.clone());
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, workers) = (worker.index(), worker.peers());
        let peers = Peers::new(index, workers, workers, Codecs::default());
        let desk = Arc::clone(&desk);
        let (mut input, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (input, stream) = scope.new_input::<Chunks<Row>>();
            let shown = match kind {
                Kind::Sums => {
                    let tallies = combine(stream, &peers, "by key", Pairs, Sum);
                    let attachment = Attachment::named("sums");
                    show(accumulate_arranged::<_, _, i64, _>(tallies, attachment, Sum).output)
                }
                Kind::Maxima => {
                    let owners = peers.clone();
                    let shipped = ship::ship(stream, &peers, "by key", move |(key, _): &Row| {
                        owners.owner_of_key(key)
                    });
                    show(reduce_arranged(by_batch(arriving(shipped)), "maxima", Max).output.inner)
                }
                Kind::Joins => {
                    let rows = arriving(stream);
                    let lefts = rows.clone().filter(|(_, value)| value % 2 == 0);
                    let rights = rows.filter(|(_, value)| value % 2 != 0);
                    let keys = rights.clone().map(|(key, _)| key);
                    let lefts = join::by_key(lefts, &peers, "lefts");
                    let rights = join::by_key(rights, &peers, "rights");
                    let keys = join::distinct(keys, &peers, "keys");
                    let pairs = join::inner(lefts.clone(), rights);
                    let pairs = pairs.map(|(key, (left, right))| (key, (left, Some(right))));
                    let alone = join::anti(lefts, keys).map(|(key, left)| (key, (left, None)));
                    show(timed(by_batch(pairs.concat(alone))).inner)
                }
            };
            let shown = shown.inspect_time(move |time, (row, diff)| {
                let mut desk = desk.lock().unwrap();
                *desk.entry(*time).or_default().entry(row.clone()).or_default() += diff;
            });
            (input, shown.probe().0)
        });
        for (number, batch) in rows.batches.iter().enumerate() {
            if number >= together {
                input.advance_to(batch.id);
            }
            input.send_batch(&mut chunks(&rows, number, index, workers));
            input.flush();
            while probe.less_than(input.time()) {
                worker.step_or_park(Some(Duration::from_millis(1)));
            }
        }
    })
    .expect("the workers start");
    guards.join().into_iter().for_each(|ended| ended.expect("the worker ends well"));
    let mut shown = shown.lock().unwrap().clone();
    shown.values_mut().for_each(|rows| rows.retain(|_, diff| *diff != 0));
    shown.retain(|_, rows| !rows.is_empty());
    shown
}

fn goes_on(seed: u64, kind: Kind) {
    let rows = Rows::random(seed, 12, 3);
    for (workers, others) in [(1, 3), (2, 1), (4, 2)] {
        let whole = run(&rows, workers, 0, kind);
        for together in [1, 4, 9, 12] {
            let mut rest = run(&rows, others, together, kind);
            let through = rows.batches[together - 1].id;
            let mut expected: BTreeMap<String, isize> = BTreeMap::new();
            for (row, diff) in whole.range(..=through).flat_map(|(_, rows)| rows) {
                *expected.entry(row.clone()).or_default() += diff;
            }
            expected.retain(|_, diff| *diff != 0);
            let what =
                format!("through {through}, from {workers} to {others} workers, seed {seed}");
            assert_eq!(rest.remove(&0).unwrap_or_default(), expected, "contents, {what}");
            let after: Shown =
                whole.range(through + 1..).map(|(id, rows)| (*id, rows.clone())).collect();
            assert_eq!(rest, after, "what follows, {what}");
        }
    }
}

fn arranged_sums_go_on() {
    goes_on(980, Kind::Sums);
}

fn arranged_maxima_go_on() {
    goes_on(981, Kind::Maxima);
}

fn arranged_joins_go_on() {
    goes_on(982, Kind::Joins);
}
