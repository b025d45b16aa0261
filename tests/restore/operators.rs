//! Every operator that has a tap.

use std::fmt::Debug;

use differential_dataflow::AsCollection;
use libtest_mimic::Trial;
use tidegate::operators::batched::{Attachment, BatchOperator, attach};
use tidegate::operators::combine::{Pairs, Signed, Whole, combine};
use tidegate::operators::contents::{Snapshots, WindowRows};
use tidegate::operators::differences::{Consolidate, by_batch};
use tidegate::operators::join::AsOf;
use tidegate::operators::keyed::{
    Accumulate, CountWindow, Departed, Enrich, MapWithState, Mapped, Multisets, ReplayMapWithState,
    ReplayState, Side, Slide, SlideMerge, SlideRows, State, StateSpec, Update, UpdateState, Visit,
};
use tidegate::operators::{Chunks, Count, Diff, Max, Mean, Peers, Sum, Tick, WindowRule, ship};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::{Stream, StreamVec};

use super::run::{Restorable, Saved, Shown, goes_on};
use crate::oracle::input::Row;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["restore::operators";
        running_aggregates_go_on,
        departed_keys_are_still_there,
        multisets_go_on,
        a_window_of_tallies_goes_on_and_rebuilds_what_follows,
        a_window_of_partial_results_goes_on,
        a_window_of_rows_goes_on_and_rebuilds_what_follows,
        a_window_s_contents_go_on,
        windows_of_so_many_records_go_on,
        a_table_beside_a_stream_goes_on,
        states_of_one_s_own_go_on,
        replayed_states_go_on,
        as_of_joins_go_on,
        mapped_states_go_on_and_time_out,
        replayed_mapped_states_go_on,
    ]
}

pub type RowStream<'s> = Stream<'s, u64, Chunks<Row>>;
type Differences<'s, D> = StreamVec<'s, u64, (D, u64, Diff)>;

pub fn show<'s, D: Debug + Clone + 'static>(rows: Differences<'s, D>) -> StreamVec<'s, u64, Shown> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Show", |_, _| {
        |input, output| {
            input.for_each(|time, rows| {
                assert!(rows.iter().all(|(_, at, _)| at == time.time()), "not at its own batch");
                let mut shown = rows.drain(..).map(|(row, _, diff)| (format!("{row:?}"), diff));
                let mut shown = shown.by_ref().collect();
                output.session_with_builder(&time).give_container(&mut shown);
            });
        }
    })
}

pub fn show_chunks<'s, D: Debug + Clone + 'static>(
    rows: Stream<'s, u64, Chunks<D>>,
) -> StreamVec<'s, u64, Shown> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Show", |_, _| {
        |input, output| {
            input.for_each(|time, rows| {
                let rows = std::mem::take(rows).into_rows().into_iter();
                let mut shown: Vec<Shown> = rows.map(|row| (format!("{row:?}"), 1)).collect();
                if !shown.is_empty() {
                    output.session_with_builder(&time).give_container(&mut shown);
                }
            });
        }
    })
}

fn by_key<'s>(rows: RowStream<'s>, peers: &Peers) -> RowStream<'s> {
    let owners = peers.clone();
    ship::ship(rows, peers, "by key", move |(key, _)| owners.owner_of_key(key))
}

