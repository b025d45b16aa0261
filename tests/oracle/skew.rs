//! Hot keys: half of all records have one key, and no worker is given twice its share.
//!
//! Counted is what reaches the workers that own the keys, since that is where a hot key would hurt.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use tidegate::operators::codec::Codecs;
use tidegate::operators::combine::{Whole, combine};
use tidegate::operators::{Chunks, Count, Peers};
use timely::dataflow::operators::{Input, InspectCore};

use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["oracle::skew"; a_hot_key_is_counted_where_its_records_are]
}

const WORKERS: usize = 4;
const RECORDS: usize = 20_000;

fn a_hot_key_is_counted_where_its_records_are() {
    for hot_of_ten in [0, 5, 9] {
        let reached: Arc<Mutex<BTreeMap<usize, (usize, i64)>>> = Arc::default();
        let desk = Arc::clone(&reached);
        let guards = timely::execute(timely::Config::process(WORKERS), move |worker| {
            let (index, count) = (worker.index(), worker.peers());
            let desk = Arc::clone(&desk);
            let mut input = worker.dataflow::<u64, _, _>(|scope| {
                let peers = Peers::new(index, count, count, Codecs::default());
                let (input, stream) = scope.new_input::<Chunks<u64>>();
                let tallies = combine(stream, &peers, "keys", Whole, Count);
                tallies.inspect_container(move |event| {
                    if let Ok((_, chunks)) = event {
                        let mut desk = desk.lock().unwrap();
                        let reached = desk.entry(index).or_default();
                        reached.0 += chunks.rows().len();
                        reached.1 += chunks.rows().iter().map(|(_, times, ())| times).sum::<i64>();
                    }
                });
                input
            });
            let mut rng = Rng::new(1100 + index as u64);
            let mut keys = Vec::new();
            for _ in 0..RECORDS {
                let hot = rng.below(10) < hot_of_ten;
                keys.push(if hot { 7 } else { 1000 + rng.below(1000) });
            }
            input.send_batch(&mut Chunks::loose(keys));
        })
        .expect("the workers start");
        guards.join().into_iter().for_each(|ended| ended.expect("the worker ends well"));
        let reached = reached.lock().unwrap().clone();
        let records: i64 = reached.values().map(|(_, records)| records).sum();
        assert_eq!(records, (WORKERS * RECORDS) as i64, "every record is counted once");
        let rows: usize = reached.values().map(|(rows, _)| rows).sum();
        let busiest = reached.values().map(|(rows, _)| *rows).max().unwrap_or(0);
        let what = format!("{hot_of_ten} of ten records are hot: {reached:?}");
        assert!(busiest * WORKERS <= 2 * rows, "one worker is given twice its share, {what}");
        assert!(rows <= WORKERS * 1001 * 2, "records are combined before they are shipped, {what}");
    }
}
