//! What a record says of the work: which worker was given how much, and how many rounds there were.

use libtest_mimic::Trial;
use tidegate::metrics::{BatchRecord, OperatorLoad, StateRecord};
use tidegate::sink::{Memory, Null};
use tidegate::source::Queue;
use tidegate::workloads::{Edge, connected_components, reachability};
use tidegate::{Config, Iterated, Local, Record, RunError, Strategy, Summary, Table};

use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["engine::load";
        a_hot_key_is_seen_where_it_is_and_nowhere_else,
        an_arrangement_counts_what_it_indexes,
        the_summary_names_what_is_skewed,
        rounds_are_in_the_record,
        what_must_settle_ends_the_job_at_the_bound,
        what_settles_goes_on,
    ]
}

const RECORDS: usize = 4_000;

/// Keys, so many of ten of which are the same one.
fn keys(hot_of_ten: u64) -> Vec<u64> {
    let mut rng = Rng::new(1300 + hot_of_ten);
    let key = |rng: &mut Rng| {
        let hot = rng.below(10) < hot_of_ten;
        if hot { 7 } else { 1000 + rng.below(2_000) }
    };
    (0..RECORDS).map(|_| key(&mut rng)).collect()
}

/// Keys with a state each, whose records all go to the worker of their key; and keys that are
/// counted where they are, before what is counted goes anywhere.
fn run(workers: usize, hot_of_ten: u64) -> (Vec<BatchRecord>, Summary) {
    let input = Queue::<u64>::new(4);
    let source = input.clone();
    let mut local = Local::start(Config::new("load").workers(workers), move |ctx| {
        let keys = ctx.source(source.clone());
        let pairs = keys.clone().map(|key| (key, ())).uid("states");
        let states = pairs.update_state_by_key([], |update, state: Option<u64>| {
            Some(state.unwrap_or(0) + update.values.len() as u64)
        });
        states.changes().sink(Null::default());
        keys.uid("counts").running().count_by_value().changes().sink(Null::default());
    })
    .expect("the program can run");
    for (number, key) in keys(hot_of_ten).into_iter().enumerate() {
        input.push_to(number as u32 % 4, [key]);
    }
    let records = vec![local.tick(), local.tick()];
    (records, local.stop().expect("the job ends well"))
}

fn state<'a>(record: &'a BatchRecord, operator: &str) -> &'a StateRecord {
    record.state.iter().find(|state| state.operator == operator).expect("the operator is there")
}

fn a_hot_key_is_seen_where_it_is_and_nowhere_else() {
    for workers in [1, 2, 4] {
        for hot_of_ten in [0, 9] {
            let (records, _) = run(workers, hot_of_ten);
            let what = format!("{workers} workers, {hot_of_ten} of ten: {:?}", records[0].state);
            let (states, counts) = (state(&records[0], "states"), state(&records[0], "counts"));
            for state in [states, counts] {
                let numbers: Vec<u32> = state.workers.iter().map(|load| load.worker).collect();
                assert_eq!(numbers, (0..workers as u32).collect::<Vec<_>>(), "{what}");
                let busy = |load: &&_| -> bool {
                    let l: &tidegate::metrics::WorkerLoad = load;
                    l.rows > 0
                };
                assert!(state.workers.iter().filter(busy).all(|load| load.busy_ms > 0.0), "{what}");
            }
            let rows: u64 = states.workers.iter().map(|load| load.rows).sum();
            assert_eq!(rows, RECORDS as u64, "every record comes in once, {what}");
            let hottest = states.workers.iter().map(|load| load.rows).max().unwrap_or(0);
            let expected = hottest as f64 * workers as f64 / RECORDS as f64;
            assert!((states.imbalance - expected).abs() < 1e-9, "{what}");
            if hot_of_ten == 9 {
                assert!(hottest as usize > RECORDS * 8 / 10, "{what}");
                // A row for each key and worker: combined before it is shipped.
                let rows: u64 = counts.workers.iter().map(|load| load.rows).sum();
                assert!(rows < RECORDS as u64 / 2, "{what}");
            } else {
                assert!(states.imbalance < 1.3, "{what}");
            }
            assert!(counts.imbalance < 1.3, "{what}");
            // Nothing came in the second batch.
            for operator in ["states", "counts"] {
                let idle = state(&records[1], operator);
                assert!(idle.workers.iter().all(|load| load.rows == 0), "{idle:?}");
                assert_eq!((idle.imbalance, idle.keys), (1.0, state(&records[0], operator).keys));
            }
        }
    }
}