/// A case: its operator, its input, the owner of what is tapped, and what is seen of it.
macro_rules! restorable {
    (
        $case:ident { $($field:ident: $type:ty),* }: $operator:ty, accumulates $accumulates:literal,
        operator($self:ident, $peers:ident) $new:expr,
        input($rows:ident, $input_peers:ident) $input:expr,
        owner($saved:ident, $owner_peers:ident) $owner:expr,
        shown($shown_self:ident, $output:ident, $ticks:ident) $shown:expr $(,)?
    ) => {
        #[derive(Clone, Copy)]
        struct $case { $($field: $type),* }

        impl Restorable for $case {
            type Operator = $operator;
            const ACCUMULATES: bool = $accumulates;

            fn operator($self, $peers: &Peers) -> $operator {
                let _ = $peers;
                $new
            }

            fn input<'s>(
                self,
                $rows: RowStream<'s>,
                $input_peers: &Peers,
            ) -> Stream<'s, u64, <$operator as BatchOperator<u64>>::Input> {
                let _ = $input_peers;
                $input
            }

            fn owner(self, $saved: &Saved<Self>, $owner_peers: &Peers) -> Option<usize> {
                $owner
            }

            fn shown<'s>(
                $shown_self,
                $output: Stream<'s, u64, <$operator as BatchOperator<u64>>::Output>,
                $ticks: StreamVec<'s, u64, Tick>,
            ) -> StreamVec<'s, u64, Shown> {
                let _ = &$ticks;
                $shown
            }
        }
    };
}
pub(super) use restorable;

restorable! {
    Running {}: Accumulate<String, i64, Mean>, accumulates true,
    operator(self, peers) Accumulate::new(Mean, Departed::Drop),
    input(rows, peers) combine(rows, peers, "by key", Pairs, Mean),
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show(output),
}

restorable! {
    Counting {}: Accumulate<Row, (), Count>, accumulates true,
    operator(self, peers) Accumulate::new(Count, Departed::Drop),
    input(rows, peers) combine(rows, peers, "by row", Whole, Count),
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show(output),
}

fn running_aggregates_go_on() {
    goes_on(900, Running {});
    goes_on(901, Counting {});
}

restorable! {
    Keeping {}: Accumulate<String, i64, Sum>, accumulates true,
    operator(self, peers) Accumulate::new(Sum, Departed::Keep),
    // Two in five rows go again before their batch is over, and leave their keys behind.
    input(rows, peers) {
        let changes = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Changes", |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let mut changes = std::mem::take(chunks).flat_map(|row: Row| {
                        let goes = (row.1.rem_euclid(5) < 2).then(|| (row.clone(), -1));
                        goes.into_iter().chain([(row, 1)])
                    });
                    output.session_with_builder(&time).give_container(&mut changes);
                });
            }
        });
        combine(changes, peers, "by key", Signed(Pairs), Sum)
    },
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show(output),
}

fn departed_keys_are_still_there() {
    goes_on(905, Keeping {});
}

restorable! {
    Largest {}: Multisets<i64, String, Max>, accumulates true,
    operator(self, peers) Multisets::new(Max),
    // A table with retractions: each row comes, and every third goes again two rows later.
    input(rows, peers) {
        let changes = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Changes", |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let chunks = std::mem::take(chunks);
                    let mut changes = chunks.flat_map(|(key, value): Row| {
                        let rest = value.rem_euclid(3);
                        let came = ((rest, key.clone()), 1 + rest as isize);
                        let goes = ((rest, key), -(rest as isize));
                        [came, goes].into_iter().filter(|(_, diff)| *diff != 0)
                    });
                    output.session_with_builder(&time).give_container(&mut changes);
                });
            }
        });
        let owners = peers.clone();
        ship::ship(changes, peers, "by key", move |((key, _), _): &((i64, String), Diff)| {
            owners.owner_of_key(key)
        })
    },
    owner(saved, peers) Some(peers.owner_of_key(&saved.0.0)),
    shown(self, output, ticks) show(output),
}

fn multisets_go_on() {
    goes_on(910, Largest {});
}

const RULES: [(u64, u64); 4] = [(3, 1), (4, 2), (5, 3), (2, 3)];

fn rules() -> impl Iterator<Item = (u64, WindowRule)> {
    let rules = RULES.into_iter().zip(0..);
    rules.map(|((length, slide), number)| (number, WindowRule::new(length, slide)))
}

