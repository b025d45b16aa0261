//! Joins of streams by event time: all rows that were in time, compared with each other.

use std::collections::BTreeMap;
use std::fmt::Debug;

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::{
    Change, DStream, EventJoined, EventPairs, Late, PairTime, Record, Strategy, TimeWindow,
    TimeWindows,
};

use super::check::{Expected, WORKERS, by_key, changes, config, drive, expectations, same};
use super::event_time::input;
use super::input::{Batch, Input, Row};
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["oracle::event_joins";
        rows_within_bounds_meet_and_those_that_do_not_come_out_alone,
        an_open_bound_lets_one_side_wait_for_ever,
        rows_of_one_time_or_one_window_meet,
        conditions_decide_beside_key_and_time,
        without_a_watermark_everything_is_kept,
        late_rows_are_counted_and_given,
        a_correction_takes_back_what_was_given_alone,
        windows_behind_a_join_have_every_row_of_it,
        three_streams_are_joined_one_after_the_other,
        state_stays_flat_while_time_goes_on,
    ]
}

const LEFT_DELAY_MS: i64 = 10;
const RIGHT_DELAY_MS: i64 = 15;

/// Some rows are on both sides.
fn is_left(row: &Row) -> bool {
    row.1.rem_euclid(3) != 0
}

fn is_right(row: &Row) -> bool {
    row.1.rem_euclid(3) != 1
}

