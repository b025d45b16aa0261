//! What becomes of records: good ones, and those that can't be decoded.

use std::fs;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use super::rows;
use crate::support::free_addresses;
use crate::support::process::{tidegate, tidegate_after};
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials![
        "cli";
        standard_input_is_counted_and_shown,
        empty_input_is_a_run_of_nothing,
        records_that_can_not_be_decoded_are_dead_letters,
        an_oversize_line_is_a_dead_letter,
        a_broker_that_is_not_there_is_waited_for_aloud,
        a_full_disk_ends_the_run_with_a_word,
        a_batch_for_which_there_is_no_room_leaves_no_line,
        records_of_batches_add_up_to_the_summary,
        a_job_ends_when_its_time_is_over,
        a_job_ends_without_a_word_when_its_reader_leaves,
    ]
}

fn a_job_ends_without_a_word_when_its_reader_leaves() {
    let job = "run wordcount --source generate --interval 20ms --quiet";
    let mut running = tidegate(job).with_nobody_reading();
    running.leave();
    let ended = running.end().failed(141, &[]);
    assert_eq!(ended.stderr, "");
    // Errors can not be written either.
    let shell = "exec 2>/dev/full";
    tidegate_after(shell, "run wordcount --source file:/no/such").run().failed(2, &[]);
}

fn standard_input_is_counted_and_shown() {
    let ended = tidegate("run wordcount --source stdin --trigger available-now")
        .input("the tide\nThe gate\r\n\nno end, the end")
        .run()
        .well();
    let counts: Vec<&str> =
        ended.stdout.lines().skip(3).take_while(|line| !line.is_empty()).collect();
    assert_eq!(counts, ["end 2", "gate 1", "no 1", "the 3", "tide 1"]);
    assert!(ended.stdout.contains("(batch 1, 5 rows)"), "{}", ended.stdout);
    assert_eq!((ended.figure("records in"), ended.figure("rows out")), (4, 5));
}

fn empty_input_is_a_run_of_nothing() {
    let ended = tidegate("run wordcount --source stdin --interval 20ms").input("").run().well();
    assert_eq!((ended.figure("records in"), ended.figure("rows out")), (0, 0));
    assert!(!ended.stderr.contains("dead letters"), "{}", ended.stderr);
    let quiet = tidegate("run wordcount --source stdin --interval 20ms -q --sink null");
    let quiet = quiet.input("").run().well();
    assert_eq!((&*quiet.stdout, &*quiet.stderr), ("", ""));
}

fn records_that_can_not_be_decoded_are_dead_letters() {
    let place = tempfile::tempdir().expect("a directory");
    let good = |user: u64| format!("{{\"user\":{user},\"page\":\"p\",\"time_ms\":1}}\n");
    let (first, bad, last) = (good(1), "{\"user\":\"nobody\"}\n", good(2));
    fs::write(place.path().join("in"), format!("{first}{bad}{last}")).expect("written");
    let ended = tidegate(
        "run clickstream --source file:in --trigger available-now --sink jsonl:out \
         --dead-letters dead --metrics metrics",
    )
    .within(place.path())
    .run()
    .well();
    assert_eq!((ended.figure("records in"), ended.figure("dead letters")), (2, 1));
    assert_eq!(rows(&place.path().join("out")).len(), 2);
    let dead = rows(&place.path().join("dead"));
    assert_eq!(dead.len(), 1, "{dead:?}");
    let letter = &dead[0]["row"];
    assert_eq!(letter["offset"], first.len(), "the offset of its first byte");
    assert_eq!((&letter["source"], &letter["partition"]), (&"file:in".into(), &"in".into()));
    assert_eq!(letter["payload"], bad.trim_end());
    assert!(letter["reason"].as_str().expect("text").contains("no click"), "{letter}");
    let metrics = rows(&place.path().join("metrics"));
    assert_eq!(metrics[0]["sources"][0]["dead_letters"], 1);
}

fn an_oversize_line_is_a_dead_letter() {
    let place = tempfile::tempdir().expect("a directory");
    let mut input = b"before\n".to_vec();
    input.resize(input.len() + (17 << 20), b'x');
    input.extend_from_slice(b"\nafter\n");
    fs::write(place.path().join("in"), &input).expect("written");
    let options = "--trigger available-now --sink jsonl:out --dead-letters dead";
    for (source, offset) in [("file:in", 7), ("stdin", 1)] {
        let program = tidegate(&format!("run wordcount --source {source} {options}"));
        let program = if source == "stdin" { program.input(input.clone()) } else { program };
        let ended = program.within(place.path()).run().well();
        assert_eq!((ended.figure("records in"), ended.figure("dead letters")), (2, 1));
        let dead = rows(&place.path().join("dead"));
        let letter = &dead[0]["row"];
        assert_eq!(letter["offset"], offset, "{source}");
        let reason = letter["reason"].as_str().expect("text");
        assert!(reason.contains("17825792 bytes") && reason.contains("16777216"), "{reason}");
        assert_eq!(letter["payload"].as_str().expect("text").len(), 64 << 10, "its beginning");
        fs::remove_file(place.path().join("dead")).expect("removed");
    }
}

