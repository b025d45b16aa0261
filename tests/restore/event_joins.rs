//! Joins of streams by event time.

use libtest_mimic::Trial;
use tidegate::operators::batched::BatchOperator;
use tidegate::operators::event_time::{
    Bounds, Emitted, EventJoin, JoinSpec, Late, Paced, SavedJoin, Shape, Stamp,
};
use tidegate::operators::keyed::Side;
use tidegate::operators::{Chunks, Peers, Tick, ship};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::{Stream, StreamVec};

use super::event_time::{LATE, open, paced, timed};
use super::operators::{RowStream, restorable};
use super::run::{Restorable, Saved, Shown, goes_on};
use crate::oracle::input::Row;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["restore::event_joins";
        rows_that_wait_for_others_go_on,
        pairs_and_rows_alone_go_on,
        a_row_that_has_met_another_is_not_given_again,
    ]
}

type Sides = Side<(i64, i64), (i64, i64)>;
type Outer = (Option<i64>, Option<i64>);

/// Rows on the left and on the right, by key, beside their watermark.
fn sides<'s>(
    rows: RowStream<'s>,
    peers: &Peers,
) -> Stream<'s, u64, Paced<Chunks<(String, Sides)>>> {
    let sides = timed(rows.clone()).unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Sides", |_, _| {
        |input, output| {
            input.for_each(|time, chunks| {
                let mut rows = std::mem::take(chunks).map(|(stamp, row): (Stamp, Row)| {
                    let side = if row.1 % 2 == 0 { Side::Left } else { Side::Right };
                    (row.0, side((stamp.at_us, row.1)))
                });
                output.session_with_builder(&time).give_container(&mut rows);
            });
        }
    });
    let owners = peers.clone();
    let shipped = ship::ship(sides, peers, "by key", move |(key, _)| owners.owner_of_key(key));
    paced(shipped, rows)
}

fn owner(saved: &SavedJoin<String, i64, i64>, peers: &Peers) -> Option<usize> {
    match saved {
        SavedJoin::Row(key, ..) => Some(peers.owner_of_key(key)),
        SavedJoin::ClosedThrough(_) => None,
    }
}

/// What is final: the rows that came, and those that a correction took back.
fn results<'s, R: std::fmt::Debug + Clone + 'static>(
    emitted: Stream<'s, u64, Chunks<Emitted<R>>>,
) -> StreamVec<'s, u64, Shown> {
    emitted.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "Results", |_, _| {
        |input, output| {
            input.for_each(|time, emitted| {
                let shown = std::mem::take(emitted).flat_map(|event| match event {
                    Emitted::Closed(row) | Emitted::Settled(row) => Some((format!("{row:?}"), 1)),
                    Emitted::Revised(row, diff) => Some((format!("{row:?}"), diff)),
                    Emitted::Late(rows) => Some(("late".to_owned(), rows as isize)),
                    Emitted::Open(..) => None,
                });
                let mut shown = shown.into_rows();
                if !shown.is_empty() {
                    output.session_with_builder(&time).give_container(&mut shown);
                }
            });
        }
    })
}

restorable! {
    Waiting { late: Late }: EventJoin<String, i64, i64, Outer>, accumulates true,
    operator(self, peers) {
        let spec = JoinSpec::new(Bounds::within(-20..=30), Shape::full_outer());
        EventJoin::new(spec.late(self.late))
    },
    input(rows, peers) sides(rows, peers),
    owner(saved, peers) owner(saved, peers),
    shown(self, output, ticks) open(output),
}

restorable! {
    Joined { late: Late }: EventJoin<String, i64, i64, Outer>, accumulates false,
    operator(self, peers) {
        let spec = JoinSpec::new(Bounds::within(-20..=30), Shape::full_outer());
        EventJoin::new(spec.late(self.late))
    },
    input(rows, peers) sides(rows, peers),
    owner(saved, peers) owner(saved, peers),
    shown(self, output, ticks) results(output),
}

restorable! {
    Followed { late: Late }: EventJoin<String, i64, i64, i64>, accumulates false,
    operator(self, peers) {
        let spec = JoinSpec::new(Bounds::within(0..=40), Shape::left_semi());
        EventJoin::new(spec.late(self.late))
    },
    input(rows, peers) sides(rows, peers),
    owner(saved, peers) owner(saved, peers),
    shown(self, output, ticks) results(output),
}

fn rows_that_wait_for_others_go_on() {
    LATE.into_iter().zip(0..).for_each(|(late, number)| goes_on(1100 + number, Waiting { late }));
}

fn pairs_and_rows_alone_go_on() {
    LATE.into_iter().zip(0..).for_each(|(late, number)| goes_on(1110 + number, Joined { late }));
}

fn a_row_that_has_met_another_is_not_given_again() {
    LATE.into_iter().zip(0..).for_each(|(late, number)| goes_on(1120 + number, Followed { late }));
}