restorable! {
    // What follows the window has no tap: it is rebuilt from the window's contents.
    Tallies { rule: WindowRule }: Slide<String, i64, Sum>, accumulates true,
    operator(self, peers) Slide::new(self.rule, Sum),
    input(rows, peers) combine(rows, peers, "by key", Pairs, Sum),
    owner(saved, peers) { let (_, _, tally) = saved; Some(peers.owner_of_key(&tally.0)) },
    shown(self, output, ticks) {
        let running = Accumulate::<String, i64, Sum>::new(Sum, Departed::Drop);
        show(attach(output, running, Attachment::named("sum").on_ticks(ticks)).output)
    },
}

fn a_window_of_tallies_goes_on_and_rebuilds_what_follows() {
    rules().for_each(|(number, rule)| goes_on(920 + number, Tallies { rule }));
}

restorable! {
    Partials { rule: WindowRule }: SlideMerge<String, i64, Max>, accumulates true,
    operator(self, peers) SlideMerge::new(self.rule, Max),
    input(rows, peers) combine(rows, peers, "by key", Pairs, Max),
    owner(saved, peers) { let (_, _, tally) = saved; Some(peers.owner_of_key(&tally.0)) },
    shown(self, output, ticks) show(output),
}

fn a_window_of_partial_results_goes_on() {
    rules().for_each(|(number, rule)| goes_on(930 + number, Partials { rule }));
}

restorable! {
    // Behind the window are two operators that are rebuilt: one that adds changes up, and one that
    // shows the whole table, but not in the batch in which it is restored.
    WindowTable { rule: WindowRule }: SlideRows<Row>, accumulates false,
    operator(self, peers) SlideRows::new(self.rule),
    input(rows, peers) by_key(rows, peers),
    owner(saved, peers) { let (_, _, row) = saved; Some(peers.owner_of_key(&row.0)) },
    shown(self, output, ticks) {
        let changes = by_batch(output.as_collection());
        let attachment = |name| Attachment::named(name).on_ticks(ticks.clone());
        let settled = attach(changes, Consolidate::new(), attachment("settled")).output;
        show_chunks(attach(settled, Snapshots::new(self.rule.slide()), attachment("all")).output)
    },
}

restorable! {
    WindowChanges { rule: WindowRule }: SlideRows<Row>, accumulates true,
    operator(self, peers) SlideRows::new(self.rule),
    input(rows, peers) rows,
    owner(saved, peers) { let (_, _, row) = saved; Some(row.0.len() % peers.count()) },
    shown(self, output, ticks) show(output),
}

fn a_window_of_rows_goes_on_and_rebuilds_what_follows() {
    rules().for_each(|(number, rule)| goes_on(940 + number, WindowTable { rule }));
    rules().for_each(|(number, rule)| goes_on(945 + number, WindowChanges { rule }));
}

restorable! {
    // Rows with their places in the stream.
    Contents { rule: Option<WindowRule> }: WindowRows<Row>, accumulates false,
    operator(self, peers) WindowRows::new(self.rule),
    input(rows, peers) rows,
    owner(saved, peers) { let (_, _, (tag, _)) = saved; Some(peers.owner_of_tag(*tag)) },
    shown(self, output, ticks) show_tagged(output),
}

fn show_tagged<'s>(rows: RowStream<'s>) -> StreamVec<'s, u64, Shown> {
    let tagged = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Tagged", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let chunks = std::mem::take(chunks).into_chunks();
                let rows = chunks.flat_map(|(tag, rows)| {
                    rows.into_iter().map(move |row| (tag.partition, tag.sequence, row))
                });
                let mut rows = Chunks::loose(rows.collect());
                output.session_with_builder(&time).give_container(&mut rows);
            });
        }
    });
    show_chunks(tagged)
}

fn a_window_s_contents_go_on() {
    rules().for_each(|(number, rule)| goes_on(950 + number, Contents { rule: Some(rule) }));
    goes_on(955, Contents { rule: None });
}

restorable! {
    Counted {}: CountWindow<String, i64>, accumulates false,
    operator(self, peers) CountWindow::new(3, 2),
    input(rows, peers) by_key(rows, peers),
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show_chunks(output),
}

