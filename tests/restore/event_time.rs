//! Operators on event time that have a tap.

use std::fmt::Debug;
use std::rc::Rc;

use libtest_mimic::Trial;
use tidegate::operators::batched::{Attachment, BatchOperator, attach};
use tidegate::operators::combine::{Pairs, combine};
use tidegate::operators::event_time::watermark::{broadcast, measured};
use tidegate::operators::event_time::{
    BySession, ByWindow, CombineWatermarks, Dedup, DedupRecompute, Emitted, Expiry, Gap, Judged,
    Late, OwnSessions, Paced, Reading, SavedWindow, SessionAggregate, SpanRecompute, Stamp,
    TimeWindow, TimeWindows, Watermark, WatermarkPolicy, WatermarkRule, Watermarks,
    WindowAggregate, micros, pace,
};
use tidegate::operators::{Chunks, Max, Peers, Record, Sum, Tick, ship};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::{Stream, StreamVec};

use super::operators::{RowStream, restorable, show_chunks};
use super::run::{Restorable, Saved, Shown, goes_on};
use crate::oracle::input::Row;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["restore::event_time";
        watermarks_go_on,
        shared_watermarks_go_on,
        windows_of_event_time_go_on,
        sessions_go_on,
        what_has_been_seen_is_still_a_duplicate,
    ]
}

/// Rows with event times about those of their batches, now and then far behind.
pub fn timed<'s>(rows: RowStream<'s>) -> Stream<'s, u64, Chunks<(Stamp, Row)>> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Timed", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let now_ms = *time.time() as i64 * 10;
                let mut rows = std::mem::take(chunks).map(|row: Row| {
                    let at_ms = now_ms + row.1.clamp(-9, 9) * 6;
                    (Stamp::at(micros(at_ms)), (row.0, row.1.clamp(-9, 9)))
                });
                output.session_with_builder(&time).give_container(&mut rows);
            });
        }
    })
}

/// A watermark that follows the numbers of batches: what is not restored in these runs.
pub fn paced<'s, D: Clone + 'static>(
    rows: Stream<'s, u64, Chunks<D>>,
    source: RowStream<'s>,
) -> Stream<'s, u64, Paced<Chunks<D>>> {
    let marks = source.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Watermarks", |_, _| {
        |input, output| {
            input.for_each(|time, _| {
                let now_ms = *time.time() as i64 * 10 - 8;
                output.session_with_builder(&time).give_container(&mut vec![now_ms]);
            });
        }
    });
    let marks = broadcast(marks).unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Paces", |_, _| {
        |input, output| {
            input.for_each(|time, marks| {
                let mut marks = marks.drain(..).map(Watermark::at).collect::<Vec<_>>();
                output.session_with_builder(&time).give_container(&mut marks);
            });
        }
    });
    pace(rows, marks)
}

/// The table of open windows.
pub fn open<'s, R: Debug + Clone + 'static>(
    emitted: Stream<'s, u64, Chunks<Emitted<R>>>,
) -> StreamVec<'s, u64, Shown> {
    emitted.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Open", |_, _| {
        |input, output| {
            input.for_each(|time, emitted| {
                let shown = std::mem::take(emitted).flat_map(|event| match event {
                    Emitted::Open(row, diff) => Some((format!("{row:?}"), diff)),
                    Emitted::Closed(row) => Some((format!("{row:?}"), -1)),
                    Emitted::Settled(_) | Emitted::Revised(..) | Emitted::Late(_) => None,
                });
                let mut shown = shown.into_rows();
                if !shown.is_empty() {
                    output.session_with_builder(&time).give_container(&mut shown);
                }
            });
        }
    })
}

/// What the owner of a watermark gives, in each batch.
fn show_each<'s, D: Debug + Clone + 'static>(
    rows: StreamVec<'s, u64, D>,
) -> StreamVec<'s, u64, Shown> {
    rows.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Show", |_, _| {
        |input, output| {
            input.for_each(|time, rows| {
                let mut shown: Vec<Shown> =
                    rows.drain(..).map(|row| (format!("{row:?}"), 1)).collect();
                output.session_with_builder(&time).give_container(&mut shown);
            });
        }
    })
}

restorable! {
    Marks { rule: WatermarkRule }: Watermarks, accumulates false,
    operator(self, peers) Watermarks::new(self.rule, peers.index() == 0),
    input(rows, peers) measured(timed(rows), 0, Judged::ByRow).1,
    owner(saved, peers) { let _ = (saved, peers); Some(0) },
    shown(self, output, ticks) show_each(output),
}

fn watermarks_go_on() {
    goes_on(980, Marks { rule: WatermarkRule::new(7).by_row() });
    goes_on(981, Marks { rule: WatermarkRule::new(7).by_row().idle_after_ms(2_000) });
}

restorable! {
    Shared { policy: WatermarkPolicy }: CombineWatermarks, accumulates false,
    operator(self, peers) CombineWatermarks::new(self.policy, peers.index() == 0),
    // A reading for each partition, which is idle in a batch without a row of it.
    input(rows, peers) {
        let (_, stats) = measured(timed(rows), 0, Judged::ByRow);
        stats.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Readings", |_, _| {
            |input, output| {
                input.for_each(|time, stats| {
                    let readings = stats.drain(..).map(|(_, stats)| Reading {
                        now_ms: stats.map_or(0, |stats| stats.max_ms),
                        is_idle: stats.is_none(),
                        ..Reading::default()
                    });
                    let mut readings = readings.collect::<Vec<_>>();
                    output.session_with_builder(&time).give_container(&mut readings);
                });
            }
        })
    },
    owner(saved, peers) { let _ = (saved, peers); Some(0) },
    shown(self, output, ticks) show_each(output),
}