fn pairs(rows: DStream<'_, Row>) -> EventPairs<'_, String, i64, i64> {
    let left = rows.clone().filter(is_left).with_watermark(|row| row.1, LEFT_DELAY_MS);
    let right = rows.filter(is_right).with_watermark(|row| row.1, RIGHT_DELAY_MS);
    left.pair_with(right)
}

/// The watermark of each batch: the lower of both sides'.
fn watermarks(batches: &[Batch]) -> Vec<i64> {
    let (mut left, mut right) = (0, 0);
    let mut watermarks = Vec::new();
    for batch in batches {
        watermarks.push(left.min(right));
        for row in batch.rows() {
            left = if is_left(&row) { left.max(row.1 - LEFT_DELAY_MS) } else { left };
            right = if is_right(&row) { right.max(row.1 - RIGHT_DELAY_MS) } else { right };
        }
    }
    watermarks
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
}

/// Which rows of a key meet.
#[derive(Clone, Copy, Debug, Default)]
struct Rule {
    least: Option<i64>,
    most: Option<i64>,
    /// Whether the time is part of the key.
    same_time: bool,
    with_conditions: bool,
    without_watermark: bool,
}

fn within(least: i64, most: i64) -> Rule {
    Rule { least: Some(least), most: Some(most), ..Rule::default() }
}

const SAME_TIME: Rule = Rule {
    least: Some(0),
    most: Some(0),
    same_time: true,
    with_conditions: false,
    without_watermark: false,
};

/// A row in time: its key, its time and its value.
type Timed<K> = (K, i64, i64);

/// The rows of each side that were in time; `keys` gives each of a row's keys, with its time there.
fn in_time<K>(
    batches: &[Batch],
    rule: Rule,
    keys: impl Fn(&Row) -> Vec<(K, i64)>,
) -> [Vec<Timed<K>>; 2] {
    let [mut lefts, mut rights] = [Vec::new(), Vec::new()];
    for (batch, watermark) in batches.iter().zip(watermarks(batches)) {
        for row in batch.rows() {
            for (side, is_here) in [(&mut lefts, is_left(&row)), (&mut rights, is_right(&row))] {
                let keys = keys(&row)
                    .into_iter()
                    .filter(|(_, at)| is_here && (rule.without_watermark || *at > watermark));
                side.extend(keys.map(|(key, at)| (key, at, row.1)));
            }
        }
    }
    [lefts, rights]
}

impl Rule {
    fn meet<K: Eq>(self, left: &Timed<K>, right: &Timed<K>) -> bool {
        let later = right.1 - left.1;
        left.0 == right.0
            && self.least.is_none_or(|least| later >= least)
            && self.most.is_none_or(|most| later <= most)
            && (!self.with_conditions
                || left.2 % 4 != 0 && right.2 % 5 != 0 && (left.2 + right.2) % 7 != 0)
    }

    /// Whether a row that can meet others for so long is over.
    fn is_over(self, at: i64, reach: Option<i64>, watermark: i64) -> bool {
        !self.without_watermark
            && reach
                .is_some_and(|reach| at + reach < watermark || (self.same_time && at <= watermark))
    }
}

type Outer = (Option<i64>, Option<i64>);

/// All rows of a join through some batches, and those of them that are final.
fn joined<K: Clone + Eq>(
    batches: &[Batch],
    kind: Kind,
    rule: Rule,
    keys: impl Fn(&Row) -> Vec<(K, i64)>,
) -> [Vec<(K, Outer)>; 2] {
    let watermark = watermarks(batches).pop().expect("a batch");
    let [lefts, rights] = in_time(batches, rule, keys);
    let [mut all, mut done] = [Vec::new(), Vec::new()];
    let mut give = |row: (K, Outer), is_final: bool| {
        if is_final {
            done.push(row.clone());
        }
        all.push(row);
    };
    for left in &lefts {
        let met: Vec<_> = rights.iter().filter(|right| rule.meet(left, right)).collect();
        let value = Some(left.2);
        match kind {
            Kind::Semi if !met.is_empty() => give((left.0.clone(), (value, None)), true),
            Kind::Semi | Kind::Anti => {}
            _ => met.iter().for_each(|right| give((left.0.clone(), (value, Some(right.2))), true)),
        }
        if matches!(kind, Kind::Left | Kind::Full | Kind::Anti) && met.is_empty() {
            let fails = rule.with_conditions && left.2 % 4 == 0;
            let is_final = fails || rule.is_over(left.1, rule.most, watermark);
            give((left.0.clone(), (value, None)), is_final);
        }
    }
    for right in rights.iter().filter(|_| matches!(kind, Kind::Right | Kind::Full)) {
        if !lefts.iter().any(|left| rule.meet(left, right)) {
            let fails = rule.with_conditions && right.2 % 5 == 0;
            let reach = rule.least.map(|least| -least);
            let is_final = fails || rule.is_over(right.1, reach, watermark);
            give((right.0.clone(), (None, Some(right.2))), is_final);
        }
    }
    [all, done]
}

/// What is in `rows` more often than in `before`, in order.
fn new_rows<E: Record>(mut before: Vec<E>, mut rows: Vec<E>) -> Vec<E> {
    before.sort();
    rows.sort();
    let mut before = before.into_iter().peekable();
    rows.retain(|row| {
        while before.next_if(|old| old < row).is_some() {}
        before.next_if(|old| old == row).is_none()
    });
    assert_eq!(before.next(), None, "what is final goes no more");
    rows
}

/// What a join gives in the last of some batches, in append mode.
fn finals<K: Record>(
    batches: &[Batch],
    kind: Kind,
    rule: Rule,
    keys: impl Fn(&Row) -> Vec<(K, i64)>,
) -> Vec<(K, Outer)> {
    let before = match batches.len() {
        1 => Vec::new(),
        count => joined(&batches[..count - 1], kind, rule, &keys)[1].clone(),
    };
    let [_, now] = joined(batches, kind, rule, &keys);
    new_rows(before, now)
}

/// A join in both modes on 1, 2 and 4 workers; `row` makes its rows of what the model has.
fn check<K: Record, X: Record + Debug>(
    (seed, kind, rule): (u64, Kind, Rule),
    keys: impl Fn(&Row) -> Vec<(K, i64)>,
    program: impl for<'s> Fn(DStream<'s, Row>) -> EventJoined<'s, K, X> + Clone + Send + Sync + 'static,
    row: impl Fn(Outer) -> X,
) {
    let input = input(seed, 1 + seed as usize % 3);
    let into = |rows: Vec<(K, Outer)>| -> Vec<(K, X)> {
        let mut rows: Vec<_> = rows.into_iter().map(|(key, outer)| (key, row(outer))).collect();
        rows.sort();
        rows
    };
    let snapshots =
        expectations(&input, |batches| Some(into(joined(batches, kind, rule, &keys)[0].clone())));
    let updates: Expected<Change<(K, X)>> = changes(&snapshots, by_key);
    let is_final_some_day = !rule.without_watermark
        && match kind {
            Kind::Inner | Kind::Semi => true,
            Kind::Left | Kind::Anti => rule.most.is_some(),
            Kind::Right => rule.least.is_some(),
            Kind::Full => rule.most.is_some() && rule.least.is_some(),
        };
    let appended = is_final_some_day
        .then(|| expectations(&input, |batches| Some(into(finals(batches, kind, rule, &keys)))));
    let given = updates.iter().map(|(_, rows)| rows.len()).sum::<usize>();
    assert!(given > 0, "nothing is expected of {kind:?} {rule:?}, seed {seed}");
    for workers in WORKERS {
        let (updated, ended) = (Memory::new(), Memory::new());
        let (sinks, program) = ((updated.clone(), ended.clone()), program.clone());
        drive(&input, config(workers, Strategy::HashIndex), move |rows| {
            let joined = program(rows);
            joined.clone().changes().sink(sinks.0.clone());
            if is_final_some_day {
                joined.finals().sink(sinks.1.clone());
            }
        });
        let what = format!("{kind:?} {rule:?}, {workers} workers");
        same(&input, &format!("changes, {what}"), &updated.batches(), &updates);
        if let Some(appended) = &appended {
            same(&input, &format!("finals, {what}"), &ended.batches(), appended);
        }
    }
}