fn windows_of_so_many_records_go_on() {
    goes_on(957, Counted {});
}

restorable! {
    // Every third value is a record, the others are rows of the table that go again as others come.
    Beside {}: Enrich<String, i64, i64>, accumulates false,
    operator(self, peers) Enrich::new(),
    input(rows, peers) {
        let sides = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Sides", |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let mut sides = std::mem::take(chunks).flat_map(|(key, value): Row| {
                        let sides = match value.rem_euclid(3) {
                            0 => vec![Side::Left(value)],
                            rest => vec![Side::Right((rest, 2)), Side::Right((3 - rest, -1))],
                        };
                        sides.into_iter().map(move |side| (key.clone(), side)).collect::<Vec<_>>()
                    });
                    output.session_with_builder(&time).give_container(&mut sides);
                });
            }
        });
        let owners = peers.clone();
        ship::ship(sides, peers, "by key", move |(key, _)| owners.owner_of_key(key))
    },
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show_chunks(output),
}

fn a_table_beside_a_stream_goes_on() {
    goes_on(958, Beside {});
}

type Step = fn(Update<'_, String, i64>, Option<String>) -> Option<String>;

/// Writes a key's story on; some keys go again, and without values nothing changes but in every
/// third batch.
fn step(update: Update<'_, String, i64>, story: Option<String>) -> Option<String> {
    let mut story = story.unwrap_or_default();
    for value in update.values {
        story.push_str(&format!("{value} "));
    }
    if update.values.is_empty() && update.tick.id.is_multiple_of(3) {
        story.push('.');
    }
    (!story.ends_with("3 ") && story.len() < 60).then_some(story)
}

/// States to begin with, of which one is never touched, and most but now and then.
fn initial(peers: &Peers) -> Vec<(String, String)> {
    let keys = ["a", "tide", "nobody", "nobody else"].map(str::to_owned);
    let owned = keys.into_iter().filter(|key| peers.owner_of_key(key) == peers.index());
    owned.map(|key| (key, "begun ".to_owned())).collect()
}

restorable! {
    States { initial: bool }: UpdateState<String, i64, String, Step>, accumulates true,
    operator(self, peers) {
        UpdateState::new(if self.initial { initial(peers) } else { Vec::new() }, step as Step)
    },
    input(rows, peers) by_key(rows, peers),
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show(output),
}

fn states_of_one_s_own_go_on() {
    goes_on(960, States { initial: false });
    goes_on(961, States { initial: true });
}

restorable! {
    Replayed { initial: bool }: ReplayState<String, i64, String, Step>, accumulates false,
    operator(self, peers) {
        ReplayState::new(if self.initial { initial(peers) } else { Vec::new() }, step as Step)
    },
    input(rows, peers) by_key(rows, peers),
    // A batch is a batch for every worker.
    owner(saved, peers) saved.1.as_ref().map(|(key, _)| peers.owner_of_key(key)),
    shown(self, output, ticks) show_chunks(output),
}

fn replayed_states_go_on() {
    goes_on(970, Replayed { initial: false });
    goes_on(971, Replayed { initial: true });
}

type Call = (String, Side<(i64, i64), (i64, i64)>);

restorable! {
    Calls {}: AsOf<String, i64, i64>, accumulates true,
    operator(self, peers) AsOf::new(),
    // Even values on one side, odd ones on the other; some rows come again and again.
    input(rows, peers) {
        let changes = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Changes", |_, _| {
            |input, output| {
                input.for_each(|time, chunks| {
                    let mut changes = std::mem::take(chunks).map(|(key, value): Row| {
                        let row = (value.div_euclid(2), value);
                        let side =
                            if value % 2 == 0 { Side::Left(row) } else { Side::Right(row) };
                        ((key, side), 1)
                    });
                    output.session_with_builder(&time).give_container(&mut changes);
                });
            }
        });
        let owners = peers.clone();
        ship::ship(changes, peers, "by key", move |((key, _), _): &(Call, Diff)| {
            owners.owner_of_key(key)
        })
    },
    owner(saved, peers) Some(peers.owner_of_key(&saved.0.0)),
    shown(self, output, ticks) show(output),
}

