//! The command line of Tidegate.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
