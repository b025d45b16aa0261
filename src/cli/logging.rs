//! The log: to standard error, beside the progress line.

use std::io::Write;

use super::progress::Terminal;

/// Starts to log. `RUST_LOG` says more precisely what, if it is set.
pub fn start(verbose: u8, quiet: bool, is_job: bool, terminal: &Terminal) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) if !is_job => "warn",
        // What the job promises is for everybody to see.
        (false, 0) => "warn,tidegate::promise=info",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let terminal = terminal.clone();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .format(|buffer, record| {
            let level = record.level().as_str().to_lowercase();
            writeln!(buffer, "{level}: {}", record.args())
        })
        .target(env_logger::Target::Pipe(Box::new(terminal.stderr())))
        .init();
}