/// Every kind of join of what `pairs` makes of the rows.
fn every_kind<K: Record>(
    seed: u64,
    rule: Rule,
    keys: impl Fn(&Row) -> Vec<(K, i64)> + Copy,
    pairs: impl for<'s> Fn(DStream<'s, Row>) -> EventPairs<'s, K, i64, i64>
    + Copy
    + Send
    + Sync
    + 'static,
) {
    let there = |value: Option<i64>| value.expect("it is there");
    check(
        (seed, Kind::Inner, rule),
        keys,
        move |rows| pairs(rows).join(),
        |(left, right)| (there(left), there(right)),
    );
    let left = (seed + 1, Kind::Left, rule);
    check(
        left,
        keys,
        move |rows| pairs(rows).left_outer_join(),
        |(left, right)| (there(left), right),
    );
    let right = (seed + 2, Kind::Right, rule);
    check(
        right,
        keys,
        move |rows| pairs(rows).right_outer_join(),
        |(left, right)| (left, there(right)),
    );
    let full = (seed + 3, Kind::Full, rule);
    check(full, keys, move |rows| pairs(rows).full_outer_join(), |outer| outer);
    let semi = (seed + 4, Kind::Semi, rule);
    check(semi, keys, move |rows| pairs(rows).semi_join(), |(left, _)| there(left));
    let anti = (seed + 5, Kind::Anti, rule);
    check(anti, keys, move |rows| pairs(rows).anti_join(), |(left, _)| there(left));
}

fn by_own_key(row: &Row) -> Vec<(String, i64)> {
    vec![(row.0.clone(), row.1)]
}

fn rows_within_bounds_meet_and_those_that_do_not_come_out_alone() {
    every_kind(1000, within(-12, 20), by_own_key, |rows| pairs(rows).within(-12..=20));
    every_kind(1010, within(5, 14), by_own_key, |rows| pairs(rows).within(5..15));
    every_kind(1020, within(-30, -3), by_own_key, |rows| pairs(rows).within(-30..=-3));
}

