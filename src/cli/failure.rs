//! How a command fails: a text with its causes, and an exit code.

use std::error::Error;
use std::process::ExitCode;
use std::{fmt, io};

use tidegate::RunError;
use tidegate::error::SinkError;

/// Why a command did not do what it was asked for.
pub enum Failure {
    /// It was asked for something that can't be: nothing was begun.
    Usage(String),
    /// A job did not start, or did not end well.
    Run(RunError),
    /// A batch can't be got through.
    Poison(RunError),
    /// Something else went wrong on the way.
    Other(String),
}

/// A batch can't be got through.
pub const POISON: u8 = 3;

impl Failure {
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Usage(_) => 2,
            Failure::Run(RunError::NotStarted | RunError::Interrupted { .. }) => 130,
            Failure::Run(error) if error.is_before_start() => 2,
            // What a shell shows of a program that the signal of a broken pipe has ended.
            Failure::Run(_) if self.is_broken_pipe() => 141,
            Failure::Poison(_) => POISON,
            Failure::Run(_) | Failure::Other(_) => 1,
        })
    }
}

impl Failure {
    /// Whether the output went into a pipe whose reader has left.
    pub fn is_broken_pipe(&self) -> bool {
        let Failure::Run(RunError::Sink { source: failure, .. }) = self else { return false };
        match failure {
            SinkError::Stream { source, .. } | SinkError::File { source, .. } => {
                source.kind() == io::ErrorKind::BrokenPipe
            }
            _ => false,
        }
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
            Failure::Run(error) | Failure::Poison(error) => {
                write!(f, "error: {}", with_causes(error))
            }
        }
    }
}

/// An error, and on a line each what it comes from.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n  because: {error}"));
        cause = error.source();
    }
    text
}
