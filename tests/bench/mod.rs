//! Measurements: what is written is what was measured, in every form, and can be resumed.
//!
//! Catches cells that are left out, runs that are measured twice or lost, figures that differ between
//! forms, and verdicts where there is nothing to tell. Can't catch a figure that is wrong in all of
//! them: the unit tests of `bench::grid` compare latencies with a stall of a known length.

mod instructions;
mod peers;

use std::fs;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    let grid = trials!["bench";
        a_grid_is_measured_written_and_resumed,
        a_job_that_is_behind_is_not_in_time_when_it_ends,
        the_highest_rate_is_looked_for,
        what_can_not_be_measured_is_refused_before_anything_runs,
    ];
    [grid, instructions::trials(), peers::trials()].into_iter().flatten().collect()
}

const GRID: &str = "bench --workload wordcount,clickstream --workers 1 --processes 1,2 --interval 10ms \
                    --rate 1000,2000 --warm-up 20ms --for 300ms --no-saturation --json out.json";

fn a_grid_is_measured_written_and_resumed() {
    let place = tempfile::tempdir().expect("a directory");
    let run = |arguments: &str| tidegate(arguments).within(place.path()).run();
    let ended = run(&format!("{GRID} --html out.html --csv out.csv --markdown out.md")).well();
    let read = |name: &str| fs::read_to_string(place.path().join(name)).expect("written");
    let text = read("out.json");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines.len(), &lines[0]["kind"]), (1 + 8, &"bench".into()));
    let mut cells = Vec::new();
    for line in &lines[1..] {
        let (run, cell) = (&line["run"], &line["run"]["cell"]);
        cells.push(format!("{} {} {}", cell["workload"], cell["processes"], cell["rate"]));
        // Each sample: batch, due, delay, processing, from, to; without gaps.
        let samples = run["samples"].as_array().expect("samples");
        assert!(!samples.is_empty(), "{line}");
        for (one, next) in samples.iter().zip(&samples[1..]) {
            assert_eq!(one[5], next[4], "{line}");
            assert!(next[3].as_f64() > Some(0.0), "{line}");
        }
        let rate = cell["rate"].as_f64().expect("a rate");
        let last = samples.last().expect("one");
        let (due_ms, to) = (last[1].as_f64().expect("ms"), last[5].as_f64().expect("records"));
        assert!((to - due_ms / 1e3 * rate).abs() <= 1.0, "record n is due at n / rate: {line}");
        let workers = run["workers"].as_array().expect("workers").len() as u64;
        assert_eq!(Some(workers), cell["processes"].as_u64(), "{line}");
    }
    cells.sort();
    cells.dedup();
    assert_eq!(cells.len(), 8, "{cells:?}");

    // The same rows in each form.
    let (html, csv, markdown) = (read("out.html"), read("out.csv"), read("out.md"));
    assert_eq!((csv.lines().count(), markdown.lines().count()), (1 + 8, 2 + 8));
    assert_eq!(html.matches("<svg ").count(), 4, "records and batches of two workloads");
    for foreign in ["http:", "https:", "<script", "<link", "src="] {
        assert!(!html.contains(foreign), "`{foreign}` in the page");
    }
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.rsplit(',').take(6).collect();
        assert!(cells.iter().all(|cell| ended.stdout.contains(cell)), "{line}: {}", ended.stdout);
        assert!(cells.iter().all(|cell| markdown.contains(cell) && html.contains(cell)), "{line}");
    }

    // What was interrupted goes on where it was; what is complete is left as it is.
    let kept: String = text.lines().take(4).map(|line| format!("{line}\n")).collect();
    fs::write(place.path().join("out.json"), format!("{kept}{{\"run\":")).expect("written");
    run(&format!("{GRID} --resume")).well();
    let resumed = read("out.json");
    assert!(resumed.starts_with(&kept) && resumed.lines().count() == 1 + 8);
    run(&format!("{GRID} --resume")).well();
    assert_eq!(read("out.json"), resumed);
    let other = GRID.replace("1000,2000", "1000");
    run(&format!("{other} --resume")).failed(2, &["out.json", "another grid", "--resume"]);
    assert_eq!(read("out.json"), resumed);

    // The report gives the same again, and of a measurement against itself no difference.
    fs::write(place.path().join("before.json"), &text).expect("written");
    let again = run("report before.json").well().stdout;
    assert_eq!(again, ended.stdout);
    let verdicts = run("report before.json before.json").well().stdout;
    assert!(!verdicts.contains("faster") && !verdicts.contains("slower"), "{verdicts}");
    assert_eq!(verdicts.lines().count(), 1 + 2 * 8, "{verdicts}");
    run("report before.json out.json --html both.html --csv both.csv").well();
    assert!(read("both.html").contains("Against the earlier measurement"));
    assert_eq!(read("both.csv").lines().count(), 1 + 2 * 8);
}