fn shared_watermarks_go_on() {
    goes_on(978, Shared { policy: WatermarkPolicy::Min });
    goes_on(979, Shared { policy: WatermarkPolicy::Max });
}

restorable! {
    EventWindows { late: Late }: WindowAggregate<(TimeWindow, String), i64, Sum>, accumulates true,
    operator(self, peers) WindowAggregate::new(Sum, self.late),
    input(rows, peers) {
        paced(combine(in_windows(rows.clone()), peers, "by window", Pairs, Sum), rows)
    },
    owner(saved, peers) owner_of_window(saved, peers),
    shown(self, output, ticks) open(output),
}

restorable! {
    EventWindowsAnew { late: Late }: SpanRecompute<ByWindow<(TimeWindow, String), i64, Sum>>,
    accumulates true,
    operator(self, peers) SpanRecompute::over(ByWindow::new(Sum), self.late),
    input(rows, peers) {
        let owners = peers.clone();
        let shipped = ship::ship(in_windows(rows.clone()), peers, "by window", move |(key, _)| {
            owners.owner_of_key(key)
        });
        paced(shipped, rows)
    },
    owner(saved, peers) owner_of_window(saved, peers),
    shown(self, output, ticks) open(output),
}

fn in_windows<'s>(rows: RowStream<'s>) -> Stream<'s, u64, Chunks<((TimeWindow, String), i64)>> {
    timed(rows).unary::<NoopBuilder<_>, _, _, _>(Pipeline, "In windows", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let mut pairs = std::mem::take(chunks).flat_map(|(stamp, row)| {
                    let windows = TimeWindows::sliding(40, 25).of(stamp.at_ms());
                    windows.map(move |window| ((window, row.0.clone()), row.1))
                });
                output.session_with_builder(&time).give_container(&mut pairs);
            });
        }
    })
}

fn owner_of_window<K: Record, S>(saved: &SavedWindow<K, S>, peers: &Peers) -> Option<usize> {
    match saved {
        SavedWindow::State(key, _) => Some(peers.owner_of_key(key)),
        SavedWindow::ClosedThrough(_) => None,
    }
}

pub const LATE: [Late; 3] = [Late::Drop, Late::Correct { keep_ms: 30 }, Late::Hold { hold_ms: 30 }];

fn windows_of_event_time_go_on() {
    LATE.into_iter().zip(0..).for_each(|(late, number)| {
        goes_on(982 + number, EventWindows { late });
        goes_on(982 + number, EventWindowsAnew { late });
    });
}

restorable! {
    Sessions { late: Late }: SessionAggregate<String, i64, Max>, accumulates true,
    operator(self, peers) SessionAggregate::new(Max, self.late),
    input(rows, peers) {
        let sessions = BySession::<String, i64, Max>::new(Max);
        paced(combine(own_sessions(rows.clone()), peers, "sessions", Pairs, sessions), rows)
    },
    owner(saved, peers) owner_of_window(saved, peers),
    shown(self, output, ticks) open(output),
}

restorable! {
    SessionsAnew { late: Late }: SpanRecompute<BySession<String, i64, Max>>, accumulates true,
    operator(self, peers) SpanRecompute::over(BySession::new(Max), self.late),
    input(rows, peers) {
        let owners = peers.clone();
        let own = own_sessions(rows.clone());
        let shipped = ship::ship(own, peers, "by key", move |(key, _)| owners.owner_of_key(key));
        paced(shipped, rows)
    },
    owner(saved, peers) owner_of_window(saved, peers),
    shown(self, output, ticks) open(output),
}

fn own_sessions<'s>(rows: RowStream<'s>) -> Stream<'s, u64, Chunks<(String, (TimeWindow, i64))>> {
    let gap: Gap<String, i64> = Rc::new(|_, value| 12 + value);
    let judged = paced(timed(rows.clone()), rows);
    let operator = OwnSessions::new(gap, Late::Drop);
    attach(judged, operator, Attachment::named("own sessions")).output
}

fn sessions_go_on() {
    LATE.into_iter().zip(0..).for_each(|(late, number)| {
        goes_on(985 + number, Sessions { late });
        goes_on(985 + number, SessionsAnew { late });
    });
}

type KeyOf = fn(&(Stamp, Row)) -> String;

restorable! {
    Firsts { expiry: Expiry }: Dedup<Row, String, KeyOf>, accumulates false,
    operator(self, peers) Dedup::new(self.expiry, (|(_, row)| row.0.clone()) as KeyOf),
    input(rows, peers) timed_by_key(rows, peers),
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show_chunks(output),
}

restorable! {
    FirstsAnew { expiry: Expiry }: DedupRecompute<Row, String, KeyOf>, accumulates false,
    operator(self, peers) DedupRecompute::new(self.expiry, (|(_, row)| row.0.clone()) as KeyOf),
    input(rows, peers) timed_by_key(rows, peers),
    owner(saved, peers) Some(peers.owner_of_key(&saved.0)),
    shown(self, output, ticks) show_chunks(output),
}

fn timed_by_key<'s>(
    rows: RowStream<'s>,
    peers: &Peers,
) -> Stream<'s, u64, Paced<Chunks<(Stamp, Row)>>> {
    let owners = peers.clone();
    let shipped = ship::ship(timed(rows.clone()), peers, "by key", move |(_, row)| {
        owners.owner_of_key(&row.0)
    });
    paced(shipped, rows)
}

fn what_has_been_seen_is_still_a_duplicate() {
    for (number, expiry) in
        [Expiry::Never, Expiry::AfterMs(0), Expiry::AfterMs(15)].iter().enumerate()
    {
        goes_on(990 + number as u64, Firsts { expiry: *expiry });
        goes_on(990 + number as u64, FirstsAnew { expiry: *expiry });
    }
}
