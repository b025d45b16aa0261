//! Every kind of state, through restarts between any two batches, on changing numbers of workers.

use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::operators::Tick;
use tidegate::recovery::Checkpoints;
use tidegate::sink::Memory;
use tidegate::source::Queue;
use tidegate::{
    Config, DStream, Departed, Learner, Local, Max, Record, Span, State, StateSpec, Strategy, Sum,
    TimeWindows, Windowed,
};

use crate::oracle::input::{Input, Row};
use crate::support::{Rng, Unsaved, trials};

pub fn trials() -> Vec<Trial> {
    trials!["recovery::restarts";
        running_counts_go_on,
        distinct_rows_and_largest_values_are_rebuilt,
        sliding_windows_go_on,
        windows_whose_departed_keys_are_kept_go_on,
        windows_of_all_rows_go_on,
        users_states_go_on,
        states_with_timeouts_go_on,
        windows_of_records_go_on,
        event_time_goes_on,
        sessions_go_on,
        duplicates_are_remembered,
        joined_and_iterated_tables_are_rebuilt,
        tables_of_all_rows_go_on,
        arrangements_go_on,
        models_go_on,
        batches_that_were_not_saved_are_run_again_and_written_once,
    ]
}

/// What came out: each batch with its rows.
type Output<E> = Vec<(Tick, Vec<E>)>;

/// Batches whose rows have small values that rise from batch to batch, some of them far behind:
/// they serve as event times, too.
fn input(seed: u64, batches: usize, partitions: usize) -> Input {
    let mut input = Input::random(seed, batches, partitions);
    let mut rng = Rng::new(seed);
    for (number, batch) in input.batches.iter_mut().enumerate() {
        for row in batch.partitions.iter_mut().flatten() {
            let back = if rng.below(5) == 0 { 60 } else { 15 };
            row.1 = number as i64 * 8 + 20 - rng.below(back) as i64;
        }
    }
    input
}

fn config(workers: usize) -> Config {
    Config::new("restarts").workers(workers)
}

/// Runs a stretch of the batches, and stops.
fn stretch<E: Record>(
    config: Config,
    (rows, output): (&Queue<Row>, &Memory<E>),
    input: &Input,
    batches: std::ops::Range<usize>,
    program: impl for<'s> Fn(DStream<'s, Row>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
) {
    let (source, sink) = (rows.clone(), output.clone());
    let mut local =
        Local::start(config, move |ctx| program(ctx.source(source.clone())).sink(sink.clone()))
            .expect("the program can run");
    for batch in &input.batches[batches] {
        for (partition, part) in batch.partitions.iter().enumerate() {
            rows.push_to(partition as u32, part.iter().cloned());
        }
        let record = local.tick_skipping(batch.id - batch.previous - 1);
        assert_eq!((record.batch, record.previous), (batch.id, batch.previous));
    }
    local.stop().expect("the job ends well");
}

fn undisturbed<E: Record>(
    input: &Input,
    program: impl for<'s> Fn(DStream<'s, Row>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
) -> Output<E> {
    let (rows, output) = (Queue::new(input.partitions() as u32), Memory::new());
    stretch(config(1), (&rows, &output), input, 0..input.batches.len(), program);
    output.batches()
}

/// With restarts after some batches, each stretch on another number of workers; `every` says how
/// often the stretches save.
fn disturbed<E: Record>(
    input: &Input,
    directory: &Path,
    stretches: &[(usize, usize, Duration)],
    program: impl for<'s> Fn(DStream<'s, Row>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
) -> Output<E> {
    let (rows, output) = (Queue::keeping(input.partitions() as u32), Memory::new());
    let mut from = 0;
    for (to, workers, every) in stretches {
        let checkpoints = Checkpoints::at(directory).every(*every);
        let config = config(*workers).checkpoints(checkpoints);
        let unsaved = (*every == NEVER).then(|| Unsaved::before(directory));
        stretch(config, (&rows, &output), input, from..*to, program.clone());
        unsaved.into_iter().for_each(Unsaved::pretend_killed);
        from = *to;
    }
    output.batches()
}

