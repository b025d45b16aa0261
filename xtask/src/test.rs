//! `cargo xtask test`: all tests, with everything they need, and a closing line that counts them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::kafka::{JARS_VARIABLE, Jars};
use crate::s3::{S3, S3_VARIABLE};
use crate::sql::{MARIADB_VARIABLE, MariaDb, POSTGRES_VARIABLE, Postgres};

/// Run all tests, those against a real Kafka broker, real databases and an S3 server included
///
/// What this machine can't have (no Java, no Maven, no apt-get, no network) is skipped and counted; with
/// `--all`, or `CI=true` in the environment, a skip is a failure.
#[derive(Args)]
pub struct Test {
    /// A test that can't run here is a failure
    #[arg(long)]
    all: bool,

    /// Only tests whose name contains this
    filter: Option<String>,
}

/// Tells the tests that a skip is a failure.
const STRICT_VARIABLE: &str = "TIDEGATE_TEST_ALL";

/// What the tests need that the program does without, and what is built only if it is asked for.
pub(crate) const FEATURES: &str = "tidegate/faults,tidegate/mysql,tidegate/object-store,\
                                   tidegate/postgres,tidegate/sqlite,tidegate/tls";

/// Tests that are silent for so long hang. All examples of the documentation are compiled in one go,
/// which takes minutes.
const SILENCE: Duration = Duration::from_secs(900);

impl Test {
    /// Runs them.
    ///
    /// # Errors
    ///
    /// If Cargo can't be run, or a test hangs.
    pub fn run(self) -> Result<ExitCode, String> {
        let strict = self.all || std::env::var("CI").is_ok_and(|value| value == "true");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--workspace", "--features", FEATURES]).current_dir(crate::root());
        let built = cargo.arg("--no-run").status().map_err(|e| format!("can't run Cargo: {e}"))?;
        if !built.success() {
            return Err("the tests can't be built".into());
        }

        let mut cargo = Command::new(cargo.get_program());
        cargo
            .args(["test", "--workspace", "--features", FEATURES, "--no-fail-fast"])
            .current_dir(crate::root());
        cargo.args(self.filter);
        match Jars::fetch() {
            Ok(jars) => {
                cargo.env(JARS_VARIABLE, jars.directory());
            }
            Err(reason) => eprintln!("warning: the tests against a real Kafka can't run: {reason}"),
        }
        for (variable, server, found) in [
            (POSTGRES_VARIABLE, "PostgreSQL", Postgres::programs()),
            (MARIADB_VARIABLE, "MariaDB", MariaDb::directory()),
            (S3_VARIABLE, "S3 server", S3::fetch()),
        ] {
            match found {
                Ok(directory) => {
                    cargo.env(variable, directory);
                }
                Err(reason) => {
                    eprintln!("warning: the tests against a real {server} can't run: {reason}");
                }
            }
        }
        if strict {
            cargo.env(STRICT_VARIABLE, "1");
        }
        // Many tests make a job fail on purpose: a page for each would bury what fails in earnest.
        cargo.env("RUST_BACKTRACE", "0");
        let (counts, passed) = watch(cargo)?;
        for skipped in &counts.skipped {
            println!("skipped: {skipped}");
        }
        for (name, text) in &counts.failed {
            println!("\nFAILED: {name}\n{}", text.trim());
        }
        let facts = counts.facts.iter().map(|(lane, facts)| format!("{facts} on {lane}"));
        let facts: Vec<String> = facts.collect();
        if !facts.is_empty() {
            println!("\nfacts that hold: {}", facts.join(", "));
        }
        if counts.by_design > 0 {
            println!("facts that differ by design (docs/spark.md): {}", counts.by_design);
        }
        println!(
            "\n{} passed, {} failed, {} skipped{}",
            counts.passed,
            counts.failed.len(),
            counts.skipped.len(),
            match counts.unsupported {
                0 => String::new(),
                facts => format!(" ({facts} facts are not yet supported)"),
            }
        );
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What the lines of test binaries add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    /// By name, with what was said of each at the end of its binary.
    failed: BTreeMap<String, String>,
    skipped: Vec<String>,
    unsupported: u64,
    by_design: u64,
    /// How many facts hold, by what they ran on: `facts::001 map [2 workers]`.
    facts: BTreeMap<String, u64>,
    /// Whose text the lines are: those after `---- name ----`.
    telling: Option<String>,
}

impl Counts {
    /// Counts a line such as `test name ... ok`, and keeps what is said of those that failed, as libtest
    /// and libtest-mimic write them.
    fn add(&mut self, line: &str) {
        if let Some(named) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" ----")) {
            self.telling = Some(named.strip_suffix(" stdout").unwrap_or(named).to_owned());
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.telling = None;
        } else if let Some(text) = self.telling.as_ref().and_then(|n| self.failed.get_mut(n)) {
            text.push_str(line);
            text.push('\n');
        }
        let Some((name, outcome)) = line.strip_prefix("test ").and_then(|l| l.rsplit_once(" ... "))
        else {
            return;
        };
        // Names stand in a column of their own where some tests are of a kind.
        let name = name.trim();
        match outcome.trim() {
            "FAILED" => {
                self.failed.insert(name.to_owned(), String::new());
            }
            "ignored" if name.starts_with("[not yet supported") => self.unsupported += 1,
            "ignored" if name.starts_with("[differs by design") => self.by_design += 1,
            outcome if outcome.starts_with("ignored") => self.skipped.push(name.to_owned()),
            outcome if outcome.starts_with("ok") => {
                self.passed += 1;
                let lane = name.strip_suffix(']').and_then(|name| name.rsplit_once('['));
                if let (Some((_, lane)), true) = (lane, name.starts_with("facts::")) {
                    *self.facts.entry(lane.to_owned()).or_default() += 1;
                }
            }
            _ => {}
        }
    }
}

