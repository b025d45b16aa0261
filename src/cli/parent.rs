//! Ending with the program that started this one.

use std::os::unix::process::parent_id;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// Set for processes that are to end with the program that starts them: its process id.
pub const PARENT_VARIABLE: &str = tidegate::bench::PARENT_VARIABLE;

const GLANCE: Duration = Duration::from_millis(100);
/// How long the open batch may take to finish.
const GRACE: Duration = Duration::from_secs(5);

/// Watches for as long as this process runs, if the variable says whom. A program that is killed
/// can't tell the processes it has started; so each of them looks who its parent is.
pub fn watch() {
    let Ok(parent) = std::env::var(PARENT_VARIABLE) else { return };
    let Ok(parent) = parent.parse::<u32>() else { return };
    let watch = move || {
        while parent_id() == parent {
            std::thread::sleep(GLANCE);
        }
        log::warn!("process {parent}, which started this one, is gone: stopping");
        // As if somebody had asked for it; a process that listens to nobody ends at once.
        let _ = kill_process(getpid(), Signal::TERM);
        std::thread::sleep(GRACE);
        std::process::exit(1);
    };
    if let Err(error) = std::thread::Builder::new().name("parent".into()).spawn(watch) {
        log::warn!("this process may outlive the one that started it: {error}");
    }
}
