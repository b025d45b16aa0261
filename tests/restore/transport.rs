//! What travels: the codec, the exchange, and the hash by which rows are placed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use serde::{Deserialize, Serialize};
use tidegate::OrderedFloat;
use tidegate::operators::codec::{Codec, Codecs, SerdeCodec};
use tidegate::operators::ship::{KEY_GROUPS, key_group};
use tidegate::operators::{Chunks, Peers, Tag, order, ship, stable_hash};
use timely::CommunicationConfig;
use timely::dataflow::operators::{Input, InspectCore};

use super::run::chunks;
use crate::oracle::input::{Input as Rows, Row};
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["restore::transport";
        rows_of_every_shape_come_back_from_their_bytes,
        damaged_bytes_are_an_error_or_other_rows_but_no_panic,
        shipped_rows_are_the_same_on_any_number_of_workers,
        shipped_chunks_keep_their_tags_and_their_emptiness,
        hashes_and_key_groups_never_change,
        key_groups_are_dealt_out_in_ranges,
    ]
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Number(i64),
    Wide(u128),
    Float(OrderedFloat<f64>),
    Text(String),
    Pair(char, Option<bool>),
    Many { of: Vec<Shape>, by: BTreeMap<String, u16> },
}

fn text(rng: &mut Rng) -> String {
    let letters = ['a', 'ß', '漢', '\n', '\0', '🌊'];
    (0..rng.below(12)).map(|_| letters[rng.below(6) as usize]).collect()
}

fn shape(rng: &mut Rng, depth: u32) -> Shape {
    match rng.below(if depth == 0 { 6 } else { 7 }) {
        0 => Shape::Nothing,
        1 => Shape::Number((rng.next() as i64) >> rng.below(64)),
        2 => Shape::Wide(u128::from(rng.next()) << rng.below(64)),
        3 => Shape::Float(OrderedFloat(f64::from_bits(rng.next()))),
        4 => Shape::Text(text(rng)),
        5 => Shape::Pair('z', [None, Some(true), Some(false)][rng.below(3) as usize]),
        _ => {
            let of = (0..rng.below(4)).map(|_| shape(rng, depth - 1)).collect();
            let by = (0..rng.below(4)).map(|_| (text(rng), rng.next() as u16)).collect();
            Shape::Many { of, by }
        }
    }
}

fn rows_of_every_shape_come_back_from_their_bytes() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let rows: Vec<Shape> = (0..rng.below(40)).map(|_| shape(&mut rng, 3)).collect();
        let mut bytes = vec![7; seed as usize % 3];
        let start = bytes.len();
        SerdeCodec.encode(&rows, &mut bytes);
        let read: Vec<Shape> = SerdeCodec.decode(&bytes[start..]).expect("what was written");
        assert_eq!(read, rows, "seed {seed}");
    }
    for rows in [0, 1, 1_000] {
        let rows = vec![(); rows];
        let mut bytes = Vec::new();
        SerdeCodec.encode(&rows, &mut bytes);
        let read: Vec<()> = SerdeCodec.decode(&bytes).expect("what was written");
        assert_eq!(read, rows);
    }
}

fn damaged_bytes_are_an_error_or_other_rows_but_no_panic() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let rows: Vec<Shape> = (0..1 + rng.below(10)).map(|_| shape(&mut rng, 2)).collect();
        let mut bytes = Vec::new();
        SerdeCodec.encode(&rows, &mut bytes);
        let cut = rng.below(bytes.len() as u64) as usize;
        assert!(Codec::<Shape>::decode(&SerdeCodec, &bytes[..cut]).is_err(), "cut, seed {seed}");
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Codec::<Shape>::decode(&SerdeCodec, &longer).is_err(), "longer, seed {seed}");
        bytes[cut] ^= 1 << rng.below(8);
        // Whatever comes of it: it comes back.
        let _ = Codec::<Shape>::decode(&SerdeCodec, &bytes);
    }
}

type Shipped = BTreeMap<(u64, usize), Vec<Chunks<Row>>>;