fn an_open_bound_lets_one_side_wait_for_ever() {
    let later = Rule { least: Some(3), ..Rule::default() };
    every_kind(1030, later, by_own_key, |rows| pairs(rows).within(3..));
    let earlier = Rule { most: Some(-2), ..Rule::default() };
    every_kind(1040, earlier, by_own_key, |rows| pairs(rows).within(..-1));
    every_kind(1050, Rule::default(), by_own_key, pairs);
}

fn rows_of_one_time_or_one_window_meet() {
    every_kind(1060, SAME_TIME, by_own_key, |rows| pairs(rows).at_same_time());
    let in_windows = |windows: TimeWindows| {
        move |row: &Row| -> Vec<((TimeWindow, String), i64)> {
            let windows = windows.of(row.1);
            windows.map(|window| ((window, row.0.clone()), window.end_ms)).collect()
        }
    };
    let tumbling = TimeWindows::tumbling(10);
    every_kind(1070, SAME_TIME, in_windows(tumbling), move |rows| pairs(rows).in_windows(tumbling));
    let sliding = TimeWindows::sliding(20, 10);
    every_kind(1080, SAME_TIME, in_windows(sliding), move |rows| pairs(rows).in_windows(sliding));
}

fn conditions_decide_beside_key_and_time() {
    let rule = Rule { with_conditions: true, ..within(-10, 20) };
    every_kind(1090, rule, by_own_key, |rows| {
        let pairs = pairs(rows).within(-10..=20);
        let pairs = pairs.on_left(|left| left % 4 != 0).on_right(|right| right % 5 != 0);
        pairs.on(|left, right| (left + right) % 7 != 0)
    });
}

fn without_a_watermark_everything_is_kept() {
    let rule = Rule { without_watermark: true, ..within(-10, 20) };
    every_kind(1100, rule, by_own_key, |rows| {
        let left = rows.clone().filter(is_left).event_time(|row| row.1);
        let right = rows.filter(is_right).event_time(|row| row.1);
        left.pair_with(right).within(-10..=20)
    });
}

fn late_rows_are_counted_and_given() {
    let input = input(1110, 3);
    let rule = within(-5, 5);
    let mut expected: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
    for (batch, watermark) in input.batches.iter().zip(watermarks(&input.batches)) {
        let late = batch.rows().into_iter().filter(|row| row.1 <= watermark);
        for row in late {
            expected[0].extend(is_left(&row).then(|| row.clone()));
            expected[1].extend(is_right(&row).then_some(row));
        }
    }
    expected.iter_mut().for_each(|rows| rows.sort());
    assert!(expected.iter().all(|rows| !rows.is_empty()), "nothing is late, seed {}", input.seed);
    for workers in WORKERS {
        let (counts, given) = (Memory::<i64>::new(), [Memory::new(), Memory::new()]);
        let sinks = (counts.clone(), given.clone());
        drive(&input, config(workers, Strategy::HashIndex), move |rows| {
            let pairs = pairs(rows).within(-5..=5).late(Late::SideOutput);
            let (lefts, rights) = pairs.late_rows();
            lefts.sink(sinks.1[0].clone());
            rights.sink(sinks.1[1].clone());
            let joined = pairs.full_outer_join();
            joined.clone().finals().sink(tidegate::sink::Null::default());
            joined.late_count().sink(sinks.0.clone());
        });
        let total = counts.rows().concat().iter().sum::<i64>() as usize;
        assert_eq!(total, expected[0].len() + expected[1].len(), "{rule:?}, {workers} workers");
        for (given, expected) in given.iter().zip(&expected) {
            let mut given = given.rows().concat();
            given.sort();
            assert_eq!(given, *expected, "{workers} workers, seed {}", input.seed);
        }
    }
}

