//! How tests are made: named by a sentence, killed when they hang, skipped aloud.

#[cfg(feature = "cli")]
pub mod kills;
#[cfg(feature = "cli")]
pub mod process;

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

/// No test takes this long; one that does hangs.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A test: `module::sentence`.
pub fn test(module: &str, name: &str, body: impl FnOnce() + Send + 'static) -> Trial {
    test_within(module, name, TIMEOUT, body)
}

/// A test that may take longer, or must not take so long.
pub fn test_within(
    module: &str,
    name: &str,
    limit: Duration,
    body: impl FnOnce() + Send + 'static,
) -> Trial {
    Trial::test(format!("{module}::{name}"), move || within(limit, body))
}

/// A test that can't run here. With `CI=true` or `TIDEGATE_TEST_ALL=1` that is a failure.
pub fn skipped(module: &str, name: &str, reason: &str) -> Trial {
    let strict = ["CI", "TIDEGATE_TEST_ALL"].iter().any(|variable| {
        std::env::var(variable).is_ok_and(|value| !matches!(&*value, "" | "0" | "false"))
    });
    let text = format!("skipped, which is a failure here: {reason}");
    Trial::test(format!("{module}::{name}"), move || Err(Failed::from(text)))
        .with_kind(format!("skipped: {reason}"))
        .with_ignored_flag(!strict)
}

/// A fact about Spark that is not meant to hold here.
pub fn by_design(module: &str, name: &str, why: &str) -> Trial {
    Trial::test(format!("{module}::{name}"), || Ok(()))
        .with_kind(format!("differs by design: {why}"))
        .with_ignored_flag(true)
}

/// A fact about something that Tidegate does not have yet.
pub fn unsupported(module: &str, name: &str, what: &str) -> Trial {
    Trial::test(format!("{module}::{name}"), || Ok(()))
        .with_kind(format!("not yet supported: {what}"))
        .with_ignored_flag(true)
}

/// Runs `body` on a thread of its own, and gives it up when it hangs.
fn within(limit: Duration, body: impl FnOnce() + Send + 'static) -> Result<(), Failed> {
    let (done, outcome) = channel();
    let run = move || {
        let result = catch_unwind(AssertUnwindSafe(body));
        // Whoever waited may have given up.
        let _ = done.send(result);
    };
    let thread = std::thread::Builder::new().name("test".into()).spawn(run);
    if let Err(error) = thread {
        return Err(Failed::from(format!("no thread for the test: {error}")));
    }
    match outcome.recv_timeout(limit) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Failed::from(text.unwrap_or_else(|| "it panicked".to_owned())))
        }
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(Failed::from(format!("it hangs: not done after {} s", limit.as_secs())))
        }
    }
}

/// Fails a program inside a batch, as its test wants it: like a panic, but nothing is printed.
pub fn fail_on_purpose(why: &str) -> ! {
    std::panic::resume_unwind(Box::new(why.to_owned()))
}

/// Trials of a module: `trials![module; function, function]`, each named after its function.
macro_rules! trials {
    ($module:literal; $($name:ident),* $(,)?) => {
        vec![$($crate::support::test($module, stringify!($name), $name)),*]
    };
}
pub(crate) use trials;

/// Seeded numbers for tests: the seed is printed by whoever fails.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03 }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// Addresses of this host at which nobody listens.
pub fn free_addresses(count: usize) -> Vec<String> {
    // All are held until all are found, so that none is found twice.
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|listener| listener.local_addr().expect("bound").to_string()).collect()
}

/// Checkpoints as they were before a run, so that one which ended well, and was saved at its end, can be
/// made to look as if it had been killed before that.
pub struct Unsaved {
    directory: PathBuf,
    before: TempDir,
}

impl Unsaved {
    /// To be called before the run.
    pub fn before(directory: &Path) -> Self {
        let before = tempfile::tempdir().expect("a directory");
        copy_missing(directory, before.path());
        Unsaved { directory: directory.to_owned(), before }
    }

    /// What the run has planned stays, what it has saved goes, and what it has tidied away comes back.
    pub fn pretend_killed(self) {
        for saved in ["ckpt", "state"] {
            // The run may have come to nothing at all.
            let _ = std::fs::remove_dir_all(self.directory.join(saved));
        }
        copy_missing(self.before.path(), &self.directory);
    }
}

/// Copies the files that are not there.
fn copy_missing(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("created");
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let (from, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("an entry");
        let to = to.join(name);
        if from.is_dir() {
            copy_missing(&from, &to);
        } else if !to.exists() {
            std::fs::copy(from, to).expect("copied");
        }
    }
}