const ALWAYS: Duration = Duration::ZERO;
const NEVER: Duration = Duration::from_secs(3600);

/// A program whose output does not depend on restarts.
fn goes_on<E: Record>(
    seed: u64,
    program: impl for<'s> Fn(DStream<'s, Row>) -> DStream<'s, E> + Clone + Send + Sync + 'static,
) {
    let input = input(seed, 16, 3);
    let expected = undisturbed(&input, program.clone());
    assert!(expected.iter().any(|(_, rows)| rows.len() > 1), "there is an output, seed {seed}");
    for stretches in [
        // Saved at every batch, and taken up at once.
        vec![(1, 1, ALWAYS), (5, 1, ALWAYS), (6, 2, ALWAYS), (11, 4, ALWAYS), (16, 1, ALWAYS)],
        // Saved, then not saved for a while: what was planned since is run again.
        vec![(4, 2, ALWAYS), (9, 1, NEVER), (12, 3, NEVER), (13, 2, ALWAYS), (16, 4, ALWAYS)],
        // Never saved: everything is run again.
        vec![(7, 2, NEVER), (16, 3, NEVER)],
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let found = disturbed(&input, directory.path(), &stretches, program.clone());
        assert_eq!(found, expected, "seed {seed}, stretches {stretches:?}");
    }
}

fn running_counts_go_on() {
    goes_on(1, |rows| rows.map(|(key, _)| key).running().count_by_value().changes());
    goes_on(2, |rows| rows.running().aggregate_by_key(Sum).snapshots());
}

fn arrangements_go_on() {
    goes_on(61, |rows| {
        rows.running().strategy(Strategy::Arrangement).aggregate_by_key(Sum).changes()
    });
    goes_on(62, |rows| {
        let sums = rows.running().strategy(Strategy::Arrangement).aggregate_by_key(Sum);
        let sums = sums.map(|(_, sum)| sum).strategy(Strategy::Arrangement);
        sums.reduce(|a, b| *a.max(b)).changes()
    });
    goes_on(63, |rows| {
        let window = rows.window(Span::batches(4), Span::batches(2));
        window.strategy(Strategy::Arrangement).aggregate_by_key(Sum).snapshots()
    });
}

/// Half of what it was, and half of the batch's sum; so what comes first matters to the end.
struct Smoothed;

impl Learner<Row> for Smoothed {
    type Model = (i64, u64);
    type Evidence = i64;

    fn gather(&self, _model: &(i64, u64), _round: u64, rows: &[Row]) -> i64 {
        rows.iter().map(|(_, value)| value).sum()
    }

    fn merge(&self, sum: &mut i64, other: i64) {
        *sum += other;
    }

    fn improve(&self, model: &mut (i64, u64), _round: u64, sum: i64) -> bool {
        *model = ((model.0 + sum) / 2, model.1 + 1);
        false
    }
}

fn models_go_on() {
    goes_on(64, |rows| {
        let models = rows.learn(Smoothed, (1_000_000, 0)).latest_model();
        models.flat_map(|(level, batches)| [level, batches as i64])
    });
}

fn distinct_rows_and_largest_values_are_rebuilt() {
    goes_on(3, |rows| rows.running().aggregate_by_key(Sum).top_k(2).changes());
    goes_on(4, |rows| {
        rows.running().aggregate_by_key(Sum).map(|(_, sum)| sum).distinct().changes()
    });
}