fn as_of_joins_go_on() {
    goes_on(983, Calls {});
}

type Visited = fn(Visit<'_, String, i64>, &mut State<String>) -> Option<String>;

/// Writes a key's story on and shows it; 0 leaves it alone, 3 ends it.
fn visit(visit: Visit<'_, String, i64>, state: &mut State<String>) -> Option<String> {
    let story = state.get().cloned().unwrap_or_default();
    match visit.value {
        None => return Some(format!("{} {story}gone", visit.key)),
        Some(0) => return None,
        Some(3) => state.remove(),
        Some(value) => state.update(format!("{story}{value} ")),
    }
    Some(format!("{} {story}", visit.key))
}

type MappedRows<'s> = Stream<'s, u64, Chunks<Mapped<String, String, String>>>;

fn show_states<'s>(rows: MappedRows<'s>) -> StreamVec<'s, u64, Shown> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "States", |_, _| {
        |input, output| {
            input.for_each(|time, rows| {
                let rows = std::mem::take(rows).into_rows().into_iter();
                let states = rows.filter_map(|row| match row {
                    Mapped::State(state, diff) => Some((format!("{state:?}"), diff)),
                    Mapped::Emitted(_) => None,
                });
                output.session_with_builder(&time).give_container(&mut states.collect());
            });
        }
    })
}

fn show_emitted<'s>(rows: MappedRows<'s>) -> StreamVec<'s, u64, Shown> {
    let emitted = rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Emitted", |_, _| {
        |input, output| {
            input.for_each(|time, rows| {
                let mut rows = std::mem::take(rows).flat_map(|row| match row {
                    Mapped::Emitted(row) => Some(row),
                    Mapped::State(..) => None,
                });
                output.session_with_builder(&time).give_container(&mut rows);
            });
        }
    });
    show_chunks(emitted)
}

fn spec(peers: &Peers, starts: bool) -> StateSpec<String, String> {
    let spec = StateSpec::new().initial(if starts { initial(peers) } else { Vec::new() });
    spec.timeout(std::time::Duration::from_secs(4))
}

restorable! {
    MappedStates { initial: bool }: MapWithState<String, i64, String, Option<String>, Visited>,
    accumulates true,
    operator(self, peers) MapWithState::new(spec(peers, self.initial), visit as Visited),
    input(rows, peers) by_key(rows, peers),
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show_states(output),
}

restorable! {
    MappedRecords { initial: bool }: MapWithState<String, i64, String, Option<String>, Visited>,
    accumulates false,
    operator(self, peers) MapWithState::new(spec(peers, self.initial), visit as Visited),
    input(rows, peers) by_key(rows, peers),
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show_emitted(output),
}

fn mapped_states_go_on_and_time_out() {
    for initial in [false, true] {
        goes_on(980 + u64::from(initial), MappedStates { initial });
        goes_on(982 + u64::from(initial), MappedRecords { initial });
    }
}

restorable! {
    ReplayedVisits { initial: bool }:
        ReplayMapWithState<String, i64, String, Option<String>, Visited>,
    accumulates false,
    operator(self, peers) ReplayMapWithState::new(spec(peers, self.initial), visit as Visited),
    input(rows, peers) by_key(rows, peers),
    // A batch is a batch for every worker.
    owner(saved, peers) saved.1.as_ref().map(|(key, _)| peers.owner_of_key(key)),
    shown(self, output, ticks) show_emitted(output),
}

fn replayed_mapped_states_go_on() {
    goes_on(990, ReplayedVisits { initial: false });
    goes_on(991, ReplayedVisits { initial: true });
}
