//! Each example, by the command in its first line. `cargo test` builds them unless it is told to
//! build one test alone; one that is not built is skipped, aloud. Those whose output depends on their
//! input alone must show the same on other numbers of workers, and of processes.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::support::process::{Ended, Program, example};
use crate::support::{free_addresses, skipped, test, trials};

pub fn trials() -> Vec<Trial> {
    let examples = sources().into_iter().map(|(name, command)| {
        let sentence = format!("the example {name} runs as its first line says");
        if !binary(&name).exists() {
            return skipped("cli", &sentence, NOT_BUILT);
        }
        test("cli", &sentence, move || {
            let shown = run(&name, &command).stdout;
            if !BY_THE_CLOCK.contains(&&*name) {
                for workers in ["1", "4"] {
                    let other = program(&name, &command).variable("TIDEGATE_WORKERS", workers);
                    let other = other.run().well().stdout;
                    assert_eq!(sorted(&other), sorted(&shown), "{workers} workers differ from two");
                }
                if !ALONE.contains(&&*name) {
                    assert_eq!(by_two_processes(&name, &command), sorted(&shown), "two processes");
                }
            }
            assert!(!shown.is_empty(), "`{command}` shows nothing");
            let expected = LINES.iter().filter(|(of, _)| *of == name).flat_map(|(_, lines)| *lines);
            for line in expected {
                assert!(shown.lines().any(|shown| shown == *line), "no `{line}` in:\n{shown}");
            }
        })
    });
    let own = trials!["cli"; the_first_line_of_an_example_is_its_command];
    own.into_iter().chain(examples).collect()
}

/// Why an example is skipped.
pub(super) const NOT_BUILT: &str = "build the examples: cargo build --examples";

/// Those whose batches end by the clock.
const BY_THE_CLOCK: [&str; 2] = ["clicks", "windowed_wordcount"];

/// Those that are one process: they have a broker, a server or a file of their own, which another process
/// doesn't know, push records by hand, or show operators without the engine.
const ALONE: [&str; 6] = [
    "bare_timely",
    "differential",
    "live_trading_report",
    "operator_kit",
    "own_sink",
    "stock_ticks",
];

/// Some of what some of them must say.
const LINES: [(&str, &[&str]); 3] = [
    (
        "shopping_carts",
        &[
            "batch 4: dan orders 1 cup, 1 hose, 1 rug",
            "batch 9: 2 carts with 5 items",
            "401 actions in 9 batches",
        ],
    ),
    (
        "user_profiles",
        &[
            "batch 5: 2 changes of profiles",
            " ann clicks on 50 % of what it sees, buys 48.0 times a day, is like jon and ida",
            "401 actions in 5 batches",
        ],
    ),
    (
        "session_alerts",
        &[
            "batch 8: jon left cup, rug at 09:17:19",
            "batch 20: bob left score at 10:20:50",
            "401 actions in 21 batches",
        ],
    ),
];

/// The examples, each with its first line.
fn sources() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = fs::read_dir(directory).expect("there are examples");
    let files = files.map(|entry| entry.expect("a file").path());
    let mut sources: Vec<(String, String)> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("an example is text");
            (name, text.lines().next().unwrap_or_default().to_owned())
        })
        .collect();
    sources.sort();
    sources
}

/// The first line of an example.
pub(super) fn command(name: &str) -> String {
    let found = sources().into_iter().find(|(of, _)| of == name);
    found.expect("the example is there").1
}

fn the_first_line_of_an_example_is_its_command() {
    for (name, line) in sources() {
        let command = format!("//! cargo run --example {name}");
        let rest = line.strip_prefix(&command).unwrap_or_else(|| panic!("{name}: `{line}`"));
        assert!(rest.is_empty() || rest.starts_with(" -- ") || rest.starts_with(" < "), "{line}");
    }
}

/// Where Cargo puts it, beside the directory of this test.
pub(super) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("it lies in `deps`, in the profile's directory");
    profile.join("examples").join(name)
}

/// Its lines in an order of their own: the threads of two sinks print as they come.
fn sorted(shown: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = shown.lines().collect();
    lines.sort_unstable();
    lines
}

/// What two processes of one worker each show together; but what the second one sums up in the end,
/// since a job's summary is the first one's.
fn by_two_processes(name: &str, command: &str) -> Vec<String> {
    let addresses = free_addresses(2).join(",");
    let processes = ["0", "1"].map(|process| {
        let program = program(name, command).variable("TIDEGATE_WORKERS", "1");
        let program = program.variable("TIDEGATE_ADDRESSES", &addresses);
        program.variable("TIDEGATE_PROCESS", process).start()
    });
    let [first, second] = processes.map(|process| process.end().well().stdout);
    let (before, last) = second.trim_end().rsplit_once('\n').unwrap_or(("", second.trim_end()));
    let second = if last.starts_with("0 ") { before } else { &second };
    let shown = format!("{first}{second}");
    sorted(&shown).into_iter().map(str::to_owned).collect()
}

/// Runs it with the arguments and the input of its command.
pub(super) fn run(name: &str, command: &str) -> Ended {
    program(name, command).run().well()
}

/// It, with the arguments and the input of its command.
fn program(name: &str, command: &str) -> Program {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (command, input) = command.split_once(" < ").unwrap_or((command, ""));
    let arguments = command.split_once(" -- ").map_or("", |(_, arguments)| arguments);
    let mut program = example(&binary(name), arguments).within(root);
    if !input.is_empty() {
        program = program.input(fs::read(root.join(input)).expect("the input is there"));
    }
    program
}