fn sliding_windows_go_on() {
    fn window(rows: DStream<'_, Row>) -> Windowed<'_, Row> {
        rows.window(Span::batches(4), Span::batches(2))
    }
    goes_on(5, |rows| window(rows).aggregate_by_key(Sum).changes());
    goes_on(6, |rows| window(rows).aggregate_by_key(Max).snapshots());
    goes_on(7, |rows| window(rows).count_by_value().snapshots());
}

fn windows_whose_departed_keys_are_kept_go_on() {
    goes_on(8, |rows| {
        let window = rows.window(Span::batches(2), Span::batches(1));
        window.departed(Departed::Keep).aggregate_by_key(Sum).snapshots()
    });
}

fn windows_of_all_rows_go_on() {
    goes_on(9, |rows| rows.window(Span::batches(3), Span::batches(1)).snapshots());
    goes_on(10, |rows| rows.window(Span::batches(3), Span::batches(1)).group_by_key());
    goes_on(11, |rows| rows.window(Span::batches(3), Span::batches(1)).table().changes());
}

fn users_states_go_on() {
    goes_on(12, |rows| {
        rows.update_state_by_key([("from the start".to_owned(), 1)], |update, before| {
            let sum = before.unwrap_or(0) + update.values.iter().sum::<i64>();
            // Some keys go again.
            (sum % 5 != 0).then_some(sum)
        })
        .snapshots()
    });
}

fn states_with_timeouts_go_on() {
    goes_on(13, |rows| {
        let spec = StateSpec::new().timeout(Duration::from_secs(3));
        rows.map_with_state(spec, |visit, sum: &mut State<i64>| {
            let now = sum.get().unwrap_or(&0) + visit.value.unwrap_or(0);
            if !sum.is_timing_out() {
                sum.update(now);
            }
            Some((visit.key.clone(), now))
        })
        .emitted()
    });
}

fn windows_of_records_go_on() {
    goes_on(14, |rows| rows.count_window_by_key(3, 2));
}

fn event_time_goes_on() {
    goes_on(15, |rows| {
        let events = rows.with_watermark(|(_, value)| *value, 30);
        events.window(TimeWindows::sliding(20, 10)).aggregate_by_key(Sum).finals()
    });
    goes_on(16, |rows| {
        let events = rows.with_watermark(|(_, value)| *value, 30);
        events.window(TimeWindows::tumbling(10)).count().snapshots()
    });
}

fn sessions_go_on() {
    goes_on(17, |rows| {
        let events = rows.with_watermark(|(_, value)| *value, 50);
        events.sessions(|_, _| 5).count_by_key().changes()
    });
}

fn duplicates_are_remembered() {
    #[allow(clippy::redundant_closure_for_method_calls)] // The method's lifetime is too narrow.
    goes_on(18, |rows| rows.drop_duplicates());
    goes_on(19, |rows| {
        let events = rows.with_watermark(|(_, value)| *value, 20);
        events.drop_duplicates_within_watermark(|(key, _)| key.clone()).into_stream()
    });
}

fn joined_and_iterated_tables_are_rebuilt() {
    goes_on(20, |rows| {
        let sums = rows.clone().running().aggregate_by_key(Sum);
        let window = rows.window(Span::batches(3), Span::batches(1)).aggregate_by_key(Max);
        sums.left_outer_join(window).changes()
    });
}

fn tables_of_all_rows_go_on() {
    goes_on(22, |rows| {
        let evens = rows.clone().filter(|(_, value)| value % 2 == 0).running().table();
        let odds = rows.filter(|(_, value)| value % 2 != 0).running().table();
        evens.join(odds).changes()
    });
}

fn batches_that_were_not_saved_are_run_again_and_written_once() {
    let input = input(21, 12, 2);
    let directory = tempfile::tempdir().expect("a directory");
    fn program(rows: DStream<'_, Row>) -> DStream<'_, i64> {
        rows.map(|(_, value)| value)
    }
    let (rows, output) = (Queue::keeping(2), Memory::new());
    let checkpoints = || Checkpoints::at(directory.path()).every(NEVER);
    let run = |range| {
        let config = config(2).checkpoints(checkpoints());
        let unsaved = Unsaved::before(directory.path());
        stretch(config, (&rows, &output), &input, range, program);
        unsaved.pretend_killed();
    };
    run(0..5);
    // A sink that has forgotten gets again what was planned, and as it was planned.
    let before = output.batches();
    output.clear();
    run(5..6);
    assert_eq!(output.batches()[..5], before);
    // One that remembers does not.
    run(6..12);
    assert_eq!(output.batches(), undisturbed(&input, program));
}