/// With rows that are kept for longer than any row is late, a join that is corrected is in the end
/// that of all rows, whenever they came.
fn a_correction_takes_back_what_was_given_alone() {
    let input = input(1120, 2);
    let end = Row::from((String::new(), 1_000_000));
    let rule = Rule { without_watermark: true, ..within(-10, 20) };
    let [all, _] = joined(&input.batches, Kind::Full, rule, by_own_key);
    let mut expected: BTreeMap<(String, Outer), isize> = BTreeMap::new();
    all.into_iter().for_each(|row| *expected.entry(row).or_default() += 1);
    let mut longer = input.clone();
    let last = longer.batches.last().expect("a batch").id;
    // Two batches more: one that lets the watermark run away, one in which all is closed.
    for (id, rows) in
        [(last + 1, vec![end.clone(), (end.0.clone(), end.1 + 1)]), (last + 2, vec![])]
    {
        longer.batches.push(Batch { id, previous: id - 1, partitions: vec![rows, vec![]] });
    }
    for workers in WORKERS {
        let given = Memory::new();
        let sink = given.clone();
        drive(&longer, config(workers, Strategy::HashIndex), move |rows| {
            let pairs = pairs(rows).within(-10..=20).late(Late::Correct { keep_ms: 500 });
            pairs.full_outer_join().revisions().sink(sink.clone());
        });
        let mut found: BTreeMap<(String, Outer), isize> = BTreeMap::new();
        let changes = given.rows().concat();
        assert!(changes.iter().any(|change| change.diff < 0), "nothing is corrected");
        for change in changes {
            let values = [change.row.1.0, change.row.1.1];
            if values.iter().flatten().all(|value| *value < end.1) {
                *found.entry(change.row).or_default() += change.diff;
            }
        }
        found.retain(|_, times| *times != 0);
        assert_eq!(found, expected, "{workers} workers, seed {}", input.seed);
    }
}

fn windows_behind_a_join_have_every_row_of_it() {
    const LENGTH: i64 = 10;
    let rule = within(-4, 12);
    for (kind, time, behind) in [
        (Kind::Inner, PairTime::Left, 13),
        (Kind::Inner, PairTime::Right, 13),
        (Kind::Inner, PairTime::Later, 0),
        (Kind::Full, PairTime::Left, 13),
        (Kind::Full, PairTime::Later, 13),
    ] {
        let input = input(1130, 2);
        let counts = |batches: &[Batch]| {
            let [all, _] = joined(batches, kind, rule, by_own_key);
            let mut counts: BTreeMap<TimeWindow, i64> = BTreeMap::new();
            for (_, (left, right)) in all {
                let at = match time {
                    PairTime::Left => left.or(right),
                    PairTime::Right => right.or(left),
                    PairTime::Later => left.max(right),
                };
                for window in TimeWindows::tumbling(LENGTH).of(at.expect("a row")) {
                    *counts.entry(window).or_default() += 1;
                }
            }
            counts
        };
        let expected = expectations(&input, |batches| {
            let marks = watermarks(batches);
            let now = marks[marks.len() - 1] - behind;
            let before = marks.len().checked_sub(2).map_or(i64::MIN, |last| marks[last] - behind);
            let closing = |window: &TimeWindow| before < window.end_ms && window.end_ms <= now;
            Some(counts(batches).into_iter().filter(|(window, _)| closing(window)).collect())
        });
        let closed = expected.iter().map(|(_, rows)| rows.len()).sum::<usize>();
        assert!(closed > 3, "few windows close, seed {}", input.seed);
        for workers in WORKERS {
            let (output, late) = (Memory::new(), Memory::<i64>::new());
            let sinks = (output.clone(), late.clone());
            drive(&input, config(workers, Strategy::HashIndex), move |rows| {
                let pairs = pairs(rows).within(-4..=12).timed_by(time);
                let events = match kind {
                    Kind::Inner => pairs.join().events().map(|_| ()),
                    _ => pairs.full_outer_join().events().map(|_| ()),
                };
                let counts = events.window(TimeWindows::tumbling(LENGTH)).count();
                counts.clone().finals().sink(sinks.0.clone());
                counts.late_count().sink(sinks.1.clone());
            });
            let what = format!("{kind:?} by {time:?}, {workers} workers");
            same(&input, &what, &output.batches(), &expected);
            assert_eq!(late.rows().concat().iter().sum::<i64>(), 0, "late rows of {what}");
        }
    }
}