fn an_arrangement_counts_what_it_indexes() {
    let input = Queue::<Edge>::new(1);
    let source = input.clone();
    let mut local = Local::start(Config::new("star").workers(4), move |ctx| {
        let edges = ctx.source(source.clone()).running().table().uid("edges").arranged_by_key();
        edges.join(&edges).changes().sink(Null::default());
    })
    .expect("the program can run");
    input.push((0..40).map(|to| (0, to)));
    let record = local.tick();
    let edges = state(&record, "edges");
    let rows: Vec<u64> = edges.workers.iter().map(|load| load.rows).collect();
    assert_eq!(
        (rows.iter().sum::<u64>(), rows.iter().max(), edges.imbalance),
        (40, Some(&40), 4.0)
    );
    assert_eq!(state(&local.tick(), "edges").imbalance, 1.0, "nothing came in");
    local.stop().expect("the job ends well");
}

fn the_summary_names_what_is_skewed() {
    for (workers, hot_of_ten, expected) in [(1, 9, vec![]), (4, 0, vec![]), (4, 9, vec!["states"])]
    {
        let (_, summary) = run(workers, hot_of_ten);
        let skewed: Vec<&OperatorLoad> = summary.skewed().collect();
        let names: Vec<&str> = skewed.iter().map(|load| &*load.operator).collect();
        assert_eq!(names, expected, "{workers} workers, {hot_of_ten} of ten");
        let states = &summary.load[0];
        assert_eq!((&*states.operator, states.rows()), ("states", RECORDS as u64));
    }
}

/// A job that follows edges from node 0, and the rows that it gives.
fn follow<D: Record>(
    workers: usize,
    strategy: Strategy,
    program: impl for<'s> Fn(Table<'s, Edge>) -> Iterated<'s, D> + Send + Sync + 'static,
) -> (Queue<Edge>, Memory<D>, Local) {
    let (input, output) = (Queue::<Edge>::new(2), Memory::new());
    let (source, sink) = (input.clone(), output.clone());
    let config = Config::new("rounds").workers(workers).strategy(strategy);
    let local = Local::start(config, move |ctx| {
        let edges = ctx.source(source.clone()).running().table();
        program(edges).table.snapshots().sink(sink.clone());
    });
    (input, output, local.expect("the program can run"))
}

fn reach(edges: Table<'_, Edge>, rounds_max: u64) -> Iterated<'_, u64> {
    let roots = edges.clone().map(|(from, _)| from).filter(|from| *from == 0);
    reachability(edges, roots.uid("reached"), rounds_max)
}

fn path(length: u64) -> Vec<Edge> {
    (0..length).map(|node| (node, node + 1)).collect()
}

fn rounds_are_in_the_record() {
    for workers in [1, 2, 4] {
        let (input, _, mut local) = follow(workers, Strategy::HashIndex, |edges| {
            connected_components(edges.uid("pairs"), 50)
        });
        let mut rounds = Vec::new();
        for edges in [path(6), vec![], vec![(8, 9)]] {
            input.push(edges);
            let record = local.tick();
            assert_eq!(record.iterations.len(), 1, "{workers} workers");
            let iteration = &record.iterations[0];
            assert_eq!((&*iteration.operator, iteration.rounds_max), ("iterate", 50));
            rounds.push(iteration.rounds);
        }
        // The label 0 goes along six edges, after that of each node itself.
        assert_eq!(rounds, [6, 0, 1], "{workers} workers");
        local.stop().expect("the job ends well");
    }
}

fn what_must_settle_ends_the_job_at_the_bound() {
    for workers in [1, 2, 4] {
        for strategy in [Strategy::HashIndex, Strategy::Recompute] {
            let (input, output, mut local) =
                follow(workers, strategy, |edges| reach(edges, 4).must_settle());
            input.push(path(3));
            assert_eq!(local.tick().iterations[0].rounds, 3);
            input.push_to(1, [(3, 4), (4, 5), (5, 6)]);
            let Err(error) = local.try_tick() else { panic!("node 5 is five edges away") };
            let RunError::RoundsExhausted { operator, batch, rounds_max } = &error else {
                panic!("another error: {error}")
            };
            assert_eq!((&**operator, *batch, *rounds_max), ("reached", 2, 4));
            assert!(error.to_string().contains("allow more"), "{error}");
            assert_eq!(output.rows(), [[0, 1, 2, 3]], "nothing of batch 2 has left");
        }
    }
}

fn what_settles_goes_on() {
    let (input, output, mut local) = follow(2, Strategy::HashIndex, |edges| {
        // With the node itself, labels of a path of six edges are through after six rounds.
        connected_components(edges, 7).must_settle()
    });
    input.push(path(6));
    local.tick();
    local.tick();
    local.stop().expect("the job ends well");
    let labels: Vec<Edge> = (0..=6).map(|node| (node, 0)).collect();
    assert_eq!(output.rows(), [labels.clone(), labels]);
}
