//! How a command fails: a text with its causes, and an exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use tidegate::RunError;

/// Why a command did not do what it was asked for.
pub enum Failure {
    /// It was asked for something that can't be: nothing was begun.
    Usage(String),
    /// A job did not start, or did not end well.
    Run(RunError),
    /// Something else went wrong on the way.
    Other(String),
}

impl Failure {
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Usage(_) => 2,
            Failure::Run(RunError::Interrupted { .. }) => 130,
            Failure::Run(error) if error.is_before_start() => 2,
            Failure::Run(_) | Failure::Other(_) => 1,
        })
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure::Run(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Other(text) => write!(f, "error: {text}"),
            Failure::Run(error) => {
                write!(f, "error: {error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, "\n  because: {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
        }
    }
}
