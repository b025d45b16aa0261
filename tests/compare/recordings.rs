//! What a recording holds is what a replay gives.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use tidegate::error::RecordingError;
use tidegate::recording::{Recorder, Recording, replay};
use tidegate::sink::Memory;
use tidegate::source::{Generator, Queue, Recorded};
use tidegate::{Config, Local, Span, Strategy, Tick, Trigger};

use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials!["compare::recordings";
        a_generator_replays_the_same_on_any_number_of_workers,
        a_file_replays_as_it_was_counted,
        batches_keep_their_ids_and_times,
        a_range_of_batches_begins_with_nothing,
        a_damaged_recording_is_refused_by_name,
        a_recording_without_its_end_can_be_used_before_it,
        a_recording_is_not_written_over,
        rows_of_another_type_are_refused,
    ]
}

/// Records a thousand keys of three partitions in batches of a hundred each.
fn recorded(path: &Path) -> Recording {
    let config = Config::new("record")
        .interval(Duration::from_millis(100))
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(100);
    let recorder =
        Recorder::create::<u64>(path, "count", "a generator", config.interval).expect("created");
    let record = recorder.clone();
    let config = config.workers(2).plan_log(Arc::new(recorder.clone()));
    tidegate::run(config, move |ctx| {
        let keys = Generator::uniform_keys(20, 7).partitions(3).records(1_000);
        record.record(ctx.source(keys));
    })
    .expect("recorded");
    assert_eq!(recorder.finish().expect("finished").rows, 1_000);
    Recording::open(path).expect("whole")
}

/// The counts of a window, by batch.
fn counts(
    recording: &Recording,
    workers: usize,
    strategy: Strategy,
) -> Vec<(Tick, Vec<(u64, i64)>)> {
    let (counts, input) = (Memory::new(), recording.clone());
    let sink = counts.clone();
    let config = Config::new("replay").workers(workers).strategy(strategy);
    let summary = replay(config, recording, move |ctx| {
        let keys = ctx.source(Recorded::<u64>::new(input.clone()));
        let window = keys.window(Span::batches(2), Span::batches(1));
        window.count_by_value().snapshots().sink(sink.clone());
    });
    assert_eq!(summary.expect("replayed").rows_in, recording.rows());
    counts.batches()
}

fn a_generator_replays_the_same_on_any_number_of_workers() {
    let place = tempfile::tempdir().expect("a directory");
    let recording = recorded(&place.path().join("keys.tgr"));
    assert_eq!(recording.batches().len(), 4);
    assert_eq!(recording.partitions().len(), 3);
    let expected = counts(&recording, 1, Strategy::HashIndex);
    assert_eq!(expected.len(), 4);
    let rows: i64 = expected[3].1.iter().map(|(_, count)| count).sum();
    assert_eq!(rows as u64, recording.batches()[2..].iter().map(|b| b.rows()).sum::<u64>());
    for (workers, strategy) in Strategy::ALL.into_iter().zip([4, 2, 4, 1]).map(|(s, w)| (w, s)) {
        let found = counts(&recording, workers, strategy);
        assert_eq!(found, expected, "{workers} workers, {strategy}");
    }
}

fn a_file_replays_as_it_was_counted() {
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path();
    let lines: String = (0..60).map(|n| format!("tide {} gate {}\n", n % 7, n % 3)).collect();
    fs::write(at.join("in.txt"), lines).expect("written");
    let batches = "--trigger count:25 --interval 100ms";
    let run = "run windowed-wordcount --source file:in.txt --window 200ms --sink jsonl:ran.jsonl";
    tidegate(&format!("{run} {batches}")).within(at).run().well();
    let record = "record windowed-wordcount --source file:in.txt --to in.tgr";
    let ended = tidegate(&format!("{record} {batches}")).within(at).run().well();
    assert!(ended.stderr.contains("60 records in 3 batches"), "{}", ended.stderr);
    // Batch times are those of the recording: they are not part of what is compared here.
    let rows = |name: &str| -> Vec<(u64, serde_json::Value)> {
        let lines = crate::cli::rows(&at.join(name)).into_iter();
        lines.map(|line| (line["batch"].as_u64().expect("a batch"), line["row"].clone())).collect()
    };
    for workers in [1, 4] {
        let name = format!("replayed-{workers}.jsonl");
        let replay = format!("replay in.tgr --window 200ms -w {workers} --sink jsonl:{name}");
        tidegate(&replay).within(at).run().well();
        assert_eq!(rows(&name), rows("ran.jsonl"), "{workers} workers");
    }
}