fn three_streams_are_joined_one_after_the_other() {
    let input = input(1140, 3);
    let third = |row: &Row| row.1.rem_euclid(2) == 0;
    let expected = expectations(&input, |batches| {
        let now = batches.len();
        let triples = |batches: &[Batch]| -> Vec<(String, ((i64, i64), i64))> {
            let [pairs, _] = joined(batches, Kind::Inner, SAME_TIME, by_own_key);
            // Pairs come as the watermark passes them, so that rows beside them are late only if
            // they lie behind the watermark of the batch before.
            let marks = std::iter::once(0).chain(watermarks(batches));
            let all = batches.iter().zip(marks).flat_map(|(batch, mark)| {
                batch.rows().into_iter().filter(move |row| third(row) && row.1 > mark)
            });
            let all: Vec<Row> = all.collect();
            let mut triples = Vec::new();
            for (key, pair) in pairs {
                let (Some(left), Some(right)) = pair else { panic!("an inner join") };
                let met = all.iter().filter(|row| row.0 == key && row.1 == left);
                triples.extend(met.map(|row| (key.clone(), ((left, right), row.1))));
            }
            triples
        };
        let before = if now > 1 { triples(&batches[..now - 1]) } else { Vec::new() };
        Some(new_rows(before, triples(batches)))
    });
    assert!(expected.iter().any(|(_, rows)| !rows.is_empty()), "nothing is expected");
    for workers in WORKERS {
        let output = Memory::new();
        let sink = output.clone();
        drive(&input, config(workers, Strategy::HashIndex), move |rows| {
            // The third stream is in time by the watermark of all three, which its own, without a
            // delay, never holds back.
            let all = rows.clone().with_watermark(|row| row.1, 0).filter(move |row| third(row));
            let both = pairs(rows).at_same_time().join().events();
            both.pair_with(all).at_same_time().join().finals().sink(sink.clone());
        });
        same(&input, &format!("{workers} workers"), &output.batches(), &expected);
    }
}

fn state_stays_flat_while_time_goes_on() {
    let mut rng = Rng::new(1150);
    let batches = (1..=240).map(|id: u64| {
        let rows = (0..12).map(|_| {
            let key = ["a", "b", "c"][rng.below(3) as usize].to_owned();
            (key, id as i64 * 5 + rng.below(12) as i64)
        });
        Batch { id, previous: id - 1, partitions: vec![rows.collect()] }
    });
    let input = Input { seed: 1150, batches: batches.collect() };
    type Program = fn(DStream<'_, Row>) -> DStream<'_, i64>;
    let programs: [Program; 4] = [
        |rows| pairs(rows).within(-20..=30).join().finals().count(),
        |rows| pairs(rows).within(-20..=30).full_outer_join().finals().count(),
        |rows| pairs(rows).at_same_time().semi_join().finals().count(),
        |rows| {
            let pairs = pairs(rows).within(-20..=30).late(Late::Correct { keep_ms: 40 });
            pairs.left_outer_join().changes().count()
        },
    ];
    for (number, program) in programs.into_iter().enumerate() {
        for workers in WORKERS {
            let records = drive(&input, config(workers, Strategy::HashIndex), move |rows| {
                program(rows).sink(tidegate::sink::Null::default());
            });
            let most = |from: usize| {
                let states = records[from..from + 60].iter().map(|record| {
                    let join = record.state.iter().find(|state| state.operator == "stream_join");
                    join.map(|join| (join.keys, join.bytes)).expect("a join")
                });
                states.fold((0, 0), |most, (keys, bytes)| (keys.max(most.0), bytes.max(most.1)))
            };
            let ((keys, bytes), (later, more_bytes)) = (most(60), most(180));
            let what = format!("program {number}, {workers} workers");
            assert!(keys > 0 && later <= keys + keys / 4, "{keys} rows, then {later}: {what}");
            assert!(more_bytes <= bytes + bytes / 4, "{bytes} bytes, then {more_bytes}: {what}");
        }
    }
}
