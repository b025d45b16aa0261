//! Processes by key: cells that expire, timers of both kinds, against a simulation that looks at
//! every key in every batch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::operators::ship::key_group;
use tidegate::operators::stable_hash;
use tidegate::sink::Memory;
use tidegate::{
    DStream, ListState, MapState, Process, Span, StateStream, Strategy, Timer, Turn, ValueState,
};

use super::check::{WORKERS, config, drive, expectations, same, stream};
use super::input::{Batch, Input, Row};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["oracle::process";
        cells_expire_and_timers_come_by_batch_time,
        cells_expire_and_timers_come_by_event_time,
        initial_states_have_their_turn_before_the_first_batch,
        nothing_is_due_where_a_window_does_not_slide,
    ]
}

pub type Cells = (ValueState<i64>, ListState<i64>, MapState<i64, i64>);

const TTL_MS: [i64; 3] = [2_000, 3_500, 5_000];

/// Does something else for each number, and tells what it sees.
#[derive(Clone, Copy)]
pub struct Tale {
    /// The kind of its timers, which are set relative to batch time or to the rows' event times.
    pub timer: fn(i64) -> Timer,
    /// By how much, in milliseconds.
    pub unit: i64,
    pub starts: bool,
}

/// The keys that have a state before the first batch: one that comes, and one that never does.
const INITIAL: [&str; 2] = ["a", "nobody"];

fn show(cells: &Cells) -> String {
    let list: Vec<&i64> = cells.1.iter().collect();
    let map: Vec<(&i64, &i64)> = cells.2.iter().collect();
    format!("{:?} {list:?} {map:?}", cells.0.get())
}

impl Tale {
    pub const BY_BATCH: Tale = Tale { timer: Timer::BatchTime, unit: 1_000, starts: false };
    pub const BY_EVENT: Tale = Tale { timer: Timer::EventTime, unit: 10, starts: true };

    /// How long after its time an action sets timers.
    fn delays_ms(self, action: i64) -> Vec<i64> {
        match action {
            -2 => vec![0, self.unit * 5 / 2],
            2 => vec![self.unit * 6 / 5],
            _ => vec![],
        }
    }

    /// How long after its own time a timer sets the next one.
    fn later_ms(self) -> i64 {
        self.unit * 7 / 10
    }

    fn act(
        self,
        action: i64,
        at_ms: i64,
        cells: &mut Cells,
        turn: &mut Turn<'_, (String, String)>,
    ) {
        let id = turn.tick().id as i64;
        let base_ms = match (self.timer)(at_ms) {
            Timer::EventTime(at_ms) => at_ms,
            Timer::BatchTime(_) => turn.tick().time_ms,
        };
        match action {
            1 => cells.0.update(cells.0.get().unwrap_or(&0) + id),
            2 => cells.1.push(id),
            3 => {
                cells.2.insert(id % 3, id);
            }
            -1 => {
                cells.0.clear();
                cells.2.remove(&(id % 3));
            }
            -3 => turn.timers().to_vec().into_iter().for_each(|timer| turn.delete_timer(timer)),
            _ => {}
        }
        for delay in self.delays_ms(action) {
            turn.set_timer((self.timer)(base_ms + delay));
        }
    }
}

impl Process<String, (i64, i64)> for Tale {
    type State = Cells;
    type Emitted = (String, String);

    fn state(&self) -> Cells {
        let [value, list, map] = TTL_MS.map(|ms| Duration::from_millis(ms as u64));
        (ValueState::new().ttl(value), ListState::new().ttl(list), MapState::new().ttl(map))
    }

    fn initial(&self) -> Vec<(String, Cells)> {
        let states = INITIAL.iter().filter(|_| self.starts).map(|key| {
            let mut cells = self.state();
            cells.0.update(-7);
            cells.2.insert(9, -9);
            (key.to_string(), cells)
        });
        states.collect()
    }

    fn on_initial(&mut self, key: &String, cells: &mut Cells, turn: &mut Turn<'_, Self::Emitted>) {
        turn.set_timer((self.timer)(self.unit * 4));
        turn.emit((key.clone(), format!("begins {}", show(cells))));
    }

    fn on_rows(
        &mut self,
        key: &String,
        rows: Vec<(i64, i64)>,
        cells: &mut Cells,
        turn: &mut Turn<'_, Self::Emitted>,
    ) {
        for (at_ms, action) in rows {
            self.act(action, at_ms, cells, turn);
            turn.emit((key.clone(), format!("{action} {} {:?}", show(cells), turn.timers())));
        }
    }

    fn on_timer(
        &mut self,
        key: &String,
        timer: Timer,
        cells: &mut Cells,
        turn: &mut Turn<'_, Self::Emitted>,
    ) {
        let (Timer::EventTime(ms) | Timer::BatchTime(ms)) = timer;
        cells.1.push(ms);
        if cells.1.len() % 2 == 1 {
            turn.set_timer((self.timer)(ms + self.later_ms()));
            turn.set_timer((self.timer)(ms));
        }
        turn.emit((key.clone(), format!("{timer:?} {} {:?}", show(cells), turn.timers())));
    }
}