/// Ships batches by key, or chunks by tag; `apart` means that every worker is a process of its own
/// as far as rows are concerned, so that all of them are encoded.
fn shipped(rows: &Rows, workers: usize, apart: bool, whole_chunks: bool) -> Shipped {
    let arrived: Arc<Mutex<Shipped>> = Arc::default();
    let (desk, rows) = (Arc::clone(&arrived), rows.clone());
    let config = timely::Config {
        communication: match apart {
            // Even between threads everything goes through bytes.
            true => CommunicationConfig::ProcessBinary(workers),
            false => CommunicationConfig::Process(workers),
        },
        worker: timely::WorkerConfig::default(),
    };
    let guards = timely::execute(config, move |worker| {
        let (index, workers) = (worker.index(), worker.peers());
        let per_process = if apart { 1 } else { workers };
        let peers = Peers::new(index, workers, per_process, Codecs::default());
        let desk = Arc::clone(&desk);
        let mut input = worker.dataflow::<u64, _, _>(|scope| {
            let (input, stream) = scope.new_input::<Chunks<Row>>();
            let owners = peers.clone();
            let shipped = if whole_chunks {
                ship::ship_chunks(stream, &peers, "by tag", move |tag| owners.owner_of_tag(tag))
            } else {
                ship::ship(stream, &peers, "by key", move |(key, _)| owners.owner_of_key(key))
            };
            shipped.inspect_container(move |event| {
                if let Ok((time, chunks)) = event {
                    let mut desk = desk.lock().unwrap();
                    desk.entry((*time, index)).or_default().push(chunks.clone());
                }
            });
            input
        });
        for (number, batch) in rows.batches.iter().enumerate() {
            input.advance_to(batch.id);
            // Partitions are read by another worker than the one that will have them.
            let mut chunks = chunks(&rows, number, (index + 1) % workers, workers);
            input.send_batch(&mut chunks);
        }
    })
    .expect("the workers start");
    guards.join().into_iter().for_each(|ended| ended.expect("the worker ends well"));
    let arrived = arrived.lock().unwrap();
    arrived.clone()
}

fn shipped_rows_are_the_same_on_any_number_of_workers() {
    let rows = Rows::random(990, 12, 5);
    for workers in [1, 2, 4] {
        let arrived = shipped(&rows, workers, false, false);
        let peers = Peers::new(0, workers, workers, Codecs::default());
        for batch in &rows.batches {
            for worker in 0..workers {
                let chunks = arrived.get(&(batch.id, worker)).cloned().unwrap_or_default();
                let own = |(key, _): &Row| peers.owner_of_key(key) == worker;
                let expected: Vec<Row> = batch.rows().into_iter().filter(own).collect();
                let what = format!("batch {}, worker {worker} of {workers}", batch.id);
                assert_eq!(order::in_stream_order(chunks), expected, "{what}");
            }
        }
    }
}

fn shipped_chunks_keep_their_tags_and_their_emptiness() {
    let rows = Rows::random(991, 12, 5);
    for (workers, apart) in [(2, false), (2, true), (4, true)] {
        let arrived = shipped(&rows, workers, apart, true);
        let mut offsets = [0; 5];
        for batch in &rows.batches {
            for worker in 0..workers {
                let chunks = arrived.get(&(batch.id, worker)).cloned().unwrap_or_default();
                let expected: Vec<(Tag, Vec<Row>)> = (worker..5)
                    .step_by(workers)
                    .map(|partition| {
                        let sequence = offsets[partition];
                        let tag = Tag { lane: 0, partition: partition as u32, sequence };
                        (tag, batch.partitions[partition].clone())
                    })
                    .collect();
                assert_eq!(order::by_tag(chunks), expected, "{workers} workers, {apart}");
            }
            for (offset, rows) in offsets.iter_mut().zip(&batch.partitions) {
                *offset += rows.len() as u64;
            }
        }
    }
}

fn hashes_and_key_groups_never_change() {
    // Written down once. Checkpoints and Kafka partitions are laid out by these numbers: if one of
    // them changes, every state that was ever saved is in the wrong place.
    let group = |hash| (hash, key_group(hash));
    let hashes = [
        group(stable_hash("")),
        group(stable_hash("tide")),
        group(stable_hash(&0u64)),
        group(stable_hash(&-1i64)),
        group(stable_hash(&("a", 1i32))),
        group(stable_hash(&())),
        group(stable_hash(&Some(1.5f64))),
        group(stable_hash(&vec![1u8, 2, 3])),
        group(stable_hash(&Shape::Pair('z', None))),
    ];
    assert_eq!(hashes, GOLDEN);
}

const GOLDEN: [(u64, u64); 9] = [
    (10112048085865978184, 987),
    (12514454521406493623, 803),
    (5414685047222068144, 932),
    (11132483630257186254, 405),
    (17472639126474003893, 609),
    (8728199400595531832, 532),
    (9908220414367366923, 170),
    (1121740766425970754, 654),
    (8996483429429308429, 1005),
];

fn key_groups_are_dealt_out_in_ranges() {
    for workers in [1, 2, 3, 4, 7, 64, 1_000] {
        let peers = Peers::new(0, workers, workers, Codecs::default());
        let owners: Vec<usize> = (0..KEY_GROUPS).map(|group| peers.owner_of_group(group)).collect();
        assert!(owners.is_sorted());
        let count = |worker| owners.iter().filter(|owner| **owner == worker).count();
        let (least, most) = ((0..workers).map(count).min(), (0..workers).map(count).max());
        assert!(most.unwrap() - least.unwrap() <= 1, "{workers} workers: {least:?} to {most:?}");
    }
}
