//! The comparison with other systems, without them: Tidegate's own part gives the plain answer.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{skipped, test_within};

const NAME: &str = "tidegate_gives_the_plain_answer";
/// For two runs of 21 workloads.
const LIMIT: Duration = Duration::from_secs(300);

pub fn trials() -> Vec<Trial> {
    let version = Command::new("python3")
        .args(["-c", "import sys; sys.exit(sys.version_info < (3, 10))"])
        .status();
    match version {
        Ok(status) if status.success() => {
            vec![test_within("bench::peers", NAME, LIMIT, gives_the_plain_answer)]
        }
        _ => vec![skipped("bench::peers", NAME, "there is no Python 3.10 or later (`python3`)")],
    }
}

fn gives_the_plain_answer() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/run.sh");
    let ended = Command::new("bash")
        .arg(script)
        .args(["--check", "--timeout", "30"])
        .env("TIDEGATE", env!("CARGO_BIN_EXE_tidegate"))
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}\n{complained}");
    assert_eq!(said.matches("  equal  ").count(), 2 + 20, "{said}");
}