fn a_broker_that_is_not_there_is_waited_for_aloud() {
    let nobody = free_addresses(1).remove(0);
    let source = format!("run wordcount --source kafka://{nobody}/lines");
    let sink = format!("run wordcount --source generate: --sink kafka://{nobody}/counts");
    for command in [&source, &sink] {
        let mut waiting = tidegate(command).start();
        waiting.wait_for(&format!("waiting for Kafka at {nobody}"));
        assert!(!waiting.has_ended());
        waiting.signal(Signal::TERM);
        let asked = Instant::now();
        let ended = waiting.end().failed(130, &["stopped before it began"]);
        let took = ended.at.duration_since(asked);
        assert!(took < Duration::from_secs(10), "it took {took:?}");
    }

    let ended = tidegate(&format!("{source} --fail-fast")).run();
    ended.failed(2, &[&nobody, "is the broker running"]);
}

fn a_full_disk_ends_the_run_with_a_word() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("in"), "tide\n").expect("written");
    let ended = tidegate("run wordcount --source file:in --trigger available-now");
    let ended = ended.within(place.path()).run().well();
    assert!(ended.stdout.contains("tide 1"));
    let options = "--trigger available-now --sink jsonl:/dev/full";
    let ended = tidegate(&format!("run wordcount --source file:in {options}"));
    let ended = ended.within(place.path()).run();
    let texts = ["`jsonl:/dev/full` failed at batch 1", "space left", "No space left on device"];
    let ended = ended.failed(1, &texts);
    assert!(!ended.stderr.contains("records in"), "no summary of a run that failed");
}

fn a_batch_for_which_there_is_no_room_leaves_no_line() {
    let place = tempfile::tempdir().expect("a directory");
    let words: String = (0..400).map(|n| format!("word{n}\n")).collect();
    fs::write(place.path().join("in"), words).expect("written");
    // A file that may not grow beyond a few KiB is as good as a full disk: the write that meets
    // the limit is cut short, and the next one fails.
    let ended = tidegate_after(
        "trap '' XFSZ; ulimit -f 8",
        "run wordcount --source file:in --trigger available-now --records-per-partition 20 \
         --output changes --sink jsonl:out",
    );
    let ended = ended.within(place.path()).run();
    let ended =
        ended.failed(1, &["`jsonl:out` failed at batch", "can't write `out`", "space left"]);
    let written = rows(&place.path().join("out"));
    let batches = written.len() as u64 / 20;
    assert!(batches > 0 && written.len().is_multiple_of(20), "{} rows", written.len());
    let failed = format!("failed at batch {}", batches + 1);
    assert!(ended.stderr.contains(&failed), "{batches} batches are there:\n{}", ended.stderr);
    for (index, row) in written.iter().enumerate() {
        assert_eq!(row["batch"], index as u64 / 20 + 1, "{row}");
    }
}

fn records_of_batches_add_up_to_the_summary() {
    let place = tempfile::tempdir().expect("a directory");
    let ended = tidegate(
        "run windowed-wordcount -w 2 --source generate:?records=5000&rate=1e6&partitions=3 \
         --window 40ms --interval 20ms --sink jsonl:out --sink null --metrics metrics",
    )
    .within(place.path())
    .run()
    .well();
    let batches = rows(&place.path().join("metrics"));
    assert_eq!(batches.len() as u64, ended.figure("batches"));
    let sum = |of: &str, what: &str| -> u64 {
        let parts = batches.iter().flat_map(|batch| batch[of].as_array().expect("a list"));
        parts.map(|part| part[what].as_u64().expect("a number")).sum()
    };
    assert_eq!((sum("sources", "rows"), ended.figure("records in")), (5000, 5000));
    assert_eq!(sum("sinks", "rows"), ended.figure("rows out"));
    assert_eq!(sum("sinks", "rows"), 2 * rows(&place.path().join("out")).len() as u64);
    let mut previous = 0;
    let mut read = [0u64; 3];
    for batch in &batches {
        for name in [
            "batch",
            "previous",
            "time_ms",
            "sources",
            "sinks",
            "state",
            "scheduling_delay_ms",
            "processing_ms",
            "total_ms",
            "in_flight",
            "frontier_lag_batches",
            "frontier_lag_ms",
        ] {
            assert!(batch.get(name).is_some(), "no `{name}` in {batch}");
        }
        assert_eq!(batch["previous"], previous, "no batch is left out");
        previous = batch["batch"].as_u64().expect("a number");
        for (index, part) in
            batch["sources"][0]["partitions"].as_array().expect("a list").iter().enumerate()
        {
            assert_eq!(part["from"], read[index], "offsets follow on each other: {batch}");
            read[index] = part["to"].as_u64().expect("a number");
        }
    }
    assert_eq!(read.iter().sum::<u64>(), 5000);
}

fn a_job_ends_when_its_time_is_over() {
    let ended =
        tidegate("run wordcount --source generate:?rate=1000 --interval 50ms --for 300ms").run();
    let records = ended.well().figure("records in");
    // The first interval may have begun before the job did.
    assert!((250..=600).contains(&records), "{records} records in 0.3 s at 1,000 a second");
}