/// Runs Cargo in a process group of its own, passes its lines on and counts them; whether it
/// succeeded comes second.
fn watch(mut cargo: Command) -> Result<(Counts, bool), String> {
    let mut child = cargo
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| format!("can't run Cargo: {e}"))?;
    let (sender, lines) = channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    let mut group = Group::new(child)?;
    let mut counts = Counts::default();
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                counts.add(&line);
                println!("{line}");
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("a test hangs: nothing heard for {} s", SILENCE.as_secs()));
            }
        }
    }
    // Cargo's own word is the last one: a test binary that crashes prints no line.
    let passed = group.wait()?;
    Ok((counts, passed))
}

/// Processes that are ended with the one that leads them.
struct Group(Child);

impl Group {
    /// Takes charge of a group: who interrupts this program ends the group, too.
    fn new(leader: Child) -> Result<Self, String> {
        let mut signals = Signals::new([SIGINT, SIGTERM])
            .map_err(|e| format!("can't listen for signals: {e}"))?;
        let group = Group(leader);
        let pid = group.pid();
        std::thread::spawn(move || {
            if let (Some(signal), Some(group)) = (signals.forever().next(), pid) {
                // Nobody may be left.
                let _ = kill_process_group(group, Signal::KILL);
                std::process::exit(128 + signal);
            }
        });
        Ok(group)
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.0.id() as i32)
    }

    fn wait(&mut self) -> Result<bool, String> {
        let status = self.0.wait().map_err(|e| format!("can't wait for Cargo: {e}"))?;
        Ok(status.success())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.pid() {
            // Nobody may be left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn lines_are_counted_by_their_outcome() {
        let mut counts = Counts::default();
        for line in [
            "running 5 tests",
            "test index::tests::grows ... ok",
            "test src/config.rs - config::Config (line 9) - compile ... ok",
            "test facts::001 map ... FAILED",
            "test                       facts::002 filter [1 workers]     ... ok",
            "test facts::002 filter [2 processes] ... ok",
            "test facts::003 count [2 processes] ... ok",
            "test facts::004 union [2 processes] ... FAILED",
            "test [not yet supported: joins] facts::080 join [1 workers] ... ignored",
            "test [differs by design: no receivers] facts::081 error [1 workers] ... ignored",
            "test [skipped: no Java] kafka::lag ... ignored",
            "failures:",
            "---- facts::001 map ----",
            "in batch 3",
            "",
            "two rows",
            "---- facts::004 union [2 processes] ----",
            "failures:",
            "    facts::001 map",
            "test result: FAILED. 5 passed; 2 failed; 2 ignored",
        ] {
            counts.add(line);
        }
        let skipped = vec!["[skipped: no Java] kafka::lag".to_owned()];
        let failed = [
            ("facts::001 map".to_owned(), "in batch 3\n\ntwo rows\n".to_owned()),
            ("facts::004 union [2 processes]".to_owned(), String::new()),
        ]
        .into();
        let facts = [("1 workers".to_owned(), 1), ("2 processes".to_owned(), 2)].into();
        assert_eq!(
            counts,
            Counts {
                passed: 5,
                failed,
                skipped,
                unsupported: 1,
                by_design: 1,
                facts,
                telling: None
            }
        );
    }
}
