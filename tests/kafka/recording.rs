//! What is recorded from a topic.

use tidegate::recording::Recording;

use super::lane::{Message, address, create_topic, produce};
use crate::support::Rng;
use crate::support::kills::lines;
use crate::support::process::tidegate;

pub const TESTS: &[(&str, fn())] =
    &[("what is recorded from a topic replays as it was read, with its offsets", recorded)];

const PARTITIONS: i32 = 3;

fn recorded() {
    let kafka = address();
    create_topic(&kafka, "recorded", PARTITIONS);
    let mut rng = Rng::new(11);
    let text = lines(&mut rng, 900);
    let lines = text.lines().map(|line| (rng.below(PARTITIONS as u64) as i32, line));
    let lines: Vec<(i32, &str)> = lines.collect();
    produce(
        &kafka,
        "recorded",
        lines.iter().map(|(partition, line)| Message::new(*partition, *line)),
    );

    let place = tempfile::tempdir().expect("a directory");
    let run = |arguments: &str| tidegate(arguments).within(place.path()).run().well();
    let batches = "--trigger available-now --records-per-partition 50";
    let source = format!("--source kafka://{kafka}/recorded {batches}");
    run(&format!("record wordcount {source} --to recorded.tgr"));
    let recording = Recording::open(place.path().join("recorded.tgr")).expect("a recording");
    assert_eq!((recording.rows(), recording.partitions().len()), (900, PARTITIONS as usize));
    assert!(recording.batches().len() > 5, "there are several batches");
    for (index, batch) in recording.batches().iter().enumerate() {
        for cut in
            batch.partitions.iter().map(|partition| &partition.cut).filter(|cut| cut.rows > 0)
        {
            let (from, to) = (50 * index as u64, 50 * (index as u64 + 1));
            assert!(cut.from == from && cut.to <= to, "batch {index}: {cut:?}");
        }
    }

    run(&format!("run wordcount {source} --output changes --sink jsonl:read"));
    // Batch times are those of the recording.
    let rows = |name: &str| -> Vec<(u64, serde_json::Value)> {
        let lines = crate::cli::rows(&place.path().join(name)).into_iter();
        lines.map(|line| (line["batch"].as_u64().expect("a batch"), line["row"].clone())).collect()
    };
    for workers in [1, 4] {
        let to = format!("replayed-{workers}");
        run(&format!("replay recorded.tgr -w {workers} --output changes --sink jsonl:{to}"));
        assert!(rows(&to) == rows("read"), "{workers} workers: other rows, or in another order");
    }
}