/// The same, where everything is written down with the time at which it was written.
#[derive(Clone, Debug, Default)]
struct Told {
    value: Option<(i64, i64)>,
    list: Vec<(i64, i64)>,
    map: BTreeMap<i64, (i64, i64)>,
    timers: BTreeSet<Timer>,
}

impl Told {
    fn expire(&mut self, now_ms: i64) {
        let stays = |written_ms: i64, ttl_ms: i64| now_ms - written_ms < ttl_ms;
        self.value = self.value.filter(|(written, _)| stays(*written, TTL_MS[0]));
        self.list.retain(|(written, _)| stays(*written, TTL_MS[1]));
        self.map.retain(|_, (written, _)| stays(*written, TTL_MS[2]));
    }

    fn show(&self) -> String {
        let list: Vec<i64> = self.list.iter().map(|(_, value)| *value).collect();
        let map: Vec<(i64, i64)> =
            self.map.iter().map(|(key, (_, value))| (*key, *value)).collect();
        format!("{:?} {list:?} {map:?}", self.value.map(|(_, value)| value))
    }

    fn timers(&self) -> Vec<Timer> {
        self.timers.iter().copied().collect()
    }

    fn has_cells(&self) -> bool {
        self.value.is_some() || !self.list.is_empty() || !self.map.is_empty()
    }
}

/// A batch as the simulation sees it.
struct Round {
    id: i64,
    time_ms: i64,
    /// Up to where timers are due.
    due_ms: i64,
    /// Key, the time to which timers are relative, and what is to be done.
    rows: Vec<(String, i64, i64)>,
}

type Emitted = Vec<(String, String)>;

/// What is given in the last batch, and what is then kept for each key.
fn simulate(tale: Tale, batches: Vec<Round>) -> (Emitted, BTreeMap<String, Told>) {
    let mut keys: BTreeMap<String, Told> = BTreeMap::new();
    let mut emitted = Emitted::new();
    let group = |key: &String| key_group(stable_hash(key));
    for (number, batch) in batches.into_iter().enumerate() {
        let Round { id, time_ms, due_ms, mut rows } = batch;
        emitted.clear();
        if number == 0 && tale.starts {
            let mut initial = INITIAL.map(str::to_owned);
            initial.sort_by_key(|key| (group(key), key.clone()));
            for key in initial {
                let told = keys.entry(key.clone()).or_default();
                told.value = Some((time_ms, -7));
                told.map.insert(9, (time_ms, -9));
                told.timers.insert((tale.timer)(tale.unit * 4));
                emitted.push((key, format!("begins {}", told.show())));
            }
        }
        keys.values_mut().for_each(|told| told.expire(time_ms));
        rows.sort_by_key(|(key, _, _)| (group(key), key.clone()));
        for (key, base_ms, action) in rows {
            let told = keys.entry(key.clone()).or_default();
            match action {
                1 => told.value = Some((time_ms, told.value.map_or(0, |(_, value)| value) + id)),
                2 => told.list.push((time_ms, id)),
                3 => {
                    told.map.insert(id % 3, (time_ms, id));
                }
                -1 => {
                    told.value = None;
                    told.map.remove(&(id % 3));
                }
                -3 => told.timers.clear(),
                _ => {}
            }
            let delays = tale.delays_ms(action).into_iter();
            told.timers.extend(delays.map(|delay| (tale.timer)(base_ms + delay)));
            emitted.push((key, format!("{action} {} {:?}", told.show(), told.timers())));
        }
        let mut last: Option<(i64, String)> = None;
        loop {
            let all = keys.iter().flat_map(|(key, told)| {
                told.timers.iter().map(move |timer| {
                    let (Timer::EventTime(ms) | Timer::BatchTime(ms)) = *timer;
                    (ms, key.clone())
                })
            });
            let next = all.filter(|next| next.0 <= due_ms && Some(next) > last.as_ref()).min();
            let Some((ms, key)) = next else { break };
            last = Some((ms, key.clone()));
            let told = keys.get_mut(&key).expect("it has a timer");
            told.timers.remove(&(tale.timer)(ms));
            told.list.push((time_ms, ms));
            if told.list.len() % 2 == 1 {
                told.timers.extend([(tale.timer)(ms + tale.later_ms()), (tale.timer)(ms)]);
            }
            let timer = (tale.timer)(ms);
            emitted.push((key, format!("{timer:?} {} {:?}", told.show(), told.timers())));
        }
        keys.retain(|_, told| told.has_cells() || !told.timers.is_empty());
    }
    // The order of the keyed partitions to which the groups are dealt.
    emitted.sort_by_key(|(key, _)| (group(key) % 16, group(key)));
    (emitted, keys)
}