fn batches_keep_their_ids_and_times() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("skipped.tgr");
    let input = Queue::<String>::new(2);
    let config = Config::new("record").batch_time_origin_ms(7_000);
    let recorder =
        Recorder::create::<String>(&path, "words", "a queue", config.interval).expect("created");
    let (source, record) = (input.clone(), recorder.clone());
    let config = config.plan_log(Arc::new(recorder.clone()));
    let mut local = Local::start(config, move |ctx| record.record(ctx.source(source.clone())))
        .expect("it runs");
    input.push_to(1, ["late".to_owned(), "later".to_owned()]);
    local.tick();
    local.tick_skipping(3);
    input.push_to(0, ["first".to_owned()]);
    input.push_to(1, ["second".to_owned()]);
    local.tick();
    local.stop().expect("it ends well");
    recorder.finish().expect("finished");

    let recording = Recording::open(&path).expect("whole");
    let (rows, replayed) = (Memory::new(), recording.clone());
    let sink = rows.clone();
    replay(Config::new("replay").workers(2), &recording, move |ctx| {
        ctx.source(Recorded::<String>::new(replayed.clone())).sink(sink.clone());
    })
    .expect("replayed");
    let tick =
        |id, previous| Tick { id, previous, time_ms: 7_000 + 1_000 * id as i64, last: false };
    let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    assert_eq!(
        rows.batches(),
        [
            (tick(1, 0), words(&["late", "later"])),
            (tick(5, 1), words(&[])),
            (tick(6, 5), words(&["first", "second"])),
        ]
    );
    let last = &recording.batches()[2].partitions[1].cut;
    assert_eq!((&*last.name, last.from, last.to), ("queue-1", 2, 3));
}

fn a_range_of_batches_begins_with_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("keys.tgr");
    let whole = recorded(&path);
    let range = Recording::open_range(&path, "2..3".parse().expect("a range")).expect("whole");
    let found = counts(&range, 2, Strategy::HashIndex);
    let ids: Vec<u64> = found.iter().map(|(tick, _)| tick.id).collect();
    assert_eq!(ids, [2, 3]);
    // The second of them has both in its window.
    assert_eq!(found[1].1, counts(&whole, 1, Strategy::HashIndex)[2].1);
    let sum: i64 = found[0].1.iter().map(|(_, count)| count).sum();
    assert_eq!(sum as u64, whole.batches()[1].rows());
    let none = Recording::open_range(&path, "9..12".parse().expect("a range"));
    let error = none.expect_err("there are four").to_string();
    assert!(error.contains("batches 9 to 12") && error.contains("1 to 4"), "{error}");
}

fn a_damaged_recording_is_refused_by_name() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("keys.tgr");
    recorded(&path);
    let bytes = fs::read(&path).expect("there");
    // In the last third there are batches and the end, each within its frame.
    for at in (bytes.len() * 2 / 3..bytes.len()).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).expect("written");
        let error = Recording::open(&path).expect_err("it is damaged");
        assert!(matches!(error, RecordingError::Damaged { .. }), "byte {at}: {error}");
        let text = error.to_string();
        assert!(text.contains("keys.tgr") && text.contains("is damaged"), "byte {at}: {text}");
    }
    let replay = format!("replay {}", path.display());
    tidegate(&replay).run().failed(2, &["keys.tgr", "is damaged", "--batches .."]);
    let compare = format!("compare wordcount --quick --recording {}", path.display());
    tidegate(&compare).run().failed(2, &["keys.tgr", "is damaged"]);
    fs::write(&path, "something else").expect("written");
    tidegate(&replay).run().failed(2, &["keys.tgr", "is no recording"]);
}

fn a_recording_without_its_end_can_be_used_before_it() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("keys.tgr");
    let whole = recorded(&path);
    let expected = counts(&whole, 1, Strategy::HashIndex);
    let bytes = fs::read(&path).expect("there");
    let mut seen = 0;
    let lengths = (bytes.len() / 2..bytes.len() - 1).step_by(53);
    for length in lengths.chain([bytes.len() - 1]) {
        fs::write(&path, &bytes[..length]).expect("written");
        let error = Recording::open(&path).expect_err("its end is missing");
        let (RecordingError::Damaged { whole, .. } | RecordingError::Unfinished { whole, .. }) =
            error
        else {
            panic!("{length} bytes: {error}")
        };
        let Some(whole) = whole else { continue };
        assert!(error.to_string().contains(&format!("--batches ..{whole}")), "{error}");
        let range = format!("..{whole}").parse().expect("a range");
        let recording = Recording::open_range(&path, range).expect("whole so far");
        if seen != whole {
            let found = counts(&recording, 2, Strategy::HashIndex);
            assert_eq!(found, expected[..whole as usize], "{length} bytes");
            seen = whole;
        }
    }
    assert_eq!(seen, 4, "the end alone is missing in the last of them");
}

fn a_recording_is_not_written_over() {
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path();
    fs::write(at.join("in.txt"), "tide\n").expect("written");
    fs::write(at.join("kept.tgr"), "mine").expect("written");
    let record = "record wordcount --trigger available-now";
    let ended = tidegate(&format!("{record} --source file:in.txt --to kept.tgr")).within(at).run();
    ended.failed(2, &["kept.tgr", "is there already"]);
    assert_eq!(fs::read(at.join("kept.tgr")).expect("there"), b"mine");
    // What could not begin leaves nothing behind.
    let ended = tidegate(&format!("{record} --source file:gone.txt --to new.tgr")).within(at).run();
    ended.failed(2, &["gone.txt"]);
    assert!(!at.join("new.tgr").exists());
}

fn rows_of_another_type_are_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("keys.tgr");
    recorded(&path);
    // The workload that it was made for is not one of the program's.
    tidegate(&format!("replay {}", path.display())).run().failed(2, &["--workload"]);
    let replay = format!("replay {} --workload wordcount", path.display());
    tidegate(&replay).run().failed(2, &["keys.tgr", "other rows"]);
}
