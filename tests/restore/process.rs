//! Processes by key: their cells, and the timers that were set.

use libtest_mimic::Trial;
use tidegate::operators::event_time::Paced;
use tidegate::operators::keyed::{Mapped, ProcessByKey};
use tidegate::operators::{Chunks, Peers, Tick, ship};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::{Stream, StreamVec};

use super::event_time::{paced, timed};
use super::operators::RowStream;
use super::run::{Restorable, Saved, Shown, goes_on};
use crate::oracle::process::{Cells, Tale};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["restore::process";
        the_states_of_a_process_go_on,
        what_a_process_gives_goes_on,
    ]
}

type Given = Chunks<Mapped<String, Cells, (String, String)>>;

/// The table of states, or the rows that are given, with their places within key groups.
#[derive(Clone, Copy)]
struct Told<const STATES: bool>(Tale);

impl<const STATES: bool> Restorable for Told<STATES> {
    type Operator = ProcessByKey<String, (i64, i64), Tale>;
    const ACCUMULATES: bool = STATES;

    fn operator(self, peers: &Peers) -> Self::Operator {
        ProcessByKey::new(self.0, |key| peers.owner_of_key(key) == peers.index())
    }

    fn input<'s>(
        self,
        rows: RowStream<'s>,
        peers: &Peers,
    ) -> Stream<'s, u64, Paced<Chunks<(String, (i64, i64))>>> {
        let pairs =
            timed(rows.clone()).unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Pairs", |_, _| {
                |input, output| {
                    input.for_each(|time, chunks| {
                        let mut pairs = std::mem::take(chunks)
                            .map(|(stamp, (key, action))| (key, (stamp.at_ms(), action)));
                        output.session_with_builder(&time).give_container(&mut pairs);
                    });
                }
            });
        let owners = peers.clone();
        let shipped = ship::ship(pairs, peers, "by key", move |(key, _)| owners.owner_of_key(key));
        paced(shipped, rows)
    }

    fn owner(self, saved: &Saved<Self>, peers: &Peers) -> Option<usize> {
        Some(peers.owner_of_key(&saved.0))
    }

    fn shown<'s>(
        self,
        output: Stream<'s, u64, Given>,
        _ticks: StreamVec<'s, u64, Tick>,
    ) -> StreamVec<'s, u64, Shown> {
        output.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Shown", |_, _| {
            |input, output| {
                input.for_each(|time, given| {
                    let mut shown: Vec<Shown> = Vec::new();
                    for (tag, rows) in std::mem::take(given).into_chunks() {
                        for (place, row) in rows.into_iter().enumerate() {
                            match row {
                                Mapped::State(row, diff) if STATES => {
                                    shown.push((format!("{row:?}"), diff));
                                }
                                Mapped::Emitted(row) if !STATES => {
                                    shown.push((format!("{} {place} {row:?}", tag.partition), 1));
                                }
                                _ => {}
                            }
                        }
                    }
                    output.session_with_builder(&time).give_container(&mut shown);
                });
            }
        })
    }
}

const TALES: [Tale; 3] = [Tale::BY_BATCH, Tale { starts: true, ..Tale::BY_BATCH }, Tale::BY_EVENT];

fn the_states_of_a_process_go_on() {
    TALES.into_iter().zip(1000..).for_each(|(tale, seed)| goes_on(seed, Told::<true>(tale)));
}

fn what_a_process_gives_goes_on() {
    TALES.into_iter().zip(1010..).for_each(|(tale, seed)| goes_on(seed, Told::<false>(tale)));
}