fn check(
    input: &Input,
    tale: Tale,
    program: impl for<'s> Fn(DStream<'s, Row>) -> StateStream<'s, String, Cells, (String, String)>
    + Clone
    + Send
    + Sync
    + 'static,
    told: impl Fn(&[Batch]) -> Vec<Round>,
) {
    let emitted = expectations(input, |batches| Some(simulate(tale, told(batches)).0));
    assert!(emitted.iter().any(|(_, rows)| rows.iter().any(|row| row.1.contains("Time("))));
    let states = expectations(input, |batches| {
        let keys = simulate(tale, told(batches)).1.into_iter();
        let keys = keys.filter(|(_, told)| told.has_cells());
        Some(keys.map(|(key, told)| (key, told.show())).collect())
    });
    let changes = super::check::changes(&states, super::check::by_key);
    for workers in WORKERS {
        let (given, shown, changed) = (Memory::new(), Memory::new(), Memory::new());
        let (sinks, program) = ((given.clone(), shown.clone(), changed.clone()), program.clone());
        drive(input, config(workers, Strategy::HashIndex), move |rows| {
            let tales = program(rows);
            tales.emitted().sink(sinks.0.clone());
            // Of a state that went as another than it came, both would be here.
            let states = tales.states().snapshots();
            states.map_values(|cells| show(&cells)).sink(sinks.1.clone());
            let texts = tales.states().map_values(|cells| show(&cells));
            texts.changes().sink(sinks.2.clone());
        });
        let what = format!("{workers} workers");
        same(input, &format!("emitted, {what}"), &given.batches(), &emitted);
        same(input, &format!("states, {what}"), &shown.batches(), &states);
        same(input, &format!("changes, {what}"), &changed.batches(), &changes);
    }
}

/// Rows whose values are what is to be done, by batch time.
fn by_batch_time(input: &Input, starts: bool) {
    let tale = Tale { starts, ..Tale::BY_BATCH };
    let told = |batches: &[Batch]| {
        let told = batches.iter().map(|batch| {
            let time_ms = batch.time_ms();
            let rows = batch.rows().into_iter().map(|(key, action)| (key, time_ms, action));
            Round { id: batch.id as i64, time_ms, due_ms: time_ms, rows: rows.collect() }
        });
        told.collect()
    };
    check(
        input,
        tale,
        move |rows| rows.map_values(|action| (0, action)).process_by_key(tale),
        told,
    );
}

fn cells_expire_and_timers_come_by_batch_time() {
    for (seed, partitions) in [(1100, 1), (1101, 3)] {
        by_batch_time(&Input::random(seed, 30, partitions), false);
    }
}

fn initial_states_have_their_turn_before_the_first_batch() {
    by_batch_time(&Input::random(1110, 16, 2), true);
}

fn cells_expire_and_timers_come_by_event_time() {
    let tale = Tale::BY_EVENT;
    let action = |at_ms: i64| at_ms.rem_euclid(7) - 3;
    let mut on_the_mark = 0;
    for (seed, partitions) in [(1120, 1), (1121, 3), (1122, 2), (1123, 3)] {
        let input = super::event_time::input(seed, partitions);
        let watermarks = super::event_time::watermarks(&input.batches);
        on_the_mark += input
            .batches
            .iter()
            .zip(watermarks)
            .filter(|(batch, mark)| batch.rows().iter().any(|(_, at_ms)| at_ms == mark))
            .count();
        let told = |batches: &[Batch]| {
            let watermarks = super::event_time::watermarks(batches);
            let told = batches.iter().zip(watermarks).map(|(batch, due_ms)| {
                let in_time = batch.rows().into_iter().filter(|(_, at_ms)| *at_ms > due_ms);
                let rows = in_time.map(|(key, at_ms)| (key, at_ms, action(at_ms))).collect();
                Round { id: batch.id as i64, time_ms: batch.time_ms(), due_ms, rows }
            });
            told.collect()
        };
        check(
            &input,
            tale,
            move |rows| {
                let rows = super::event_time::events(rows);
                rows.map(move |(key, at_ms)| (key, action(at_ms))).process_by_key(tale)
            },
            told,
        );
    }
    assert!(on_the_mark > 0, "no row tells whether one at the watermark is late");
}

fn nothing_is_due_where_a_window_does_not_slide() {
    let tale = Tale::BY_BATCH;
    let model = move |batches: &[Batch]| {
        batches.last().filter(|last| last.has_output(3))?;
        let slides = batches.iter().filter(|batch| batch.has_output(3)).map(|batch| {
            let time_ms = batch.time_ms();
            let last = batch.id / 3 * 3;
            let inside = batches.iter().filter(|other| other.id == last);
            let rows = inside.flat_map(Batch::rows).map(|(key, action)| (key, time_ms, action));
            Round { id: batch.id as i64, time_ms, due_ms: time_ms, rows: rows.collect() }
        });
        Some(simulate(tale, slides.collect()).0)
    };
    stream(
        1130,
        move |rows| {
            let all = rows.window(Span::batches(1), Span::batches(3)).snapshots();
            all.map_values(|action| (0, action)).process_by_key(tale).emitted()
        },
        model,
    );
}