fn a_job_that_is_behind_is_not_in_time_when_it_ends() {
    let place = tempfile::tempdir().expect("a directory");
    let command = "bench --workload wordcount --workers 1 --processes 1 --interval 10ms --rate 1000000 \
                   --warm-up 0ms --for 200ms --no-saturation --json out.json";
    let ended = tidegate(command).within(place.path()).run().well();
    assert!(ended.stdout.contains(", behind"), "{}", ended.stdout);
    let text = fs::read_to_string(place.path().join("out.json")).expect("written");
    let run: Value = serde_json::from_str(text.lines().nth(1).expect("a run")).expect("JSON");
    let samples = run["run"]["samples"].as_array().expect("samples");
    assert!(!samples.is_empty(), "{run}");
    let ms = |sample: &Value, part: usize| sample[part].as_f64().expect("milliseconds");
    for (one, later) in samples.iter().zip(samples.iter().skip(2)) {
        // Two batches are in flight: the next one but one is cut when this one is through.
        let through = ms(one, 1) + ms(one, 2) + ms(one, 3);
        let cut = ms(later, 1) + ms(later, 2);
        assert!(cut > through - 10.0, "{later} seems to be cut before {one} was through");
    }
}

fn the_highest_rate_is_looked_for() {
    let place = tempfile::tempdir().expect("a directory");
    // No record is through in a tenth of a batch: there is no such rate.
    let command = "bench --workload wordcount --workers 1 --processes 1 --interval 10ms --rate 400 \
                   --warm-up 20ms --for 100ms --p99-below 1ms --json out.json";
    let ended = tidegate(command).within(place.path()).run().well();
    let text = fs::read_to_string(place.path().join("out.json")).expect("written");
    let found: Value = serde_json::from_str(text.lines().nth(2).expect("a line")).expect("JSON");
    let found = &found["saturation"];
    assert_eq!(found["cell"]["rate"], 0.0, "{found}");
    let probes = found["probes"].as_array().expect("probes");
    let rates: Vec<f64> = probes.iter().filter_map(|probe| probe["rate"].as_f64()).collect();
    assert_eq!(rates, [400.0, 200.0, 100.0, 50.0, 25.0, 12.5, 6.25, 3.125, 1.5625]);
    // Not even where no record was due in the time.
    assert!(probes.iter().all(|probe| probe["holds"] == false), "{found}");
    assert!(probes[0]["p99_ms"].as_f64() > Some(1.0), "{found}");
    assert!(ended.stdout.contains("the highest rate kept up with"), "{}", ended.stdout);
}

fn what_can_not_be_measured_is_refused_before_anything_runs() {
    let place = tempfile::tempdir().expect("a directory");
    for (flags, texts) in [
        ("--workload wordcont", ["wordcont", "wordcount"]),
        ("--workers 0", ["a number of workers", "1 or more"]),
        ("--rate 0", ["a rate", "1 or more"]),
        ("--resume", ["--json", "required"]),
        ("--json /proc/none/out.json", ["/proc/none", "can't use"]),
        ("--html /proc/none/out.html", ["/proc/none", "--html"]),
        ("operators --workers 2", ["--workers", "unexpected"]),
    ] {
        tidegate(&format!("bench {flags}")).within(place.path()).run().failed(2, &texts);
    }
}
