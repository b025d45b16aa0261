//! How benches are run by `cargo bench`: quickly, and only those whose names contain the words
//! behind `--`.

use tidegate::bench::{Report, Settings};

/// The quick form, and the words of the command line.
pub fn settings() -> Settings {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    Settings {
        quick: true,
        only: Some(words.join(" ")),
        brokers: None,
        program: Some(env!("CARGO_BIN_EXE_tidegate").into()),
    }
}

/// Prints what was measured, or why it could not be.
pub fn show(report: Result<Report, tidegate::RunError>) -> Result<(), tidegate::RunError> {
    println!("{}", report?);
    Ok(())
}
