//! Whether modes give the same.

use libtest_mimic::Trial;
use tidegate::compare::{CompareError, Input, Mode, check};
use tidegate::{DStream, Span, Strategy, Table};

use crate::support::process::tidegate;
use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["compare::modes";
        every_way_gives_the_same,
        a_planted_difference_is_told_by_batch_and_rows,
        a_batch_that_only_one_has_is_a_difference,
        workloads_compare_equal,
        a_window_that_keeps_too_much_ends_the_command_with_1,
        what_can_not_be_compared_is_refused,
    ]
}

fn input(seed: u64) -> Input<u64> {
    let mut rng = Rng::new(seed);
    let batches = (0..12).map(|_| (0..rng.below(60)).map(|_| rng.below(9)).collect());
    Input::of(batches.collect(), 3)
}

fn counts(keys: DStream<'_, u64>) -> Table<'_, (u64, i64)> {
    keys.window(Span::batches(4), Span::batches(1)).count_by_value()
}

/// How often each number is the largest of its kind.
fn largest(keys: DStream<'_, u64>) -> Table<'_, (u64, i64)> {
    let pairs = keys.map(|key| (key % 3, key));
    pairs.running().reduce_by_key(|a, b| *a.max(b)).map(|(_, key)| key).count_by_value()
}

fn every_way_gives_the_same() {
    for (seed, workers) in [(1, 1), (2, 2), (3, 4)] {
        let checked = check(&input(seed), &Mode::every(counts), workers).expect("the same");
        assert_eq!((checked.modes, checked.batches), (4, 12), "seed {seed}");
        assert!(checked.changes > 12, "seed {seed}");
        check(&input(seed), &Mode::every(largest), workers).expect("the same");
    }
}

fn a_planted_difference_is_told_by_batch_and_rows() {
    let batches = vec![vec![1, 2], vec![2], vec![], vec![7, 7, 1], vec![7]];
    let input: Input<u64> = Input::of(batches, 2);
    let whole = Mode::new("whole", Strategy::HashIndex, |keys: DStream<'_, u64>| {
        keys.running().count_by_value()
    });
    // It does not see a key that comes in the fourth batch for the first time.
    let broken = Mode::new("broken", Strategy::Recompute, |keys: DStream<'_, u64>| {
        keys.running().count_by_value().filter(|(key, count)| (*key, *count) != (7, 2))
    });
    let same = check(&input, &[whole.clone(), whole.clone()], 2).expect("the same");
    assert_eq!(same.batches, 5);
    for workers in [1, 2] {
        let error = check(&input, &[whole.clone(), broken.clone()], workers).expect_err("differs");
        let CompareError::Differs(difference) = &error else { panic!("{error}") };
        assert_eq!(difference.batch, 4);
        assert_eq!(difference.missing, [("+1 (7, 2)".to_owned(), 1)]);
        assert_eq!(difference.surplus, []);
        let text = error.to_string();
        assert!(text.starts_with("batch 4 differs between `whole` and `broken`"), "{text}");
        assert!(text.contains("only in `whole`: +1 (7, 2)"), "{text}");
    }
}

fn a_batch_that_only_one_has_is_a_difference() {
    let windowed = |slide: u64| {
        Mode::new(format!("slide {slide}"), Strategy::HashIndex, move |keys: DStream<'_, u64>| {
            keys.window(Span::batches(4), Span::batches(slide)).count_by_value()
        })
    };
    let input: Input<u64> = Input::of(vec![vec![], vec![]], 1);
    let error = check(&input, &[windowed(2), windowed(1)], 1).expect_err("differs").to_string();
    assert!(error.contains("batch 1") && error.contains("only one of them"), "{error}");
}

fn workloads_compare_equal() {
    let workloads = [
        ("windowed-wordcount", 1),
        ("join", 2),
        ("reachability", 2),
        ("top-k", 1),
        ("windowed-join", 2),
        ("nexmark-q4", 2),
    ];
    for (workload, workers) in workloads {
        let rows = "--quick --no-curves --rows 20 --window 3s";
        let ended = tidegate(&format!("compare {workload} {rows} -w {workers}")).run().well();
        let equal = "the outputs of 4 modes are equal: 23 batches";
        assert!(ended.stdout.contains(equal), "{workload}: {}", ended.stdout);
        for mode in ["hash index", "arrangement", "partials", "recompute"] {
            assert!(ended.stdout.contains(mode), "{workload}: {}", ended.stdout);
        }
    }
}

#[cfg(feature = "faults")]
fn a_window_that_keeps_too_much_ends_the_command_with_1() {
    let rows = "--quick --no-curves --rows 20 --window 3s";
    let compare = tidegate(&format!("compare windowed-count {rows}"));
    let ended = compare.variable("TIDEGATE_MUTATION", "window-lets-go").run();
    // The rows of the first batch should go with the fourth.
    ended.failed(1, &["batch 4 differs", "only in `incremental, arrangement`: -1 ("]);
}

#[cfg(not(feature = "faults"))]
fn a_window_that_keeps_too_much_ends_the_command_with_1() {}

fn what_can_not_be_compared_is_refused() {
    let here = env!("CARGO_MANIFEST_DIR").as_ref();
    let refused = |arguments: &str, texts: &[&str]| {
        tidegate(&format!("compare {arguments}")).within(here).run().failed(2, texts);
    };
    refused("kmeans", &["kmeans"]);
    refused("wordcount --recording nowhere.tgr", &["nowhere.tgr"]);
    refused("wordcount --batches 3..7", &["--recording"]);
    refused("windowed-wordcount --quick --no-curves --window 1500ms", &["1.5s", "1s or 2s"]);
    refused("wordcount --quick --json Cargo.toml/x", &["Cargo.toml/x", "give --json"]);
    tidegate("report Cargo.toml").within(here).run().failed(2, &["Cargo.toml", "compare --json"]);
}
